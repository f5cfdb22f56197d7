"""From records to what users call: functions, methods, in-place and out= forms.

A public function is one object for good (programs keep and compare it), but its code is generated
on its first call: with PyTorch's signature, the cache key built inline, and `finish` at the end.
"""

import inspect
import types

from ..engine.base.errors import LinAlgError
from ..engine.base.locks import process_lock
from ..engine.base.promote import NUMBER_KINDS
from ..engine.ops import REGISTRY
from ..engine.ops.schema import REQUIRED
from .arguments import SYNONYMS, bind, classify, public_name, reads_tensor
from .dispatch import choose, finish, infer, known, run_bound
from .documentation import Docstring, page
from .finishing import FINISH, LIMIT
from .inplace import check_out, finish_inplace, write_out
from .overrides import handle_override, has_override
from .tensor import Tensor
from .views import finish_view, run_view

NAMESPACES = ("function", "nn", "linalg", "fft", "special")
NO_OPERAND = "finish(call, (), ss)"
public: dict[str, dict] = {name: {} for name in NAMESPACES}
functions: dict[str, types.FunctionType] = {}  # every name, internal ones too: what `T` sees


def _stub():
    """A function whose code is replaced when it is first called."""

    def stub(*args, **kwargs):
        return materialise()(*args, **kwargs)  # noqa: F821

    return stub.__code__


_STUB = _stub()
_materialising = process_lock()


def lazy_function(name, overloads, form, build):
    """A function object that becomes `build(function)`'s code when first called."""
    module = _home(overloads[0])
    scope = {"__name__": module, "__builtins__": __builtins__}
    function = types.FunctionType(_STUB, scope, name)
    function.__doc__ = Docstring(overloads[0].__doc__ or "", lambda: page(overloads, form))
    function.__qualname__ = name

    def materialise():
        with _materialising:
            if function.__code__ is _STUB:
                made = build(function)
                scope.update({**made.__globals__, "__name__": module})
                function.__defaults__ = made.__defaults__
                function.__kwdefaults__ = made.__kwdefaults__
                function.__code__ = made.__code__  # last: other threads may call it from here on
        return function

    scope["materialise"] = materialise
    function.materialise = materialise
    return function


# ------------------------------------------------------------------------ generated source
def generate(op, function, form, overloads=None):
    """The Python function of one overload; form is "call", "inplace", "view" or "flag" (torch.nn's
    functions with an ``inplace=False`` argument)."""
    params = op.schema.params
    tensors, lines = [], []
    for i, p in enumerate(params):
        lines += _key_lines(op, p, public_name(p), i, tensors)
    with_out = form == "call" and "out" in op.variants
    head = _head(op, params, with_out, form == "flag")
    names = ", ".join(f"k{i}" for i in range(len(params)))
    if form == "view" and op.absolute:
        names += ", input._off"
    tail = {
        "call": f"return {_finish_expression(tensors)}",
        "flag": f"return {_finish_expression(tensors)}",
        "inplace": f"return finish_inplace(call, {_tensor_expression(tensors)}, ss)",
        "view": "return finish_view(call, input)",
    }[form]
    slow = (
        f"slow(({''.join(public_name(p) + ', ' for p in params if not p.kw_only)}), dict("
        + ", ".join(
            [f"{public_name(p)}={public_name(p)}" for p in params if p.kw_only]
            + (["out=out"] if with_out else [])
            + ["**extra"]
        )
        + "))"
    )
    guard = "extra or out is not None" if with_out else "extra"
    flag = f"    if inplace: return write({', '.join(map(public_name, params))})"
    source = "\n".join(
        [
            head,
            *([flag] if form == "flag" else []),
            f"    if {guard}: return {slow}",
            "    try:",
            "        ss = ()",
            *(f"        {t}" for t in lines),
            f"        call = CALLS[({names},)]",
            "    except (AttributeError, KeyError, TypeError):",
            f"        return {slow}",
            f"    {tail}",
        ]
    )
    cache = op.inplace_calls if form == "inplace" else op.calls
    scope = {f"d{i}": p.default for i, p in enumerate(params) if p.default is not REQUIRED}
    scope.update(
        CALLS=cache,
        KINDS=NUMBER_KINDS,
        Tensor=Tensor,
        finish=finish,
        **FINISH,
        finish_inplace=finish_inplace,
        finish_view=finish_view,
        slow=_slow_path(overloads or [op], function, form),
    )
    if form == "flag":
        scope["write"] = generate(op, function, "inplace")
    exec(compile(source, f"<rushlight {op.full_name} {form}>", "exec"), scope)  # noqa: S102
    return scope["generated"]


def _head(op, params, with_out, with_flag):
    parts, starred = [], False
    for i, p in enumerate(params):
        if p.kw_only and not starred:
            parts.append("*")
            starred = True
        default = "" if p.default is REQUIRED else f"=d{i}"
        parts.append(public_name(p) + default)
    if with_flag:
        parts.append("inplace=False")
    if with_out:
        parts += ["out=None"] if starred else ["*", "out=None"]
    return f"def generated({', '.join(parts)}, **extra):"


def form_takes_varargs(op):
    """Methods such as permute(0, 1): one list of ints is the only parameter after self."""
    rest = [p for p in op.schema.params if p.name != "self"]
    return len([p for p in rest if not p.kw_only]) == 1 and rest[0].type.startswith("int[]")


def _key_lines(op, p, v, i, tensors):
    """Source lines that compute key part k<i> (and tensors, numbers) of one parameter."""
    if p.type == "Tensor" and op.kind == "pointwise" and p.name != "self":
        tensors.append((v, f"n{i} is None"))
        return [
            f"if {v}.__class__ is Tensor: n{i}, k{i} = None, {v}._meta",
            "else:",
            f"    n{i} = k{i} = KINDS.get({v}.__class__)",
            f"    if k{i} is None: k{i} = {v}._meta",
            f"    else: ss += ({v},)",
        ]
    if p.type == "Tensor":
        tensors.append((v, None))
        return [f"k{i} = {v}._meta"]
    if p.type == "Tensor?":
        tensors.append((v, f"{v} is not None"))
        return [f"k{i} = None if {v} is None else {v}._meta"]
    if p.type in ("Tensor[]", "Tensor?[]"):
        tensors.append((v, "list"))
        return [f"k{i} = tuple([None if t is None else t._meta for t in {v}])"]
    if p.name in op.structural:
        return [f"k{i} = None if {v} is None else ({v}.__class__, {v})"]
    if p.type.rstrip("?") in ("Scalar", "float"):
        return _number_lines(p, v, i)
    if p.type == "Sizes":
        return [f"k{i} = tuple({v}) if {v}.__class__ is list else {v}"]
    if p.type.startswith(("int[]", "Padding")):
        return [
            f"k{i} = {v}",
            f"if {v}.__class__ is int: k{i} = ({v},)",
            f"elif {v}.__class__ is list: k{i} = tuple({v})",
        ]
    return [f"k{i} = {v}"]


def _number_lines(p, v, i):
    default = (
        "False"
        if p.default is REQUIRED or p.default is None
        else f"{v}.__class__ is d{i}.__class__ and {v} == d{i}"
    )
    absent = f"{v} is None or " if p.type.endswith("?") else ""
    kind = (
        f"'f' if {v}.__class__ is float else KINDS['float']"
        if p.type.startswith("float")
        else f"KINDS[{v}.__class__]"
    )
    return [
        f"if {absent}{default}: k{i} = None",
        "else:",
        f"    k{i} = {kind}",
        f"    ss += ({v},)",
    ]


def _tensor_expression(tensors):
    terms = []
    for v, condition in tensors:
        if condition == "list":
            terms.append(f"tuple([t for t in {v} if t is not None])")
        elif condition is None:
            terms.append(f"({v},)")
        else:
            terms.append(f"(({v},) if {condition} else ())")
    if all(c is None for _, c in tensors):
        return "(" + "".join(f"{v}, " for v, _ in tensors) + ")"
    return " + ".join(terms)


def _finish_expression(tensors):
    """Source of the call that records: written out where the operands are few."""
    if len(tensors) > LIMIT or any(c == "list" for _, c in tensors):
        return f"finish(call, {_tensor_expression(tensors)}, ss)"
    return _finish_given(tensors, ())


def _finish_given(tensors, given):
    if not tensors:
        return f"finish{len(given)}(call, {', '.join(given)}, ss)" if given else NO_OPERAND
    (v, condition), rest = tensors[0], tensors[1:]
    with_it = _finish_given(rest, (*given, v))
    if condition is None:
        return with_it
    return f"({with_it} if {condition} else {_finish_given(rest, given)})"


# -------------------------------------------------------------------------------- slow path
def _slow_path(overloads, function, form):
    """What runs when the cache has no answer: overrides, binding, inference, out=."""
    name = overloads[0].name + ("_" if form == "inplace" else "")

    def slow(args, kwargs):
        args = tuple([a for a in args if a is not ABSENT])
        if has_override(args, kwargs):
            found = handle_override(function, args, kwargs)
            if found is not NotImplemented:
                return found
        out = kwargs.pop("out", None) if form == "call" else None
        op, values = choose(overloads, name, args, kwargs)
        if form == "inplace":
            return run_inplace(op, values)
        result = _RUN.get(op.kind, run_bound)(op, values)
        return result if out is None else put_out(op, out, result, values.values())

    return slow


ABSENT = object()  # an argument that another overload of the name does not have
_RUN = {"view": run_view, "composite": lambda op, values: op.body(**values)}


def run_inplace(op, values):
    """An in-place operator on bound arguments."""
    target = values[op.schema.params[0].name]
    key, tagged, tensors, scalars = classify(op, values)
    if not isinstance(target, Tensor):
        raise TypeError(f"{op.name}_() needs a Tensor to write to, not {type(target).__name__}")
    call = infer(op, op.inplace_calls, key, tagged, target._meta.plain)
    return finish_inplace(call, tensors, scalars)


def put_out(op, out, result, given):
    """Write one result, or several, into ``out=``; `given` are the arguments."""
    name = op.name
    if op.out != "any" and isinstance(out, Tensor | tuple | list):
        check_out(op, out, list(_tensors_in(given)), result)
    if isinstance(result, Tensor):
        if not isinstance(out, Tensor):
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
        return write_out(name, out, result)
    if not isinstance(out, tuple | list) or len(out) != len(result):
        raise TypeError(f"{name}(): argument 'out' must be tuple of {len(result)} Tensors")
    written = [write_out(name, o, r) for o, r in zip(out, result, strict=True)]
    return type(result)(*written) if hasattr(result, "_fields") else tuple(written)


def _tensors_in(given):
    for v in given:
        if isinstance(v, Tensor):
            yield v
        elif isinstance(v, list | tuple):
            yield from _tensors_in(v)


def general(overloads, function, form):
    """A function that picks its overload from the types of the arguments, and remembers the
    pick; of a tensor, or a tensor and an int as in x.sum(0), also the call itself."""
    slow, picks, calls = _slow_path(overloads, function, form), {}, {}

    def first(args, kwargs, key):
        if "out" in kwargs and form == "call" or has_override(args, kwargs):
            return slow(args, kwargs)
        op, values = choose(overloads, overloads[0].name, args, kwargs)
        if not form_takes_varargs(op) and not any(
            reads_tensor(p, values[p.name]) for p in op.schema.params
        ):
            pick = generate(op, function, "view" if op.kind == "view" else form)
            short = key is Tensor or key == (Tensor, int)
            if short and form == "call" and _is_of_one_tensor(op):
                pick = _remembering(op, pick, calls)
            picks[key] = pick
        return slow(args, kwargs)

    scope = dict(picks=picks, calls=calls, first=first, type_of=_type_of, key_of=_key_of)
    scope.update(Tensor=Tensor, ABSENT=ABSENT, finish1=FINISH["finish1"])
    return types.FunctionType(_PICKING, scope, None, (ABSENT, ABSENT))


def _is_of_one_tensor(op):
    first, *rest = op.schema.params
    numbers = ("Tensor", "Scalar", "float")
    given = not any(p.type.startswith(numbers) for p in rest)
    return op.kind != "view" and first.type == "Tensor" and given


def _remembering(op, pick, calls):
    """`pick`, which also notes the call where _PICKING looks for it."""

    def noting(*args):
        values = bind(op, args, {})
        key, tagged, _, _ = classify(op, values)
        short = args[0]._meta if len(args) == 1 else (args[0]._meta, args[1])
        known(op, calls, short, lambda: infer(op, op.calls, key, tagged))
        return pick(*args)

    return noting


def _type_of(v):
    """What decides between overloads: the type, of sequences also that of their elements."""
    kind = v.__class__
    return (kind, v[0].__class__) if (kind is list or kind is tuple) and v else kind


def _general_code():
    def generated(*args, **kwargs):
        return slow(args, kwargs)  # noqa: F821

    return generated.__code__


def _key_of(args, kwargs):
    types_of = tuple([_type_of(a) for a in args])
    return types_of + tuple([(k, _type_of(v)) for k, v in kwargs.items()]) if kwargs else types_of


def _picking_code():
    def generated(a=ABSENT, b=ABSENT, /, *rest, **kwargs):  # two by name: a tuple takes its time
        if rest or kwargs or a is ABSENT:
            args = tuple([v for v in (a, b) if v is not ABSENT]) + rest
            key = key_of(args, kwargs)  # noqa: F821
        elif b is ABSENT:
            args, key = (a,), a.__class__
            if key is Tensor:
                call = calls.get(a._meta)  # noqa: F821
                if call is not None:
                    return finish1(call, a, ())  # noqa: F821
        else:
            if b.__class__ is int and a.__class__ is Tensor:
                call = calls.get((a._meta, b))  # noqa: F821
                if call is not None:
                    return finish1(call, a, ())  # noqa: F821
            args, key = (a, b), (a.__class__, type_of(b))  # noqa: F821
        pick = picks.get(key)  # noqa: F821
        return first(args, kwargs, key) if pick is None else pick(*args, **kwargs)  # noqa: F821

    return generated.__code__


_GENERAL, _PICKING = _general_code(), _picking_code()


def composite_function(op):
    """A composite: its own Python function behind the check for overrides."""
    body = op.body
    takes_out = "out" in op.variants

    def build(function):
        def run(*args, **kwargs):
            if has_override(args, kwargs):
                found = handle_override(function, args, kwargs)
                if found is not NotImplemented:
                    return found
            for name in [k for k in kwargs if k in SYNONYMS and k not in parameters]:
                target = SYNONYMS[name]
                kwargs["input" if target == "self" else target] = kwargs.pop(name)
            out = kwargs.pop("out", None) if takes_out else None
            result = body(*args, **kwargs)
            if out is None:
                return result
            return put_out(op, out, result, (*args, *kwargs.values()))

        parameters = set(inspect.signature(body).parameters)
        return types.FunctionType(_GENERAL, {"slow": lambda args, kwargs: run(*args, **kwargs)})

    return lazy_function(op.name, [op], "call", build)


def _home(op):
    """The module a function is pickled by."""
    return (
        "rushlight.nn.functional"
        if "nn" in op.variants and "function" not in op.variants
        else "rushlight"
    )


# ---------------------------------------------------------------------------------- tables
def function_of(overloads, form="call"):
    """The public function of a name's overloads in one form."""
    first = overloads[0]
    if first.kind == "composite":
        return composite_function(first)
    name = first.name + ("_" if form == "inplace" else "")

    def build(function):
        if form_takes_varargs(first) or any(op.kind != "composite" for op in overloads[1:]):
            return general(overloads, function, form)
        made = generate(first, function, "view" if first.kind == "view" else form, overloads)
        if len(overloads) > 1:  # the others, composites, are found on the slow path
            made.__defaults__ = (ABSENT,) * made.__code__.co_argcount
        return made

    return lazy_function(name, overloads, form, build)


def install():
    """Fill the public namespaces and the Tensor class from the registry."""
    public["linalg"]["LinAlgError"] = LinAlgError
    for name, overloads in REGISTRY.items():
        variants = frozenset().union(*(op.variants for op in overloads))
        flagged = name.startswith("nn.") and "inplace" in variants
        if variants != {"inplace"}:
            functions[name] = function_of(overloads, "flag" if flagged else "call")
            _place(name, variants, functions[name])
        if flagged:
            _place(name + "_", variants, function_of(overloads, "inplace"))
        elif "inplace" in variants:
            writable = [op for op in overloads if "inplace" in op.variants]
            inplace = function_of(writable, "inplace")
            setattr(Tensor, name + "_", inplace)
            for space in NAMESPACES:
                if space in variants:
                    public[space].setdefault(name + "_", inplace)


def _place(name, variants, function):
    if "." in name:  # an alias in another namespace, e.g. special.expit
        space, _, short = name.partition(".")
        public[space][short] = function
        return
    for space in NAMESPACES:
        if space in variants:
            public[space][name] = function
    if "method" in variants:
        setattr(Tensor, name, function)
