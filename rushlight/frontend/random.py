"""Random numbers: seeds, generators, factories and in-place draws.

Draws run at once, in program order, outside the recorded graph, so a seed gives PyTorch's numbers.
"""

import numpy as np

from ..engine.base import dtypes, shapes
from ..engine.base.meta import meta_of
from ..engine.base.promote import get_default_dtype
from ..engine.ops import T
from ..engine.runtime import draws_normal as normals
from ..engine.runtime import draws_rejection as rejection
from ..engine.runtime import draws_uniform as uniforms
from ..engine.runtime import generator as generators
from ..engine.runtime.storage import storage_of
from .arguments import is_int, python_number
from .creation import (
    as_device,
    as_dtype,
    as_size,
    check_options,
    finished,
    from_data,
    full_array,
)
from .inplace import check_overlap
from .methods import method
from .tensor import Tensor, wrap


class Generator(generators.Generator):
    """A stream of random numbers; equal seeds give PyTorch's CPU numbers.

    >>> import rushlight as torch
    >>> g = torch.Generator().manual_seed(0)
    >>> torch.randint(10, (3,), generator=g)
    tensor([4, 9, 3])
    """

    @property
    def device(self):
        """The CPU."""
        return as_device("cpu")

    def get_state(self):
        """The state as a uint8 tensor in PyTorch's layout."""
        return from_data(super().get_state(), dtypes.uint8)

    def set_state(self, new_state):
        """Continue from a state `get_state` (here or in PyTorch) gave."""
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state.dtype is not dtypes.uint8:
            raise TypeError(f"RNG state must be a torch.ByteTensor, got {new_state.dtype}")
        super().set_state(np.array(new_state._array()))
        return self

    def clone_state(self):
        """A generator that goes on from the same state."""
        return Generator().set_state(self.get_state())

    def graphsafe_get_state(self):
        """The generator's state as a generator."""
        return self.clone_state()

    def graphsafe_set_state(self, state):
        """Continue from another generator's state."""
        return self.set_state(state.get_state())

    def __getstate__(self):
        return super().get_state()

    def __setstate__(self, state):
        super().set_state(state)

    def __reduce__(self):
        return _restored, (super().get_state(),)


Generator.__module__ = "rushlight"


def _restored(state):
    made = Generator()
    generators.Generator.set_state(made, state)
    return made


default_generator = Generator()
default_generator.seed()  # as in PyTorch, an unseeded program differs from run to run


def manual_seed(seed):
    """Seed the default generator; returns it."""
    return default_generator.manual_seed(int(seed))


def seed():
    """Seed the default generator from the system; returns the seed."""
    return default_generator.seed()


def initial_seed():
    """The seed the default generator started from."""
    return default_generator.initial_seed()


def get_rng_state():
    """State of the default generator, a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state):
    """Continue the default generator from a state."""
    default_generator.set_state(new_state)


def _source(generator):
    return default_generator if generator is None else generator


# ------------------------------------------------------------------------------- factories
def _made(shape, dtype, place, requires_grad, draw):
    if place.type == "meta":
        return full_array(shape, 0, dtype, place, requires_grad)
    return finished(
        from_data(np.asarray(draw()).astype(dtype.np, copy=False), dtype, place), requires_grad
    )


def _factory(size, out, dtype, layout, place, requires_grad, pin_memory, draw):
    """A new tensor of draws (or draws into `out`)."""
    check_options(layout, pin_memory)
    shape = as_size(size) if size else ()
    if out is not None:
        out.resize_(shape)
        return _write(out, draw(shape, out.dtype))
    dtype = as_dtype(dtype, get_default_dtype())
    if dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"expected a floating or complex dtype for random numbers, got {dtype}")
    return _made(shape, dtype, as_device(place), requires_grad, lambda: draw(shape, dtype))


def rand(
    *size,
    generator=None,
    names=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """Uniform numbers in [0, 1).

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    return _factory(
        size,
        out,
        dtype,
        layout,
        device,
        requires_grad,
        pin_memory,
        lambda s, d: uniforms.uniform(_source(generator), s, dtype=d.np),
    )


def randn(
    *size,
    generator=None,
    names=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """Standard normal numbers."""
    return _factory(
        size,
        out,
        dtype,
        layout,
        device,
        requires_grad,
        pin_memory,
        lambda s, d: normals.normal(_source(generator), s, dtype=d.np),
    )


def randint(
    low,
    high=None,
    size=None,
    *,
    generator=None,
    out=None,
    dtype=dtypes.int64,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """Integers in [low, high): ``randint(high, size)`` or ``randint(low, high, size)``."""
    check_options(layout, pin_memory)
    if size is None:
        low, high, size = 0, low, high
    shape, dtype = as_size((size,)), as_dtype(dtype, dtypes.int64)
    low, high = python_number(low), python_number(high)
    if out is not None:
        out.resize_(shape)
        return _write(out, uniforms.randint(_source(generator), low, high, shape, out.dtype.np))
    return _made(
        shape,
        dtype,
        as_device(device),
        requires_grad,
        lambda: uniforms.randint(_source(generator), low, high, shape, dtype.np),
    )


def randperm(
    n,
    *,
    generator=None,
    out=None,
    dtype=dtypes.int64,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """A random permutation of 0 .. n - 1."""
    check_options(layout, pin_memory)
    dtype = as_dtype(dtype if out is None else out.dtype, dtypes.int64)
    n = int(python_number(n))
    if out is not None:
        out.resize_((n,))
        return _write(out, uniforms.randperm(_source(generator), n, dtype.np))
    return _made(
        (n,),
        dtype,
        as_device(device),
        requires_grad,
        lambda: uniforms.randperm(_source(generator), n, dtype.np),
    )


def _like(input, dtype, layout, place, requires_grad, memory_format, draw):
    """Draws in the memory order of `input`."""
    check_options(layout)
    meta = input._meta.plain
    dtype = as_dtype(dtype, meta.dtype)
    place = meta.device if place is None else as_device(place)
    name = getattr(memory_format, "name", "preserve_format")
    strides = shapes.like_strides(meta.shape, meta.strides) if name == "preserve_format" else None
    if place.type == "meta":
        return full_array(tuple(meta.shape), 0, dtype, place, requires_grad, strides)
    flat = np.asarray(draw((meta.numel,), dtype)).astype(dtype.np, copy=False)
    made = wrap(
        storage_of(dtype, flat.size, place, np.ascontiguousarray(flat).reshape(-1)),
        meta_of(tuple(meta.shape), dtype, strides, place),
    )
    return finished(made, requires_grad)


def rand_like(
    input,
    *,
    generator=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
):
    """Uniform numbers in the shape of `input`."""
    return _like(
        input,
        dtype,
        layout,
        device,
        requires_grad,
        memory_format,
        lambda s, d: uniforms.uniform(_source(generator), s, dtype=d.np),
    )


def randn_like(
    input,
    *,
    generator=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
):
    """Standard normal numbers in the shape of `input`."""
    return _like(
        input,
        dtype,
        layout,
        device,
        requires_grad,
        memory_format,
        lambda s, d: normals.normal(_source(generator), s, dtype=d.np),
    )


def randint_like(
    input,
    low,
    high=None,
    *,
    generator=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    pin_memory=False,
):
    """Integers in [low, high) in the shape of `input`."""
    low, high = (0, low) if high is None else (low, high)
    low, high = python_number(low), python_number(high)
    return _like(
        input,
        dtype,
        layout,
        device,
        requires_grad,
        memory_format,
        lambda s, d: uniforms.randint(_source(generator), low, high, s, d.np),
    )


def normal(
    mean,
    std=None,
    size=None,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """Normal numbers: of one mean and deviation and a `size`, or elementwise from tensors."""
    source = _source(generator)
    if size is not None:

        def draw(s, d):
            return normals.normal(source, s, mean, std, d.np)

        return _factory((size,), out, dtype, layout, device, requires_grad, pin_memory, draw)
    given = [t for t in (mean, std) if isinstance(t, Tensor)]
    if not given:
        raise TypeError("normal() needs a tensor mean or std, or a size")
    found = given[0].dtype
    values = _normal_values(source, mean, 1.0 if std is None else std, found.np)
    made = from_data(np.asarray(values).astype(found.np, copy=False), found, given[0].device)
    if any(t.requires_grad for t in given):  # the draw stops gradients, but is part of the graph
        made = sum(given[1:], given[0]).clone()._draw_(made, "NormalBackward0")
    return made if out is None else out.resize_(made.shape).copy_(made)


def _normal_values(source, mean, std, dtype):
    """Draws with an array of means, of deviations, or of both."""
    if isinstance(mean, Tensor) and isinstance(std, Tensor):
        return normals.normal_each(source, mean._array(), std._array())
    if isinstance(mean, Tensor):
        return normals.normal(source, tuple(mean.shape), 0.0, std, dtype) + mean._array()
    return normals.normal(source, tuple(std.shape), 0.0, 1.0, dtype) * std._array() + mean


def bernoulli(input, p=None, *, generator=None, out=None):
    """Zeros and ones with the probabilities in `input` (or the number `p`), in its dtype."""
    meta = input._meta.plain
    chances = input._array() if p is None else p
    draw = uniforms.bernoulli(_source(generator), tuple(meta.shape), chances, meta.dtype.np)
    made = from_data(draw, meta.dtype, meta.device)
    if out is None:
        return made if p is not None else _constant_in(input, made, "BernoulliBackward0")
    out.resize_(made.shape)
    check_overlap(out, ())
    return out.copy_(made)


def _constant_in(input, drawn, node):
    """`drawn` with a gradient of zeros for the tensor whose values were its chances."""
    return T._draw(input, drawn, node) if input.requires_grad else drawn


def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """Category numbers drawn in proportion to the rows of `input`; int64 (num_samples,) per row."""
    if out is not None and out.dtype is not dtypes.int64:
        raise RuntimeError(f"multinomial expects Long tensor out, got: {out.dtype.type_name}")
    made = from_data(
        uniforms.multinomial(_source(generator), input._array(), num_samples, replacement),
        dtypes.int64,
        input.device,
    )
    return made if out is None else out.resize_(made.shape).copy_(made)


def _elementwise(function):
    def draw(*tensors, generator=None):
        found = tensors[0].dtype
        values = function(_source(generator), *(t._array() for t in tensors))
        drawn = np.asarray(values).astype(found.np, copy=False)
        return from_data(drawn, found, tensors[0].device)

    return draw


def poisson(input, generator=None):
    """Poisson counts with the rates in `input`."""
    drawn = _elementwise(rejection.poisson)(input, generator=generator)
    return _constant_in(input, drawn, "PoissonBackward0")


def binomial(count, prob, generator=None):
    """Successes among `count` trials of probability `prob`, elementwise."""
    return _elementwise(rejection.binomial)(count, prob, generator=generator)


def _standard_gamma(input, generator=None):
    """Gamma numbers of rate 1 with the shapes in `input`."""
    return _elementwise(rejection.standard_gamma)(input, generator=generator)


def _sample_dirichlet(input, generator=None):
    """Dirichlet samples with concentrations along the last dimension."""
    return _elementwise(rejection.dirichlet)(input, generator=generator)


def dropout_mask(input, p, generator=None):
    """What dropout multiplies by: 0 with probability `p`, else ``1 / (1 - p)``, in input's
    dtype."""
    meta = input._meta.plain
    return from_data(
        np.asarray(uniforms.dropout_mask(_source(generator), tuple(meta.shape), p, meta.dtype.np)),
        meta.dtype,
        meta.device,
    )


def rrelu_noise(input, lower, upper, generator=None):
    """Slopes of rrelu in training."""
    values = uniforms.rrelu_noise(_source(generator), input._array(), lower, upper)
    return from_data(np.asarray(values), dtypes.from_numpy_dtype(values.dtype), input.device)


# -------------------------------------------------------------------------------- in place
def _write(t, values, node="RandomBackward0"):
    """Put drawn values (in memory order of a dense t) into t; gradients stop there."""
    meta = t._meta.plain
    values = np.ascontiguousarray(values).astype(meta.dtype.np, copy=False).reshape(-1)
    strides = meta.strides if meta.dense else None
    drawn = wrap(
        storage_of(meta.dtype, values.size, meta.device, values),
        meta_of(tuple(meta.shape), meta.dtype, strides, meta.device),
    )
    return t._draw_(drawn, node)


def _inplace(name, draw, doc):
    node = "".join(w.capitalize() for w in name.split("_")) + "Backward0"

    def fill(self, *args, generator=None, **kwargs):
        meta = self._meta.plain
        if meta.device.type == "meta":
            self._vc.version += 1
            return self
        values = draw(_source(generator), (meta.numel,), meta, *args, **kwargs)
        return _write(self, values, node)

    fill.__name__ = name
    fill.__doc__ = doc
    method(fill)


def _random(g, s, m, *bounds, **named):
    low, high = named.pop("from", None), named.pop("to", None)
    if named:
        raise TypeError(f"random_() got an unexpected keyword argument '{next(iter(named))}'")
    if len(bounds) == 1 and is_int(bounds[0]):
        low, high = 0, bounds[0]
    elif len(bounds) == 2:
        low, high = bounds
    return uniforms.random(g, s, low, high, m.dtype.np)


def _bernoulli(g, s, m, p=0.5):
    if isinstance(p, Tensor):
        p = np.broadcast_to(p._array(), tuple(m.shape)).reshape(-1)
    return uniforms.bernoulli(g, s, p, m.dtype.np)


_inplace(
    "uniform_",
    lambda g, s, m, a=0.0, b=1.0, **kw: uniforms.uniform(
        g, s, kw.get("from", a), kw.get("to", b), m.dtype.np
    ),
    "Uniform numbers in [from, to).",
)
_inplace(
    "normal_",
    lambda g, s, m, mean=0.0, std=1.0: normals.normal(
        g, s, mean, std, m.dtype.np, contiguous=m.contiguous
    ),
    "Normal numbers.",
)
_inplace("random_", _random, "Integers in [from, to), or over the dtype's range.")
_inplace("bernoulli_", _bernoulli, "Ones with probability `p` (a number or a tensor), else zeros.")
_inplace(
    "exponential_",
    lambda g, s, m, lambd=1.0: uniforms.exponential(g, s, lambd, m.dtype.np),
    "Exponential numbers of rate `lambd`.",
)
_inplace(
    "cauchy_",
    lambda g, s, m, median=0.0, sigma=1.0: uniforms.cauchy(g, s, median, sigma, m.dtype.np),
    "Cauchy numbers.",
)
_inplace(
    "log_normal_",
    lambda g, s, m, mean=1.0, std=2.0: normals.log_normal(g, s, mean, std, m.dtype.np),
    "Numbers whose logarithm is normal.",
)
_inplace(
    "geometric_",
    lambda g, s, m, p: uniforms.geometric(g, s, p, m.dtype.np),
    "Trials up to the first success of probability `p`.",
)


for _function in (multinomial, bernoulli):
    setattr(Tensor, _function.__name__, _function)
