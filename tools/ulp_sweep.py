"""Measure the error of the CPU vector math in units in the last place (ULP).

    python tools/ulp_sweep.py exp tanh                 every float32 argument
    python tools/ulp_sweep.py --dtype double exp pow   a stratified sample
    python tools/ulp_sweep.py --write ...              record maxima in vmath_ulp.json

References for float32: NumPy and SciPy in float64 (for erfinv, where SciPy would take hours, ours
in float64, which the sample compares with mpmath).  For float64: NumPy's long double, or
mpmath where NumPy lacks the function.  Functions of two arguments are sampled in both types.  SciPy
and mpmath are used by this tool alone, not by the package or its tests.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from rushlight.engine.backends.cpu import vmath  # noqa: E402

BOUNDS = ROOT / "tests" / "backends" / "vmath_ulp.json"
NUMPY = {"float": np.float32, "double": np.float64}

LOOP = """
define void @{loop}({parameters}, ptr noalias %out, i64 %n) #0 {{
entry:
  br label %body
body:
  %i = phi i64 [ 0, %entry ], [ %next, %body ]
{loads}
  %r = call {type} @{symbol}({arguments})
  %po = getelementptr inbounds {type}, ptr %out, i64 %i
  store {type} %r, ptr %po
  %next = add nuw nsw i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %body, label %exit
exit:
  ret void
}}
"""
LOAD = """
  %p{v} = getelementptr inbounds {type}, ptr %a{v}, i64 %i
  %{v} = load {type}, ptr %p{v}
"""


# Compilation


def loop_text(name: str, dtype: str) -> str:
    """A counted loop out[i] = f(x[i], ...) for n >= 1."""
    names = ["x", "y"][: vmath.FUNCTIONS[name].arity]
    return LOOP.format(
        loop="loop_" + vmath.symbol(name, dtype),
        parameters=", ".join(f"ptr noalias %a{v}" for v in names),
        loads="".join(LOAD.format(v=v, type=dtype) for v in names),
        type=dtype,
        symbol=vmath.symbol(name, dtype),
        arguments=", ".join(f"{dtype} %{v}" for v in names),
    )


class Loops:
    """Compiled loops over several (name, dtype) pairs.

    Args:
        pairs: (name, dtype) keys.
        width: preferred vector width in bits.
        triple, cpu: another target than this machine's; its code can be read but not run.

    Attributes:
        ir, asm: the optimised IR and the assembly text.
    """

    def __init__(self, pairs, width: int = 512, triple: str | None = None, cpu: str = ""):
        import llvmlite.binding as llvm

        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        text = vmath.module_text(pairs) + "".join(loop_text(*p) for p in pairs)
        text += f'\nattributes #0 = {{ "prefer-vector-width"="{width}" }}\n'
        module = llvm.parse_assembly(text)
        module.verify()
        machine = self._machine(llvm, triple, cpu)
        if triple:
            module.triple = triple
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        options.loop_vectorization = True
        builder = llvm.create_pass_builder(machine, options)
        builder.getModulePassManager().run(module, builder)
        self.ir, self.asm = str(module), machine.emit_assembly(module)
        if not triple:
            self.engine = llvm.create_mcjit_compiler(module, machine)
            self.engine.finalize_object()

    @staticmethod
    def _machine(llvm, triple, cpu):
        if triple:
            return llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=3)
        return llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(),
            features=llvm.get_host_cpu_features().flatten(),
            opt=3,
        )

    def function(self, name: str, dtype: str):
        """A callable on one-dimensional arrays of the dtype, returning a new array."""
        address = self.engine.get_function_address("loop_" + vmath.symbol(name, dtype))
        arity = vmath.FUNCTIONS[name].arity
        pointers = [ctypes.c_void_p] * (arity + 1)
        call = ctypes.CFUNCTYPE(None, *pointers, ctypes.c_int64)(address)

        def run(*arrays):
            arrays = [np.ascontiguousarray(a, NUMPY[dtype]) for a in arrays]
            out = np.empty_like(arrays[0])
            call(*(a.ctypes.data for a in arrays), out.ctypes.data, out.size)
            return out

        run.engine = self.engine  # keeps the code alive
        return run


# Error


def ulp_error(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """|got - want| in ULP of got's type at want, which should have more digits.

    A wrong NaN is an infinite error.  Infinity counts as the next power of two, so that it is right
    just where rounding makes it so.
    """
    info = np.finfo(got.dtype)
    top = want.dtype.type(2.0) ** info.maxexp
    with np.errstate(all="ignore"):
        g = np.clip(got.astype(want.dtype), -top, top)
        w = np.clip(want, -top, top)
        near = np.minimum(np.abs(w), want.dtype.type(info.max)).astype(got.dtype)
        error = np.abs(g - w) / np.spacing(near).astype(want.dtype)
    nan = np.isnan(got) | np.isnan(want)
    error[nan] = np.where(np.isnan(got[nan]) & np.isnan(want[nan]), 0, np.inf)
    error[np.isinf(want) & (got != want)] = np.inf
    return error.astype(np.float64)


def share(got, term) -> np.ndarray:
    """ULP of got over ULP of a term it is a difference of, at most 1."""
    with np.errstate(all="ignore"):
        share = np.spacing(np.abs(got)) / np.spacing(np.abs(term).astype(got.dtype))
    return np.where(share < 1, share, 1)


def sum_error(got, want) -> np.ndarray:
    """Error of a sum with 1/2, in ULP of the larger of its terms."""
    wide = np.longdouble if got.dtype == np.float64 else np.float64
    size = np.spacing(np.maximum(want, 0.5).astype(got.dtype)).astype(wide)
    error = np.abs(got.astype(wide) - want) / size
    return np.where(np.isnan(want), np.where(np.isnan(got), 0, np.inf), error)


def function_error(name: str, got, want, arguments) -> np.ndarray:
    """ulp_error, in ULP of the larger term where a function is defined by a cancelling sum."""
    if name == "normal_cdf":
        return sum_error(got, want)
    error = ulp_error(got, want)
    if name in SPECIAL and want.dtype == np.float64:
        doubtful = np.flatnonzero((error > 1) & np.isfinite(want))
        if doubtful.size:
            error[doubtful] = ulp_error(got[doubtful], exact(name)(arguments[0][doubtful]))
    if name == "logaddexp":
        error = error * share(got, np.maximum(*arguments))
    if name in ("lgamma", "digamma"):
        x = arguments[0].astype(np.float64)
        mirror = SPECIAL[name](1 - x)
        larger = np.maximum(np.abs(mirror), np.abs(want - mirror))
        error = np.where(x < 0, error * share(got, larger), error)
    return error


# References


def _scipy(name: str):
    def call(x):
        from scipy import special

        return getattr(special, name)(x)

    return call


def _digamma(x):
    y = np.where((x < 0) & (np.rint(x) == x), np.nan, _scipy("psi")(x))
    return np.where(x == 0, np.copysign(np.inf, -x), y)


def _sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))


def _nextafter(x, y):
    return np.nextafter(x.astype(np.float32), y.astype(np.float32)).astype(np.float64)


# Functions NumPy lacks, from SciPy, with PyTorch's values at infinities and poles.
SPECIAL = {
    "erf": _scipy("erf"),
    "erfc": _scipy("erfc"),
    "erfinv": _scipy("erfinv"),
    "normal_cdf": _scipy("ndtr"),
    "lgamma": lambda x: _scipy("gammaln")(np.where(np.isinf(x), np.inf, x)),
    "digamma": _digamma,
    "i0": _scipy("i0"),
}
PLAIN = {
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "atan2": np.arctan2,
    "pow": np.power,
    "sigmoid": _sigmoid,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "nextafter": _nextafter,
}


def plain(name: str):
    """NumPy's version, or one made of NumPy's functions; None for SPECIAL functions."""
    return PLAIN.get(name) or getattr(np, name, None)


def single_reference(name: str):
    """A float64 function to check the float32 version with."""
    if name == "erfinv":
        return Loops([(name, "double")]).function(name, "double")
    return SPECIAL.get(name) or plain(name)


def exact(name: str):
    """A special function in 60 digits, rounded to long double."""
    import mpmath as mp

    mp.mp.dps = 60
    table = {
        "lgamma": lambda x: mp.re(mp.loggamma(x)),
        "i0": lambda x: mp.besseli(0, x),
        "normal_cdf": mp.ncdf,
    }
    f = table.get(name) or getattr(mp, name)

    def one(x):
        """Two float64 parts, so that a long double of any width can hold the sum."""
        simple = float(SPECIAL[name](np.float64(x)))
        if np.isnan(simple) or not np.isfinite(x):
            return simple, 0.0
        try:
            y = f(mp.mpf(x))
            return float(y), float(y - float(y)) if abs(y) < 1e308 else 0.0
        except (ValueError, OverflowError, mp.libmp.NoConvergence):  # a pole, or far out of range
            return simple, 0.0

    def many(x):
        parts = np.array([one(float(v)) for v in x])
        return parts[:, 0].astype(np.longdouble) + parts[:, 1]

    return many


def double_reference(name: str):
    """A long double function to check the float64 version with, and how many points it affords."""
    if name in SPECIAL:
        return exact(name), 20_000 if name == "i0" else 60_000
    if name == "nextafter":
        return (lambda x, y: np.nextafter(x, y).astype(np.longdouble)), 4_000_000
    f = plain(name)
    return (lambda *a: f(*(v.astype(np.longdouble) for v in a))), 4_000_000


# Arguments


def special_values(dtype) -> np.ndarray:
    info = np.finfo(dtype)
    tiny = info.smallest_subnormal
    base = [0.0, tiny, 3 * tiny, info.tiny, info.tiny - tiny, info.max, np.inf, np.nan]
    base += [1.0, 1 - info.epsneg, 1 + info.eps, 0.5, 2.0, 3.0, 0.25, 1.5, np.pi, np.e]
    base += [10.0, 100.0, 1000.0, 88.7228, 709.7827, 1e10]
    return np.array([s * v for v in base for s in (1.0, -1.0)], dtype=dtype)


def stratified(dtype, per_exponent: int, rng) -> np.ndarray:
    """Random mantissas in every exponent (subnormals too), of both signs."""
    info = np.finfo(dtype)
    integer = np.uint32 if dtype == np.float32 else np.uint64
    exponents = np.arange(2**info.nexp - 1, dtype=integer)
    mantissa = rng.integers(0, 2**info.nmant, (2, exponents.size, per_exponent), dtype=integer)
    sign = np.array([0, 1], integer)[:, None, None] << integer(info.bits - 1)
    bits = sign | (exponents[None, :, None] << integer(info.nmant)) | mantissa
    return bits.reshape(-1).view(dtype)


SPANS = {
    "asin": 1, "acos": 1, "atanh": 1, "erfinv": 1, "erf": 6, "sin": 100, "cos": 100, "tan": 100,
    "exp": 700, "exp2": 1000, "sinh": 700, "cosh": 700, "i0": 700, "erfc": 28,
    "normal_cdf": 8,
}  # fmt: skip


def usual(name: str, dtype, n: int, rng) -> list[np.ndarray]:
    """n arguments where the function has something to show."""
    arity = vmath.FUNCTIONS[name].arity
    if name == "pow":
        x = np.exp(rng.uniform(-20, 20, n)).astype(dtype)
        size = np.log(float(np.finfo(dtype).max))
        y = rng.uniform(-size, size, n) / np.log(x.astype(np.float64))
        return [x, y.astype(dtype)]
    if name in ("fmod", "remainder"):
        whole = rng.integers(1, 1000, n).astype(dtype)
        multiple = whole * rng.integers(-1000, 1000, n)
        return [multiple.astype(dtype), (whole * rng.choice([1, -1, 0.1], n)).astype(dtype)]
    if arity == 2:
        return [rng.uniform(-10, 10, n).astype(dtype) for _ in range(2)]
    span = SPANS.get(name, 20)
    halves = [rng.uniform(-span, span, n // 2), rng.uniform(-2, 2, n - n // 2)]
    return [np.concatenate(halves).astype(dtype)]


def argument_sample(name: str, dtype, count: int, rng) -> list[np.ndarray]:
    """About `count` arguments: half of every exponent, half usual ones, and all special values."""
    arity = vmath.FUNCTIONS[name].arity
    per = max(1, count // (4 * 2 ** np.finfo(dtype).nexp))
    wide = [stratified(dtype, per, rng) for _ in range(arity)]
    for a in wide[1:]:
        rng.shuffle(a)
    corners = np.meshgrid(*[special_values(dtype)] * arity, indexing="ij")
    parts = zip(wide, corners, usual(name, dtype, count // 2, rng), strict=True)
    return [np.concatenate([w, c.ravel(), u]) for w, c, u in parts]


# Sweeps


def worst(error: np.ndarray, arguments) -> tuple[float, list]:
    i = int(np.argmax(error))
    return float(error[i]), [a[i].item() for a in arguments]


def sweep(name: str, step: int = 1, chunk: int = 1 << 20) -> tuple[float, list, float]:
    """Every float32 (or every `step`-th): (max ULP, where, share of results not the nearest)."""
    run, reference = Loops([(name, "float")]).function(name, "float"), single_reference(name)
    top: tuple[float, list] = (0.0, [0.0])
    loose = total = 0
    for start in range(0, 1 << 32, chunk * step):
        bits = np.arange(start, min(start + chunk * step, 1 << 32), step, dtype=np.uint64)
        x = bits.astype(np.uint32).view(np.float32)
        error = function_error(name, run(x), reference(x.astype(np.float64)), [x])
        top = max(top, worst(error, [x]), key=lambda t: t[0])
        loose += int(np.count_nonzero(error > 0.5001))
        total += error.size
    return (*top, loose / total)


def sample(name: str, dtype: str) -> tuple[float, list, float]:
    """The same from a stratified sample, for either type."""
    run = Loops([(name, dtype)]).function(name, dtype)
    reference, count = double_reference(name)
    if dtype == "float":
        reference, count = single_reference(name), 16_000_000
    arguments = argument_sample(name, NUMPY[dtype], count, np.random.default_rng(0))
    want = reference(*(a.astype(np.float64) for a in arguments))
    error = function_error(name, run(*arguments), want, arguments)
    return (*worst(error, arguments), float(np.mean(error > 0.5001)))


def record(name: str, dtype: str, top: float, kind: str) -> None:
    bounds = json.loads(BOUNDS.read_text()) if BOUNDS.exists() else {}
    bounds.setdefault(name, {})[dtype] = {"max_ulp": round(top, 3), "arguments": kind}
    ordered = {k: dict(sorted(v.items())) for k, v in sorted(bounds.items())}
    rows = [f'"{k}": {json.dumps(v)}' for k, v in ordered.items()]
    BOUNDS.write_text("{\n" + ",\n".join(rows) + "\n}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="functions (default: all)")
    parser.add_argument("--dtype", choices=("float", "double"), default="float")
    parser.add_argument("--step", type=int, default=1, help="take every STEP-th float32")
    parser.add_argument("--write", action="store_true", help="record the maxima")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    print("function     dtype    max ULP  not nearest  seconds  worst argument")
    for name in options.names or vmath.FUNCTIONS:
        start = time.perf_counter()
        swept = options.dtype == "float" and vmath.FUNCTIONS[name].arity == 1
        top, where, loose = sweep(name, options.step) if swept else sample(name, options.dtype)
        seconds = time.perf_counter() - start
        row = f"{name:12} {options.dtype:7} {top:8.3f} {loose:12.2%} {seconds:8.1f}  {where}"
        print(row, flush=True)
        if options.write:
            kind = "all" if swept and options.step == 1 else "sample"
            record(name, options.dtype, top, kind)


if __name__ == "__main__":
    main()
