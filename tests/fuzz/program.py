"""Random programs: how one is drawn, and how any implementation of torch's API runs it.

An instruction is a tuple of plain data, so a program can be printed, stored and replayed.  Slots
are the tensors made so far; `Run` executes instructions on one implementation (`T` is its module).
"""

import random

import numpy as np

POINTWISE1 = ("exp", "relu", "neg", "tanh", "abs", "clone", "sigmoid")
POINTWISE2 = ("add", "mul", "sub", "maximum")
INPLACE2 = ("add_", "mul_", "copy_", "sub_")
INPLACE1 = ("zero_", "fill_", "exp_", "relu_", "adds_", "muls_", "neg_", "tanh_", "index_fill_")
BOUND = 3.0  # operands of growing operators stay below this, so that values stay comparable
KNOWN = (
    "second time",
    "modified by an inplace operation",
    "leaf Variable that requires grad",
    "view of a leaf",
    "does not require grad",
    "more than one element of the written-to",
    "some elements of the input tensor and the written-to",
    "is a view and is being modified",
    "view was created in no_grad mode",
    "view which was created in no_grad",
    "is a view and its base",
    "view size is not compatible",
    "Can't call numpy() on Tensor",
    "appears to not have been used",
    "out of bounds for storage",
    "only Tensors of floating point",
    "can't retain_grad",
    "size of tensor",
)


def key_of(error):
    """What must agree between implementations: the key phrase, and the version error's numbers."""
    text = str(error)
    if "modified by an inplace operation" in text:
        return text.split("inplace operation: ")[1].split(". Hint")[0].split("; expected")[0]
    for phrase in KNOWN:
        if phrase in text:
            return phrase
    return f"{type(error).__name__}: {text[:80]}"


class Run:
    """One implementation executing a program."""

    def __init__(self, T, dtype="float64"):
        self.T, self.dtype = T, getattr(T, dtype)
        self.slots, self.arrays, self.log = [], [], []

    def execute(self, instruction):
        """Run one instruction; returns None or the error's key."""
        name, *args = instruction
        try:
            getattr(self, "do_" + name)(*args)
        except (RuntimeError, ValueError, NotImplementedError, IndexError, TypeError) as error:
            return key_of(error)
        return None

    # ------------------------------------------------------------------------- sources
    def do_leaf(self, shape, seed, requires_grad):
        data = np.random.RandomState(seed).uniform(-1, 1, shape)
        if not data.size:  # PyTorch keeps NumPy's odd strides of empty arrays
            self.slots.append(self.T.zeros(shape, dtype=self.dtype, requires_grad=requires_grad))
            return
        self.slots.append(self.T.tensor(data, dtype=self.dtype, requires_grad=requires_grad))

    def do_from_numpy(self, shape, seed):
        array = np.random.RandomState(seed).uniform(-1, 1, shape)
        self.arrays.append(array)
        self.slots.append(self.T.from_numpy(array))

    def do_export(self, i):
        array = self.slots[i].numpy()
        if array.size and array.flags.writeable:
            self.arrays.append(array)

    def do_poke(self, k, place, value):
        self.arrays[k][place] = value

    # --------------------------------------------------------------------------- views
    def _mode(self, quiet):
        return self.T.no_grad() if quiet else self.T.enable_grad()

    def do_view(self, i, kind, args, quiet):
        t = self.slots[i]
        with self._mode(quiet):
            if kind == "index":
                found = t[tuple(slice(*a) if isinstance(a, tuple) else a for a in args)]
            elif kind == "data":
                found = t.data
            else:
                found = getattr(t, kind)(*args)
        self.slots.extend(found if isinstance(found, tuple | list) else [found])

    # ----------------------------------------------------------------------- operators
    def do_op1(self, i, kind):
        self.slots.append(getattr(self.slots[i], kind)())

    def do_op2(self, i, j, kind):
        self.slots.append(getattr(self.T, kind)(self.slots[i], self.slots[j]))

    def do_scalar(self, i, kind, value):
        t = self.slots[i]
        self.slots.append(
            {
                "mul": lambda: t * value,
                "add": lambda: t + value,
                "rsub": lambda: value - t,
                "pow": lambda: t**2,
            }[kind]()
        )

    def do_reduce(self, i, kind, dim, keepdim):
        t = self.slots[i]
        self.slots.append(getattr(t, kind)() if dim is None else getattr(t, kind)(dim, keepdim))

    def do_mm(self, i, j):
        self.slots.append(self.slots[i].mm(self.slots[j]))

    def do_cat(self, i, j, dim):
        self.slots.append(self.T.cat([self.slots[i], self.slots[j]], dim))

    def do_where(self, i, j):
        a, b = self.slots[i], self.slots[j]
        self.slots.append(self.T.where(a > 0, a, b))

    def do_take(self, i, rows):
        self.slots.append(self.slots[i][self.T.tensor(rows)])

    def do_softmax(self, i, dim):
        self.slots.append(self.slots[i].softmax(dim))

    # ------------------------------------------------------------------------ in place
    def do_inplace(self, i, kind, j, value, quiet):
        t = self.slots[i]
        with self._mode(quiet):
            if kind in INPLACE2:
                getattr(t, kind)(self.slots[j])
            elif kind == "fill_":
                t.fill_(value)
            elif kind == "adds_":
                t.add_(value)
            elif kind == "muls_":
                t.mul_(value)
            elif kind == "index_fill_":
                t[..., self.T.tensor(j)] = value
            elif kind == "setitem":
                t[j] = value
            else:
                getattr(t, kind)()

    def do_requires_grad(self, i):
        self.slots[i].requires_grad_()

    def do_delete(self, i):
        del self.slots[i]

    # ------------------------------------------------------------------------ backward
    def do_backward(self, i, retain, create):
        self.slots[i].sum().backward(retain_graph=retain, create_graph=create)

    def do_grad(self, i, wanted, create):
        t = self.slots[i]
        inputs = [self.slots[k] for k in wanted]
        found = self.T.autograd.grad((t * t).sum(), inputs, create_graph=create, allow_unused=True)
        self.found = found
        for g in found:
            if create and g is not None:
                self.slots.append(g.clone(memory_format=self.T.contiguous_format) * 1.0)

    def do_hook(self, i, tag, scale):
        leaf = self.slots[i].grad_fn is None

        def hook(g):
            if not leaf:
                self.log.append(tag)
            return None if scale is None else g * scale

        self.slots[i].register_hook(hook)

    def do_retain(self, i):
        self.slots[i].retain_grad()

    # ------------------------------------------------------------------- control flow
    def do_branch(self, i, kind):
        """A read decides what is recorded next, but not what rounding leaves of a sum of 0."""
        t = self.slots[i]
        self.slots.append(t * 2 if float(t.detach().sum()) > 1e-6 else t - 1)

    def do_loop(self, i, count):
        t = self.slots[i]
        for k in range(count):
            t = t * 0.5 + k
        self.slots.append(t)

    def do_read(self, i):
        self.slots[i].detach().sum().item()

    # -------------------------------------------------------------------- observations
    def values(self, i):
        """A copy of a slot's values."""
        return np.array(self.slots[i].detach().clone().numpy())

    def meta(self, i):
        t = self.slots[i]
        return (tuple(t.shape), tuple(t.stride()), t.storage_offset(), t._version, t.requires_grad)

    def grad_of(self, i):
        g = self.slots[i].grad if self.slots[i].is_leaf or self.slots[i].retains_grad else None
        return None if g is None else np.array(g.detach().clone().numpy())

    def node(self, i):
        fn = self.slots[i].grad_fn
        return None if fn is None else fn.name()


class Author:
    """Draws instructions that make sense for the tensors a leading Run has."""

    WEIGHTS = dict(
        view=26,
        op=26,
        inplace=24,
        backward=8,
        read=5,
        hook=4,
        numpy=3,
        leaf=3,
        delete=2,
        requires_grad=1,
        flow=4,
    )

    def __init__(self, seed, lead):
        self.r, self.lead = random.Random(seed), lead
        self.n = 0

    def next(self):
        """The next instruction, or None where the drawn kind does not apply."""
        if not self.lead.slots:
            return self.leaf()
        kind = self.r.choices(list(self.WEIGHTS), list(self.WEIGHTS.values()))[0]
        return getattr(self, kind)()

    def pick(self, ok=lambda t: True):
        found = [i for i, t in enumerate(self.lead.slots) if t.numel() <= 64 and ok(t)]
        return self.r.choice(found) if found else None

    def tame(self, i):
        return self.small(self.lead.slots[i])

    @staticmethod
    def small(t):
        return not t.numel() or bool(
            np.nan_to_num(np.abs(np.array(t.detach().clone().numpy())).max(), nan=99) < BOUND
        )

    # --------------------------------------------------------------------- instructions
    def leaf(self):
        shape = tuple(self.r.randint(1, 4) for _ in range(self.r.choice([0, 1, 2, 2, 2, 3])))
        if self.r.random() < 0.1 and shape:
            shape = (0, *shape[1:])
        self.n += 1
        if self.r.random() < 0.15:
            return ("from_numpy", shape, self.r.randrange(1 << 30))
        return ("leaf", shape, self.r.randrange(1 << 30), self.r.random() < 0.6)

    def view(self):
        i = self.pick()
        if i is None:
            return None
        t, r = self.lead.slots[i], self.r
        kinds = ["expand", "detach", "data", "view", "as_strided"]
        if t.ndim:
            kinds += [
                "select",
                "index",
                "transpose",
                "unbind",
                "split",
                "narrow",
                "permute",
                "unsqueeze",
                "select",
                "index",
                "diagonal",
            ]
        kind = r.choice(kinds)
        args = getattr(self, "_" + kind)(t)
        return None if args is None else ("view", i, kind, args, r.random() < 0.12)

    def _detach(self, t):
        return ()

    _data = _detach

    def _select(self, t):
        d = self.r.randrange(t.ndim)
        return (d, self.r.randrange(t.shape[d])) if t.shape[d] else None

    def _narrow(self, t):
        d = self.r.randrange(t.ndim)
        lo = self.r.randint(0, t.shape[d])
        return (d, lo, self.r.randint(0, t.shape[d] - lo))

    def _index(self, t):
        items = []
        for n in t.shape[: self.r.randint(1, t.ndim)]:
            lo = self.r.randint(0, n)
            items.append(
                (lo, self.r.randint(lo, n), self.r.choice([1, 1, 2]))
                if not n or self.r.random() < 0.6
                else self.r.randrange(n)
            )
        if self.r.random() < 0.2:
            items.insert(self.r.randrange(len(items) + 1), None)
        return tuple(items)

    def _transpose(self, t):
        return (self.r.randrange(t.ndim), self.r.randrange(t.ndim))

    def _diagonal(self, t):
        return (self.r.randint(-1, 1), 0, 1) if t.ndim >= 2 else None

    def _permute(self, t):
        axes = list(range(t.ndim))
        self.r.shuffle(axes)
        return (tuple(axes),)

    def _unsqueeze(self, t):
        return (self.r.randint(0, t.ndim),) if t.ndim < 4 else None

    def _view(self, t):
        n, shape = t.numel(), []
        if n == 0:
            return ((0, 2),)
        for p in (2, 3):
            while n % p == 0 and self.r.random() < 0.5 and len(shape) < 2:
                shape.append(p)
                n //= p
        return ((*shape, n) if self.r.random() < 0.5 else (n, *shape),)

    def _expand(self, t):
        shape = tuple(
            self.r.randint(2, 3) if n == 1 and self.r.random() < 0.7 else n for n in t.shape
        )
        if len(shape) < 3 and self.r.random() < 0.6:
            shape = (self.r.randint(1, 3), *shape)
        return (shape,) if shape else None

    def _as_strided(self, t):
        size = t.untyped_storage().nbytes() // t.element_size()
        shape = tuple(self.r.randint(1, 3) for _ in range(self.r.randint(1, 2)))
        strides = tuple(self.r.randint(0, 3) for _ in shape)
        if self.r.random() < 0.7:
            strides = tuple(s or 1 for s in strides)
        span = sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        return (shape, strides, self.r.randint(0, size - span - 1)) if span < size else None

    def _unbind(self, t):
        return (self.r.randrange(t.ndim),)

    def _split(self, t):
        d = self.r.randrange(t.ndim)
        return (self.r.randint(1, t.shape[d]), d) if t.shape[d] else None

    def op(self):
        i = self.pick()
        if i is None:
            return None
        t, r = self.lead.slots[i], self.r
        kind = r.choice(
            ["op1", "op2", "op2", "scalar", "reduce", "mm", "cat", "where", "take", "softmax"]
        )
        return getattr(self, "_op_" + kind)(i, t)

    def _op_op1(self, i, t):
        kind = self.r.choice(POINTWISE1)
        return ("op1", i, "relu" if kind == "exp" and not self.tame(i) else kind)

    def _compatible(self, t, limit=64):
        def fits(u):
            try:
                shape = np.broadcast_shapes(tuple(t.shape), tuple(u.shape))
            except ValueError:
                return False
            return len(shape) <= 3 and int(np.prod(shape)) <= limit

        return fits

    def _op_op2(self, i, t):
        j, kind = self.pick(self._compatible(t)), self.r.choice(POINTWISE2)
        if j is None:
            return None
        if kind == "mul" and not (self.tame(i) and self.tame(j)):
            kind = "add"
        return ("op2", i, j, kind)

    def _op_scalar(self, i, t):
        kind = self.r.choice(["mul", "add", "rsub", "pow"])
        return ("scalar", i, "add" if kind == "pow" and not self.tame(i) else kind, 0.5)

    def _op_reduce(self, i, t):
        kind = self.r.choice(["sum", "mean", "amax", "sum"])
        if not t.numel():
            kind = "sum"
        if not t.ndim or (self.r.random() < 0.3 and kind != "amax"):
            return ("reduce", i, "sum" if kind == "amax" else kind, None, False)
        return ("reduce", i, kind, self.r.randrange(t.ndim), self.r.random() < 0.5)

    def _op_mm(self, i, t):
        if t.ndim != 2:
            return None
        j = self.pick(lambda u: u.ndim == 2 and u.shape[0] == t.shape[1])
        return None if j is None or not (self.tame(i) and self.tame(j)) else ("mm", i, j)

    def _op_cat(self, i, t):
        if not t.ndim:
            return None
        d = self.r.randrange(t.ndim)
        same = self.pick(
            lambda u: (
                u.ndim == t.ndim
                and all(
                    a == b for k, (a, b) in enumerate(zip(u.shape, t.shape, strict=True)) if k != d
                )
            )
        )
        return ("cat", i, same, d)

    def _op_where(self, i, t):
        j = self.pick(self._compatible(t))
        return None if j is None else ("where", i, j)

    def _op_take(self, i, t):
        if not t.numel() or not t.ndim or t.numel() > 24:
            return None
        return ("take", i, [self.r.randrange(-t.shape[0], t.shape[0]) for _ in range(2)])

    def _op_softmax(self, i, t):
        return ("softmax", i, self.r.randrange(t.ndim)) if t.ndim else None

    def inplace(self):
        i = self.pick()
        if i is None:
            return None
        t, r = self.lead.slots[i], self.r
        kind, j = r.choice(INPLACE1 + INPLACE2 + INPLACE2), None
        if kind in ("exp_", "mul_", "muls_") and not self.tame(i):
            kind = "relu_"
        if kind in INPLACE2:

            def fits(u):
                try:
                    return np.broadcast_shapes(tuple(u.shape), tuple(t.shape)) == tuple(t.shape)
                except ValueError:
                    return False

            j = self.pick(fits)
            if j is None or (kind == "mul_" and not self.tame(j)):
                return None
        if kind == "index_fill_":
            if not t.ndim or not t.shape[-1] or _overlaps(t):
                return None
            j = [r.randrange(t.shape[-1]) for _ in range(2)]
        if _hazard(t, self.lead.slots[j] if kind in INPLACE2 else None, kind in ("zero_", "fill_")):
            return None
        return ("inplace", i, kind, j, 0.25, r.random() < 0.25)

    def backward(self):
        i = self.pick(lambda t: t.requires_grad)
        if i is None:
            return None
        mode = self.r.choice(["plain", "retain", "create", "grad", "grad"])
        if mode == "grad":
            wanted = [self.pick(lambda t: t.requires_grad) for _ in range(2)]
            create = self.r.random() < 0.6 and all(self.lead.slots[k].numel() for k in [i, *wanted])
            return ("grad", i, wanted, create) if self.tame(i) else None
        return ("backward", i, mode != "plain", mode == "create")

    def read(self):
        i = self.pick()
        return None if i is None else ("read", i)

    def flow(self):
        i = self.pick()
        if i is None or not self.tame(i):
            return None
        return ("branch", i, "sum") if self.r.random() < 0.5 else ("loop", i, self.r.randint(1, 4))

    def hook(self):
        i = self.pick(lambda t: t.requires_grad)
        if i is None or self._stale(i):
            return None
        if self.r.random() < 0.4:
            return ("retain", i)
        self.n += 1
        return ("hook", i, self.n, self.r.choice([None, None, 0.5]))

    def _stale(self, i):
        """PyTorch 2.13 crashes in register_hook on a view whose base was written since."""
        try:
            return (
                self.lead.slots[i].grad_fn is None
                and not self.lead.slots[i].is_leaf
                or self.lead.slots[i]._is_view()
                and self.lead.slots[i].grad_fn is None
            )
        except RuntimeError:
            return True

    def requires_grad(self):
        i = self.pick(lambda t: not t.requires_grad)
        return None if i is None else ("requires_grad", i)

    def delete(self):
        i = self.pick()
        return ("delete", i) if i is not None and len(self.lead.slots) > 3 else None

    def numpy(self):
        arrays = self.lead.arrays
        if arrays and self.r.random() < 0.6:
            k = self.r.randrange(len(arrays))
            if not arrays[k].size:
                return None
            place = tuple(self.r.randrange(n) for n in arrays[k].shape)
            return ("poke", k, place, self.r.uniform(-1, 1))
        i = self.pick()
        return None if i is None else ("export", i)


def _addresses(t):
    a = np.full(tuple(t.shape), t.storage_offset(), np.int64)
    for d, (n, s) in enumerate(zip(t.shape, t.stride(), strict=True)):
        a = a + (np.arange(n) * s).reshape([-1 if k == d else 1 for k in range(t.ndim)])
    return a


def _overlaps(t):
    a = _addresses(t)
    return len(np.unique(a)) != a.size


def _dense(t):
    a = np.sort(_addresses(t), axis=None)
    return a.size > 0 and a[-1] - a[0] == a.size - 1 and len(np.unique(a)) == a.size


def _hazard(t, source, fill):
    """Would the result depend on the order of PyTorch's loop?"""
    zero_stride = any(n > 1 and s == 0 for n, s in zip(t.shape, t.stride(), strict=True))
    if _overlaps(t) and not fill and not zero_stride:
        return True
    if source is None or source.untyped_storage().data_ptr() != t.untyped_storage().data_ptr():
        return False
    a, b = _addresses(t), np.broadcast_to(_addresses(source), tuple(t.shape))
    if zero_stride or np.array_equal(a, b) or (_dense(t) and _dense(source)):
        return False  # equal places are fine, and what dense tensors share is detected
    return np.intersect1d(a, b).size > 0
