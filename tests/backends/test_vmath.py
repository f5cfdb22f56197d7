"""Vector math: errors within the measured bounds, special values as in C, loops that vectorise.

References are NumPy's (long double for float64 results where the platform has one) and math's.
tools/ulp_sweep.py, which also supplies the compiled loops, made the bounds from all float32 values.
"""

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from rushlight.engine.backends.cpu import vmath

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import ulp_sweep  # noqa: E402

BOUNDS = json.loads(Path(__file__).with_name("vmath_ulp.json").read_text())
PAIRS = [(name, dtype) for name in vmath.FUNCTIONS for dtype in ("float", "double")]
INF, NAN = math.inf, math.nan
TINY = {"float": 2.0**-149, "double": 2.0**-1074}
HUGE = {"float": float(np.finfo(np.float32).max), "double": sys.float_info.max}
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(scope="module")
def loops():
    return ulp_sweep.Loops(PAIRS)


# References


def per_element(f):
    """A float64 function from one of `math`, which raises where it should return infinity."""

    def one(x):
        try:
            return f(x)
        except (OverflowError, ValueError):
            return INF

    return lambda x: np.array([one(v) for v in x.astype(np.float64).tolist()])


def shifted(x):
    """(y, its reflection y >= 1/2 raised to 25 or more by recurrence, the factors passed)."""
    x = x.astype(np.longdouble)
    y = np.where(x < 0.5, 1 - x, x)
    factors = [np.where(y + i < 25, y + i, np.inf) for i in range(25)]
    return x, y + sum(np.isfinite(f) for f in factors), factors


def half_turns(x):
    return np.arccos(np.longdouble(-1)) * (x - np.rint(x))


def lgamma(x):
    x, y, factors = shifted(x)
    w, pi = 1 / (y * y), np.arccos(np.longdouble(-1))
    series = w * (1 / np.longdouble(360) - w * (1 / 1260 - w * (1 / 1680 - w / 1188)))
    series = (1 / np.longdouble(12) - series) / y
    value = (y - 0.5) * np.log(y) - y + np.log(2 * pi) / 2 + series
    value = value - np.log(np.prod([np.where(np.isfinite(f), f, 1) for f in factors], axis=0))
    value = np.where(x < 0.5, np.log(pi / np.abs(np.sin(half_turns(x)))) - value, value)
    return np.where(np.isinf(x), np.inf, value)


def digamma(x):
    x, y, factors = shifted(x)
    w, pi = 1 / (y * y), np.arccos(np.longdouble(-1))
    series = w * (1 / np.longdouble(120) - w * (1 / 252 - w * (1 / 240 - w / 132)))
    series = w * (1 / np.longdouble(12) - series)
    value = np.log(y) - 0.5 / y - series - sum(1 / f for f in factors)
    value = np.where(x < 0.5, value - pi / np.tan(half_turns(x)), value)
    value = np.where((x < 0) & (np.rint(x) == x), np.nan, value)
    return np.where(x == 0, np.copysign(np.inf, -x), value)


def erfinv(x):
    """Newton from Winitzki's approximation, with erfc where it keeps more digits."""
    x = x.astype(np.float64)
    a = np.where(np.abs(x) < 1, np.abs(x), 0.5)
    log = np.log1p(-a * a)
    half = 2 / (np.pi * 0.147) + log / 2
    y = np.sqrt(np.maximum(np.sqrt(half * half - log / 0.147) - half, 0))
    erf, erfc = per_element(math.erf), per_element(math.erfc)
    for _ in range(4):
        residue = np.where(a < 0.5, erf(y) - a, (1 - a) - erfc(y))
        y = y - residue * np.sqrt(np.pi) / 2 * np.exp(y * y)
    y = np.where(np.abs(x) < 1e-8, np.abs(x) * (np.sqrt(np.pi) / 2), y)
    y = np.where(np.abs(x) < 1, y, np.where(np.abs(x) == 1, np.inf, np.nan))
    return np.copysign(y, x)


def bessel_i0(x):
    x = x.astype(np.float64)
    y = np.concatenate([np.i0(part) for part in np.array_split(np.abs(x), max(1, x.size // 65536))])
    return np.where(np.isinf(x), np.nan, y)


SLOW = {
    "erf": per_element(math.erf),
    "erfc": per_element(math.erfc),
    "lgamma": lgamma,
    "digamma": digamma,
    "erfinv": erfinv,
    "normal_cdf": per_element(lambda x: 0.5 * math.erfc(x * -math.sqrt(0.5))),
    "i0": bessel_i0,
}
REFERENCE_ULP = {"erf": 1, "erfc": 3, "lgamma": 4, "digamma": 2, "erfinv": 3, "i0": 12}
REFERENCE_ULP["normal_cdf"] = 1


def error_of(loops, name, dtype):
    single = dtype == "float"
    count = (100_000 if single else 40_000) if name in SLOW else (1_000_000 if single else 200_000)
    rng = np.random.default_rng(1)
    arguments = ulp_sweep.argument_sample(name, ulp_sweep.NUMPY[dtype], count, rng)
    if name in SLOW:
        want = SLOW[name](*arguments).astype(np.float64 if single else np.longdouble)
    elif single:
        want = ulp_sweep.single_reference(name)(*(a.astype(np.float64) for a in arguments))
    else:
        want = ulp_sweep.double_reference(name)[0](*arguments)
    got = loops.function(name, dtype)(*arguments)
    if name == "normal_cdf":
        return ulp_sweep.sum_error(got, want), arguments
    error = ulp_sweep.ulp_error(got, want)
    return error * cancellation(name, got, want, arguments), arguments


def cancellation(name, got, want, arguments):
    """ULP of the result over ULP of the larger of the terms it is a difference of."""
    if name == "logaddexp":
        return ulp_sweep.share(got, np.maximum(*arguments))
    if name in ("lgamma", "digamma"):
        x = arguments[0]
        mirror = SLOW[name](1 - x.astype(np.longdouble))
        term = np.maximum(np.abs(mirror), np.abs(want - mirror))
        # Around the roots 1, 2 and 1.46 the references have no more than absolute accuracy.
        rough = 0.01 if got.dtype == np.float64 else 1e-8
        return ulp_sweep.share(got, np.where(x < 0, term, np.maximum(np.abs(want), rough)))
    return 1


def slack(name, dtype):
    """What the reference may be off by, or a sample may have missed."""
    if dtype == "float":
        return 0.01 if BOUNDS[name][dtype]["arguments"] == "all" else 0.1
    coarse = np.finfo(np.longdouble).nmant < 60
    return REFERENCE_ULP[name] if name in SLOW else 2 if coarse else 0.3


@pytest.mark.parametrize("name,dtype", PAIRS)
def test_error_is_within_the_recorded_bound(loops, name, dtype):
    error, arguments = error_of(loops, name, dtype)
    top, where = ulp_sweep.worst(error, arguments)
    assert top <= BOUNDS[name][dtype]["max_ulp"] + slack(name, dtype), f"at {where}"


def test_bounds_meet_the_targets():
    hot = ("exp", "log", "tanh", "erf", "sin", "cos")
    for name, bound in BOUNDS.items():
        assert bound["float"]["max_ulp"] <= (1.51 if name in hot else 2), name
        assert bound["double"]["max_ulp"] <= 4, name


# Values


SPECIAL_VALUES = [
    ("exp", (-INF,), 0.0), ("exp", (INF,), INF), ("exp", (-0.0,), 1.0), ("exp2", (-INF,), 0.0),
    ("expm1", (-INF,), -1.0), ("expm1", (-0.0,), -0.0), ("expm1", (INF,), INF),
    ("sigmoid", (-INF,), 0.0), ("sigmoid", (INF,), 1.0), ("sigmoid", (0.0,), 0.5),
    ("tanh", (-INF,), -1.0), ("tanh", (-0.0,), -0.0), ("sinh", (-INF,), -INF),
    ("sinh", (-0.0,), -0.0), ("cosh", (-INF,), INF), ("cosh", (0.0,), 1.0), ("log", (0.0,), -INF),
    ("log", (-0.0,), -INF), ("log", (-1.0,), NAN), ("log", (INF,), INF), ("log", (1.0,), 0.0),
    ("log", (-INF,), NAN), ("log1p", (-1.0,), -INF), ("log1p", (-0.0,), -0.0),
    ("log1p", (-2.0,), NAN), ("log1p", (INF,), INF), ("asinh", (-INF,), -INF),
    ("asinh", (-0.0,), -0.0), ("acosh", (1.0,), 0.0), ("acosh", (0.5,), NAN),
    ("acosh", (-2.0,), NAN), ("acosh", (INF,), INF), ("atanh", (-1.0,), -INF),
    ("atanh", (1.5,), NAN), ("atanh", (-0.0,), -0.0), ("logaddexp", (-INF, -INF), -INF),
    ("logaddexp", (INF, -INF), INF), ("logaddexp", (INF, INF), INF),
    ("logaddexp", (NAN, INF), NAN), ("sin", (-0.0,), -0.0), ("sin", (INF,), NAN),
    ("cos", (-INF,), NAN), ("cos", (0.0,), 1.0), ("tan", (-0.0,), -0.0), ("asin", (1.5,), NAN),
    ("asin", (-0.0,), -0.0), ("acos", (1.0,), 0.0), ("acos", (-1.5,), NAN),
    ("atan", (-0.0,), -0.0), ("erf", (-INF,), -1.0), ("erf", (-0.0,), -0.0),
    ("erfc", (-INF,), 2.0), ("erfc", (INF,), 0.0), ("erfinv", (1.0,), INF),
    ("erfinv", (-1.0,), -INF), ("erfinv", (1.1,), NAN), ("erfinv", (-0.0,), -0.0),
    ("lgamma", (1.0,), 0.0), ("lgamma", (2.0,), 0.0), ("lgamma", (0.0,), INF),
    ("lgamma", (-3.0,), INF), ("lgamma", (-INF,), INF), ("digamma", (0.0,), -INF),
    ("digamma", (-0.0,), INF), ("digamma", (-2.0,), NAN), ("digamma", (INF,), INF),
    ("i0", (0.0,), 1.0), ("rsqrt", (0.0,), INF), ("rsqrt", (-0.0,), -INF),
    ("rsqrt", (-1.0,), NAN), ("rsqrt", (INF,), 0.0), ("pow", (NAN, 0.0), 1.0),
    ("pow", (1.0, NAN), 1.0), ("pow", (-1.0, INF), 1.0), ("pow", (0.0, -1.0), INF),
    ("pow", (-0.0, -3.0), -INF), ("pow", (-0.0, -2.0), INF), ("pow", (-0.0, 3.0), -0.0),
    ("pow", (-0.0, 0.5), 0.0), ("pow", (-INF, 3.0), -INF), ("pow", (-INF, -3.0), -0.0),
    ("pow", (-INF, 0.5), INF), ("pow", (-8.0, 1 / 3), NAN), ("pow", (-2.0, 3.0), -8.0),
    ("pow", (-2.0, -2.0), 0.25), ("pow", (0.5, INF), 0.0), ("pow", (0.5, -INF), INF),
    ("pow", (2.0, -INF), 0.0), ("pow", (-2.0, 1e30), INF), ("atan2", (0.0, 0.0), 0.0),
    ("atan2", (-0.0, 0.0), -0.0), ("atan2", (INF, NAN), NAN), ("fmod", (-6.0, 3.0), -0.0),
    ("fmod", (5.0, INF), 5.0), ("fmod", (INF, 2.0), NAN), ("fmod", (1.0, 0.0), NAN),
    ("fmod", (-7.0, 3.0), -1.0), ("remainder", (-7.0, 3.0), 2.0),
    ("remainder", (7.0, -3.0), -2.0), ("remainder", (5.0, -INF), -INF),
    ("remainder", (-0.0, 3.0), -0.0), ("hypot", (INF, NAN), INF), ("hypot", (3.0, -4.0), 5.0),
    ("hypot", (NAN, 1.0), NAN), ("nextafter", (-0.0, 0.0), 0.0), ("nextafter", (1.0, NAN), NAN),
    ("nextafter", (INF, INF), INF),
]  # fmt: skip


def same(got, want):
    """Equal, including the sign of zero; NaN equals NaN."""
    if math.isnan(want):
        return math.isnan(got)
    return got == want and math.copysign(1, got) == math.copysign(1, want)


def at(loops, name, dtype, *arguments):
    return loops.function(name, dtype)(*(np.array([a]) for a in arguments))[0].item()


@pytest.mark.parametrize("dtype", ["float", "double"])
def test_special_values(loops, dtype):
    got = [(n, a, at(loops, n, dtype, *a), want) for n, a, want in SPECIAL_VALUES]
    assert [g for g in got if not same(g[2], g[3])] == []


@pytest.mark.parametrize("name,dtype", PAIRS)
def test_nan_stays_nan(loops, name, dtype):
    arity = vmath.FUNCTIONS[name].arity
    for position in range(arity):
        arguments = [NAN if i == position else 2.0 for i in range(arity)]
        assert math.isnan(at(loops, name, dtype, *arguments))


@pytest.mark.parametrize("dtype", ["float", "double"])
def test_results_with_an_exact_answer(loops, dtype):
    t = ulp_sweep.NUMPY[dtype]
    n = np.arange(-120, 121).astype(t)
    ten = np.array([10.0**k for k in range(11 if dtype == "float" else 23)])
    assert np.array_equal(loops.function("exp2", dtype)(n), np.ldexp(t(1), n.astype(int)))
    assert np.array_equal(loops.function("log2", dtype)(np.ldexp(t(1), n.astype(int))), n)
    assert np.array_equal(loops.function("log10", dtype)(ten), np.arange(ten.size))
    base, exponent = (v.ravel().astype(t) for v in np.meshgrid(np.arange(-11, 12), np.arange(7)))
    want = base.astype(np.int64) ** exponent.astype(np.int64)
    assert np.array_equal(loops.function("pow", dtype)(base, exponent), want.astype(t))


@pytest.mark.parametrize("dtype", ["float", "double"])
def test_fmod_and_remainder_are_exact(loops, dtype):
    rng = np.random.default_rng(2)
    x, y = ulp_sweep.argument_sample("pow", ulp_sweep.NUMPY[dtype], 40_000, rng)
    assert np.array_equal(loops.function("fmod", dtype)(x, y), np.fmod(x, y), equal_nan=True)
    small, unit = rng.integers(-1000, 1000, 1000) * 0.5, rng.choice([-3.0, 0.5, 7.0], 1000)
    want = [a - b * math.floor(a / b) for a, b in zip(small, unit, strict=True)]
    assert np.array_equal(loops.function("remainder", dtype)(small, unit), want)


@pytest.mark.parametrize("dtype", ["float", "double"])
def test_subnormals_are_honoured(loops, dtype):
    tiny, huge = TINY[dtype], HUGE[dtype]
    odd = ("sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "expm1", "log1p")
    for name in odd:
        assert at(loops, name, dtype, -3 * tiny) == -3 * tiny, name
    assert at(loops, "log2", dtype, tiny) == math.log2(tiny)
    assert at(loops, "exp2", dtype, math.log2(tiny)) == tiny
    assert at(loops, "hypot", dtype, 3 * tiny, 4 * tiny) == 5 * tiny
    assert at(loops, "nextafter", dtype, 0.0, -1.0) == -tiny
    assert at(loops, "nextafter", dtype, huge, INF) == INF
    assert 0 < at(loops, "sigmoid", dtype, math.log(tiny) + 1) < 8 * tiny


def test_reduction_of_hard_trigonometric_arguments(loops):
    """The float64 closest to a multiple of pi / 2 (Muller, Elementary Functions)."""
    x = math.ldexp(6381956970095103, 797)
    assert at(loops, "cos", "double", x) == -4.68716592425462761112e-19
    assert at(loops, "sin", "double", x) == 1.0
    assert abs(at(loops, "tan", "double", x)) == pytest.approx(1 / 4.68716592425462761112e-19)


# Code


TARGETS = {
    "avx512": ("x86_64-unknown-linux-gnu", "skylake-avx512", 512),
    "avx2": ("x86_64-unknown-linux-gnu", "haswell", 256),
    "neon": ("aarch64-unknown-linux-gnu", "neoverse-n1", 128),
}


def vector_bodies(ir):
    """{loop name: text of its vector body, or None}."""
    bodies = {}
    for text in ir.split("\ndefine ")[1:]:
        body = re.search(r"\nvector\.body.*?(?=\n\n)", text, re.S)
        bodies[re.search(r"@(\w+)", text)[1]] = body and body[0]
    return bodies


@pytest.mark.parametrize("target", TARGETS)
def test_loops_vectorise_without_scalar_rest(target):
    triple, cpu, width = TARGETS[target]
    compiled = ulp_sweep.Loops(PAIRS, width=width, triple=triple, cpu=cpu)
    assert not re.search(r"^\s+(call|bl)\s", compiled.asm, re.M), "a libm call is left"
    bodies = vector_bodies(compiled.ir)
    for name, dtype in PAIRS:
        body = bodies["loop_" + vmath.symbol(name, dtype)]
        assert (body is not None) == vmath.FUNCTIONS[name].vectorises(dtype), (name, dtype)
        if body:
            called = re.findall(r"call [^@]*@([\w.]+)\(", body)
            assert all(re.search(r"\.v\d+f\d\d$", c) for c in called), (name, dtype, called)
            assert "extractelement" not in body, (name, dtype)


def test_declarations_are_shared_in_a_module():
    text = vmath.module_text([("exp", "float"), ("log", "float"), ("exp", "float")])
    assert text.count("declare float @llvm.fma.f32") == 1
    assert text.count("define internal float @rl_exp_f32") == 1
    for name, dtype in PAIRS:
        used = set(re.findall(r"@(llvm[\w.]+)", vmath.emit(name, dtype)))
        assert used == {re.search(r"@([\w.]+)", d)[1] for d in vmath.requires(name, dtype)}
