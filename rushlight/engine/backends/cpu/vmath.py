"""Vector math for the CPU backend: transcendental functions as LLVM IR text.

`emit(name, dtype)` returns one scalar function, `rl_<name>_f32` or `rl_<name>_f64`.  It is free of
branches and calls nothing but intrinsics that every target vectorises (fma, sqrt, roundeven, fabs,
copysign), so a counted loop around it becomes SIMD code of whatever width the loop vectorizer
chooses; libm is never called.  NaN, infinities, signed zeros and subnormals are honoured in and
out.  tests/backends/vmath_ulp.json holds the measured errors, tools/ulp_sweep.py measures them.

The float32 versions marked `single` run in float32.  The others run in double, to 24 bits: a
polynomial step costs two there, but range reduction, compensation and the last rounding become
trivial, and the result is nearly always the correctly rounded one.  A loop that holds one of them
has half as many lanes.

Required of whoever compiles the text: a target with FMA (LLVM calls libm for it elsewhere), no
fast-math flags added to these instructions, the inliner before the loop vectorizer.

Read next: vmath_builder.py for the notation, vmath_exp.py for the first family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from . import vmath_arith as arith
from . import vmath_exp as exp
from . import vmath_log as log
from . import vmath_special as special
from . import vmath_trig as trig
from .vmath_builder import SUFFIX, Body, Value


@dataclass(frozen=True)
class Function:
    """What the backend needs to know of one function.

    Args:
        formula: builds the result from a `Body` and its argument values.
        arity: number of arguments.
        single: the float32 version computes in float32 (otherwise in double).
        scalar: dtypes whose version has control flow and stays scalar in a loop.
    """

    formula: Callable[..., Value]
    arity: int = 1
    single: bool = False
    scalar: tuple[str, ...] = ()

    def vectorises(self, dtype: str) -> bool:
        return dtype not in self.scalar


FUNCTIONS: dict[str, Function] = {
    "exp": Function(exp.exp, single=True),
    "exp2": Function(exp.exp2, single=True),
    "expm1": Function(exp.expm1),
    "sigmoid": Function(exp.sigmoid, single=True),
    "sinh": Function(exp.sinh),
    "cosh": Function(exp.cosh),
    "tanh": Function(exp.tanh),
    "log": Function(log.log, single=True),
    "log2": Function(log.log2),
    "log10": Function(log.log10),
    "log1p": Function(log.log1p),
    "asinh": Function(log.asinh),
    "acosh": Function(log.acosh),
    "atanh": Function(log.atanh),
    "logaddexp": Function(log.logaddexp, arity=2),
    "pow": Function(log.pow, arity=2),
    "sin": Function(trig.sin),
    "cos": Function(trig.cos),
    "tan": Function(trig.tan),
    "asin": Function(trig.asin),
    "acos": Function(trig.acos),
    "atan": Function(trig.atan),
    "atan2": Function(trig.atan2, arity=2),
    "erf": Function(special.erf, single=True),
    "erfc": Function(special.erfc),
    "erfinv": Function(special.erfinv),
    "normal_cdf": Function(special.normal_cdf, single=True),
    "lgamma": Function(special.lgamma),
    "digamma": Function(special.digamma),
    "i0": Function(special.i0),
    "fmod": Function(arith.fmod, arity=2, scalar=("double",)),
    "remainder": Function(arith.remainder, arity=2, scalar=("double",)),
    "hypot": Function(arith.hypot, arity=2),
    "nextafter": Function(arith.nextafter, arity=2, single=True),
    "rsqrt": Function(arith.rsqrt, single=True),
}


def symbol(name: str, dtype: str) -> str:
    """The LLVM function's name, without '@'."""
    return f"rl_{name}_{SUFFIX[dtype]}"


@cache
def _build(name: str, dtype: str) -> tuple[str, tuple[str, ...]]:
    """(definition, declarations) of one function."""
    function = FUNCTIONS[name]
    wide = dtype == "float" and not function.single
    k = Body("double" if wide else dtype, 24 if dtype == "float" else 53)
    names = ["%x", "%y"][: function.arity]
    values = [Value(k, n, dtype) for n in names]
    result = function.formula(k, *(k.extend(v) for v in values) if wide else values)
    if wide:
        result = k.truncate(result)
    parameters = ", ".join(f"{dtype} {n}" for n in names)
    head = (
        f"define internal {dtype} @{symbol(name, dtype)}({parameters}) "
        "alwaysinline nounwind willreturn memory(none) {\nentry:\n"
    )
    text = head + "\n".join(k.lines) + f"\n  ret {dtype} {result.text}\n}}\n"
    return text, tuple(k.declarations)


def emit(name: str, dtype: str) -> str:
    """The definition of one function.

    Args:
        name: a key of `FUNCTIONS`.
        dtype: 'float' or 'double', the type of arguments and result.

    >>> emit("exp", "float").splitlines()[0]
    'define internal float @rl_exp_f32(float %x) alwaysinline nounwind willreturn memory(none) {'
    """
    return _build(name, dtype)[0]


def requires(name: str, dtype: str) -> tuple[str, ...]:
    """The declarations `emit(name, dtype)` relies on, each a line to appear once in the module.

    >>> requires("rsqrt", "double")
    ('declare double @llvm.sqrt.f64(double)',)
    """
    return _build(name, dtype)[1]


def module_text(pairs: Iterable[tuple[str, str]]) -> str:
    """Definitions of several (name, dtype) pairs after the union of their declarations.

    >>> "@rl_exp_f32" in module_text([("exp", "float"), ("tanh", "double")])
    True
    """
    pairs = list(dict.fromkeys(pairs))
    declarations = dict.fromkeys(line for pair in pairs for line in requires(*pair))
    return "\n".join(declarations) + "\n\n" + "\n".join(emit(*pair) for pair in pairs)
