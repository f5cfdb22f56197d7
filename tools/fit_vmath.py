"""Fit the polynomials of the CPU vector math and print them as a Python module.

    python tools/fit_vmath.py > rushlight/engine/backends/cpu/vmath_coefficients.py
    python tools/fit_vmath.py erfcx i0                 only these, to try something

Every entry of `FITS` states what is approximated, where, how the error is weighted and with how
many terms; running this file repeats the fits (mpmath, 50 digits) and writes the reached error
beside each table.  The method is the Remez exchange on a dense Chebyshev grid: solve for the
polynomial whose weighted error alternates on degree + 2 points, move the points to the extrema of
that error, repeat.  A rational P/Q (Q(0) = 1) is found the same way, with Q of the previous round
inside the alternation equations.

Tables are used in double arithmetic and rounded to double: "24" is good enough for a float32 result
computed in double, "53" for a float64 result.  Tables named "f32" are evaluated in float32: their
coefficients are rounded one by one, lowest order first, the higher ones fitted again after each.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp
from mpmath import mpf

mp.mp.dps = 50
Real = Callable[[mpf], mpf]


@dataclass
class Fit:
    """One table: `target` on [lo, hi], degree `num` over degree `den`, error times `weight`."""

    name: str
    bits: str
    lo: object
    hi: object
    num: int
    target: Real
    weight: Real
    den: int = 0


def grid(lo, hi, n):
    """About n Chebyshev points of [lo, hi], none of them an end or (for odd symmetry) zero."""
    half, mid = (mpf(hi) - lo) / 2, (mpf(hi) + lo) / 2
    return [mid - half * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(2 * (n // 2))]


def horner(c, x):
    total = mpf(0)
    for v in reversed(c):
        total = total * x + v
    return total


def peaks(error):
    """The index of the largest error in each run of one sign."""
    runs, start = [], 0
    for i in range(1, len(error) + 1):
        if i == len(error) or (error[i] > 0) != (error[start] > 0):
            runs.append(max(range(start, i), key=lambda j: abs(error[j])))
            start = i
    return runs


def extrema(error, count):
    """`count` alternating extrema: surplus ones leave from the weaker end, or as a weak pair."""
    runs = peaks(error)
    while len(runs) > count:
        last = len(runs) - 1
        if last == count:
            runs.pop(0 if abs(error[runs[0]]) < abs(error[runs[-1]]) else -1)
            continue
        weak = min(range(len(runs)), key=lambda r: abs(error[runs[r]]))
        del runs[weak : weak + (1 if weak in (0, last) else 2)]
    return runs


class Exchange:
    """The state of one Remez exchange; the first coefficients of P may be fixed."""

    def __init__(self, fit: Fit, fixed=()):
        self.fit, self.fixed = fit, list(fixed)
        self.scale = max(abs(mpf(fit.lo)), abs(mpf(fit.hi)))
        self.x = grid(fit.lo, fit.hi, 40 * (fit.num + fit.den + 3))
        self.f = [fit.target(x) for x in self.x]
        self.w = [fit.weight(x) for x in self.x]
        self.free = list(range(len(self.fixed), fit.num + 1))
        self.size = len(self.free) + fit.den + 1
        self.p, self.q = self.fixed, [mpf(1)]

    def solve(self, at):
        """P and Q whose error alternates on the points `at`, linearised by the Q before."""
        a, b = mp.zeros(self.size, self.size), mp.zeros(self.size, 1)
        for row, i in enumerate(at):
            u = self.x[i] / self.scale
            columns = [u**e for e in self.free]
            columns += [-self.f[i] * u**e for e in range(1, self.fit.den + 1)]
            columns.append((-1) ** row * horner(self.q, self.x[i]) / self.w[i])
            for column, v in enumerate(columns):
                a[row, column] = v
            b[row] = self.f[i] - horner(self.fixed, self.x[i])
        s, n = mp.lu_solve(a, b), len(self.free)
        self.p = self.fixed + [s[j] / self.scale**e for j, e in enumerate(self.free)]
        self.q = [mpf(1)] + [s[n + j] / self.scale ** (j + 1) for j in range(self.fit.den)]

    def error(self):
        rows = zip(self.x, self.f, self.w, strict=True)
        return [(horner(self.p, x) / horner(self.q, x) - f) * w for x, f, w in rows]

    def run(self):
        at = [round(i * (len(self.x) - 1) / (self.size - 1)) for i in range(self.size)]
        for _ in range(40):
            for _ in range(12 if self.fit.den else 1):
                self.solve(at)
            error = self.error()
            new = extrema(error, self.size)
            if len(new) < self.size:
                raise ValueError(f"{self.fit.name}: {len(new)} of {self.size} alternations")
            top, low = max(map(abs, error)), min(abs(error[i]) for i in new)
            if new == at or top < low * mpf("1.001"):
                break
            at = new
        return self.p, self.q, max(map(abs, error))


def remez(fit: Fit, fixed=()):
    """Coefficients of P and Q and the reached weighted error."""
    return Exchange(fit, fixed).run()


def to_float32(x):
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def remez_float32(fit: Fit):
    """A polynomial with float32 coefficients, refitted after each rounding."""
    fixed: list = []
    for i in range(fit.num):
        p, _, _ = remez(fit, fixed)
        fixed.append(to_float32(p[i]))
    p, q, _ = remez(fit, fixed)
    p = fixed + [to_float32(p[-1])]
    xs = grid(fit.lo, fit.hi, 2000)
    return p, q, max(abs((horner(p, x) - fit.target(x)) * fit.weight(x)) for x in xs)


def root(f):
    """A function of u = x**2 from an even function of x."""
    return lambda u: f(mp.sqrt(u))


LN2 = mp.log(2)
R = LN2 / 2 * mpf("1.01")  # |r| after x = n log 2 + r
LOG_HI = (3 - 2 * mp.sqrt(2)) ** 2 * mpf("1.001")  # ((m - 1) / (m + 1))**2, m below sqrt(2)
LOG_RANGE = (1 / mp.sqrt(2) - 1, mp.sqrt(2) - 1)  # m - 1
ATAN_HI = mp.tan(mp.pi / 8) ** 2 * mpf("1.001")
QUARTER = (mp.pi / 4 * mpf("1.001")) ** 2
TAU = 2 * mp.pi
LGAMMA_OFFSET = mp.log(TAU) / 2 - mpf("0.5")
DIGAMMA_ROOT = mp.findroot(mp.digamma, mpf("1.4616321449683623"))


def lgamma_series(w):
    y = 1 / mp.sqrt(w)
    return (mp.loggamma(y) - (y - mpf("0.5")) * (mp.log(y) - 1) - LGAMMA_OFFSET) * y


def digamma_series(w):
    y = 1 / mp.sqrt(w)
    return (mp.log(y) - 1 / (2 * y) - mp.digamma(y)) / w


def erfinv_tail(t):
    """t - erfinv(1 - exp(-t**2)), by Newton on the logarithm of erfc, nearly quadratic in x."""
    x = t
    for _ in range(12):
        c = mp.erfc(x)
        x += (mp.log(c) + t * t) * c * mp.sqrt(mp.pi) / 2 * mp.exp(x * x)
    return t - x


def erfcx_over(t):
    """exp(a**2) erfc(a) / t for t = 1 / (a + 3): a polynomial in t stays well conditioned."""
    a = 1 / t - 3
    return mp.exp(a * a) * mp.erfc(a) / t


def i0_tail(w):
    v = w + mpf("0.0625")
    return mp.besseli(0, 1 / v) * mp.exp(-1 / v) / mp.sqrt(v)


# (target, weight): weight times an error of the target is the relative error of the function.
EXP = (lambda r: (mp.expm1(r) - r) / r**2, lambda r: r**2 / mp.exp(r))
EXPM1 = (EXP[0], lambda r: abs(r**2 / mp.expm1(r)))
EXP_FULL = (mp.exp, lambda r: mp.exp(-r))
EXPM1_FULL = (lambda r: mp.expm1(r) / r, lambda r: r / mp.expm1(r))
EXP2 = (lambda r: mp.expm1(r * LN2) / r, lambda r: abs(r) / mpf(2) ** r)
LOG = (root(lambda s: (2 * mp.atanh(s) / s - 2) / s**2), lambda z: z / 2)
LOG_PAIR = (
    root(lambda s: ((2 * mp.atanh(s) / s - 2) / s**2 - mpf(2) / 3) / s**2),
    lambda z: z * z / 2,
)
LOG_CUBIC = (lambda f: (mp.log1p(f) - f + f * f / 2) / f**3, lambda f: abs(f**3 / mp.log1p(f)))
SIN_TURN = (root(lambda f: mp.sin(TAU * f) / f), root(lambda f: f / mp.sin(TAU * f)))
SIN = (root(lambda r: (mp.sin(r) - r) / r**3), root(lambda r: r**3 / mp.sin(r)))
COS = (root(lambda r: (mp.cos(r) - 1 + r * r / 2) / r**4), lambda z: z**2)
TAN_TURN = (root(lambda f: mp.tan(TAU * f) / f), root(lambda f: f / mp.tan(TAU * f)))
ASIN = (root(lambda x: (mp.asin(x) - x) / x**3), root(lambda x: x**3 / mp.asin(x)))
ATAN = (root(lambda t: (mp.atan(t) - t) / t**3), root(lambda t: t**3 / mp.atan(t)))
SINH = (root(lambda r: (mp.sinh(r) - r) / r**3), root(lambda r: r**3 / mp.sinh(r)))
COSH = (root(lambda r: (mp.cosh(r) - 1) / r**2), lambda z: z)
ERF = (root(lambda x: mp.erf(x) / x), root(lambda x: x / mp.erf(x)))
ERF_SMALL = (root(lambda x: mp.erf(x) / x - 1), ERF[1])
# erfc(t) = 2 ** (t h(t)); its error counts as much as erfc does beside 1.
ERF_FAR = (lambda t: mp.log(mp.erfc(t), 2) / t, lambda t: t * mp.erfc(t) * LN2 / mp.erf(t))
NORMAL_FAR = (
    lambda t: ERF_FAR[0](t / mp.sqrt(2)) / mp.sqrt(2),
    lambda t: ERF_FAR[1](t / mp.sqrt(2)) * mp.erf(t / mp.sqrt(2)) * mp.sqrt(2),
)
ERFCX = (erfcx_over, lambda t: 1 / erfcx_over(t))
# Around 3/4, the end of the interval where the function bends most; around 0 sums would cancel.
ERFINV = (
    lambda v: mp.erfinv(mp.sqrt(v + mpf("0.5625"))) / mp.sqrt(v + mpf("0.5625")) - 1,
    lambda v: mp.sqrt(v + mpf("0.5625")) / mp.erfinv(mp.sqrt(v + mpf("0.5625"))),
)
ERFINV_TAIL = (erfinv_tail, lambda t: 1 / (t - mpf("0.3")))
# The distance to a constant amid the range: rounding errors of the quotient count for less.
LGAMMA = (
    lambda y: mp.loggamma(y) / ((y - 1) * (y - 2)) - mpf("0.4"),
    lambda y: (y - 1) * (y - 2) / mp.loggamma(y),
)
LGAMMA_SERIES = (lgamma_series, lambda w: mp.sqrt(w) / mp.loggamma(1 / mp.sqrt(w)))
DIGAMMA = (
    lambda y: (mp.digamma(y) / (y - DIGAMMA_ROOT) - mpf("0.75")) * y,
    lambda y: (y - DIGAMMA_ROOT) / (y * mp.digamma(y)),
)
DIGAMMA_SERIES = (digamma_series, lambda w: w / mp.digamma(1 / mp.sqrt(w)))
I0 = (lambda u: mp.besseli(0, mp.sqrt(u)), lambda u: 1 / mp.besseli(0, mp.sqrt(u)))
I0_TAIL = (i0_tail, lambda v: mpf("2.5"))

FITS = [
    Fit("exp", "24", -R, R, 6, *EXP_FULL),
    Fit("exp", "53", -R, R, 9, *EXP),
    Fit("exp", "f32", -R, R, 4, *EXP),
    Fit("expm1", "24", -R, R, 5, *EXPM1_FULL),
    Fit("expm1", "53", -R, R, 10, *EXPM1),
    Fit("exp2", "24", -0.501, 0.501, 5, *EXP2),
    Fit("exp2", "53", -0.501, 0.501, 10, *EXP2),
    Fit("exp2", "f32", -0.501, 0.501, 5, *EXP2),
    Fit("log", "24", *LOG_RANGE, 8, *LOG_CUBIC),
    Fit("log", "53", 0, LOG_HI, 6, *LOG),
    Fit("log", "f32", *LOG_RANGE, 8, *LOG_CUBIC),
    Fit("log_power", "24", 0, LOG_HI, 3, *LOG),
    Fit("log_pair", "53", 0, LOG_HI, 7, *LOG_PAIR),
    Fit("sinh", "24", 0, R**2, 2, *SINH),
    Fit("sinh", "53", 0, R**2, 4, *SINH),
    Fit("cosh", "24", 0, R**2, 2, *COSH),
    Fit("cosh", "53", 0, R**2, 4, *COSH),
    Fit("sin_turn", "24", 0, mpf("0.2501") ** 2, 5, *SIN_TURN),
    Fit("sin", "53", 0, (mp.pi / 2 * mpf("1.001")) ** 2, 7, *SIN),
    Fit("sin_quarter", "53", 0, QUARTER, 5, *SIN),
    Fit("cos_quarter", "53", 0, QUARTER, 5, *COS),
    Fit("tan_turn", "24", 0, mpf("0.12501") ** 2, 2, *TAN_TURN, den=2),
    Fit("asin", "24", 0, mpf("0.2501"), 5, *ASIN),
    Fit("asin", "53", 0, mpf("0.2501"), 11, *ASIN),
    Fit("atan", "24", 0, ATAN_HI, 4, *ATAN),
    Fit("atan", "53", 0, ATAN_HI, 10, *ATAN),
    Fit("erf_small", "f32", 0, mpf("0.69") ** 2, 4, *ERF_SMALL),
    Fit("erf_far", "f32", mpf("0.67"), 4, 5, *ERF_FAR),
    Fit("erf_exp2", "f32", -0.501, 0.501, 5, *EXP2),
    Fit("erf_small", "24", 0, mpf("0.251"), 4, *ERF_SMALL),
    Fit("erf_small", "53", 0, 1, 11, *ERF_SMALL),
    Fit("normal_far", "f32", mpf("0.001"), mpf("5.8"), 7, *NORMAL_FAR),
    Fit("normal_exp2", "f32", -0.501, 0.501, 4, *EXP2),
    Fit("erfcx", "24", 1 / mpf(13.5), 1 / mpf(3.5), 9, *ERFCX),
    Fit("erfcx", "53", 1 / mpf(30.5), 1 / mpf(3.5), 21, *ERFCX),
    Fit("erfinv", "24", mpf("-0.5625"), mpf("0.0001"), 3, *ERFINV, den=3),
    Fit("erfinv", "53", mpf("-0.5625"), mpf("0.0001"), 6, *ERFINV, den=7),
    Fit("erfinv_tail", "24", 1.17, 4.1, 4, *ERFINV_TAIL, den=3),
    Fit("erfinv_tail", "53", 1.17, 6.1, 9, *ERFINV_TAIL, den=8),
    Fit("lgamma", "24", 0.5, 4, 5, *LGAMMA, den=5),
    Fit("lgamma", "53", 0.5, 4, 10, *LGAMMA, den=9),
    Fit("lgamma_series", "24", 0, mpf("0.0626"), 2, *LGAMMA_SERIES),
    Fit("lgamma_series", "53", 0, mpf("0.0626"), 7, *LGAMMA_SERIES),
    Fit("digamma", "24", 0.5, 4, 4, *DIGAMMA, den=4),
    Fit("digamma", "53", 0.5, 4, 7, *DIGAMMA, den=7),
    Fit("digamma_series", "24", 0, mpf("0.0626"), 2, *DIGAMMA_SERIES),
    Fit("digamma_series", "53", 0, mpf("0.0626"), 8, *DIGAMMA_SERIES),
    Fit("i0", "24", 0, 64, 10, *I0),
    Fit("i0", "53", 0, 64, 15, *I0),
    Fit("i0_tail", "24", mpf("-0.0517"), mpf("0.0626"), 7, *I0_TAIL),
    Fit("i0_tail", "53", mpf("-0.0612"), mpf("0.0626"), 24, *I0_TAIL),
]


def split(x, digits=53):
    """x as hi + lo, hi with `digits` bits: its products with short integers are exact."""
    scale = mpf(2) ** (digits - 1 - mp.floor(mp.log(abs(x), 2)))
    hi = mp.floor(x * scale + mpf("0.5")) / scale
    return float(hi), float(x - hi)


def turn_pieces(offsets, digits):
    """The bits [offset, offset + digits) of 1 / (2 pi), as integers."""
    with mp.workdps(500):
        turn = 1 / (2 * mp.pi)
        return [int(mp.floor(turn * mpf(2) ** (o + digits))) % 2**digits for o in offsets]


def constants():
    """Numbers used in two parts, and 1 / (2 pi) cut for the trigonometric reductions."""
    single = [n * 2.0 ** -(29 * i + 29) for i, n in enumerate(turn_pieces(range(0, 145, 29), 29))]
    single.append(turn_pieces([145], 53)[0] * 2.0**-198)
    return {
        "one": (1.0, 0.0),
        "ln2_float": split(LN2, 10),
        "ln2_double": split(LN2, 42),
        "log2_e": split(1 / LN2),
        "log10_e": split(1 / mp.log(10)),
        "log10_2": split(LN2 / mp.log(10), 42),
        "two_thirds": split(mpf(2) / 3),
        "pi": split(mp.pi),
        "two_pi": split(TAU),
        "log_pi": split(mp.log(mp.pi)),
        "erfcx_slope": split(2 / mp.sqrt(mp.pi)),
        "lgamma_offset": split(LGAMMA_OFFSET),
        "digamma_root": split(DIGAMMA_ROOT),
        "turn_29": tuple(single),
        "turn_52": tuple(n * 2.0**-52 for n in turn_pieces(range(0, 26 * 44, 26), 52)),
    }


def rows(key, values, note=""):
    """One table as Python source, three numbers a line."""
    cells = [repr(float(v)) for v in values]
    lines = [", ".join(cells[i : i + 3]) + "," for i in range(0, len(cells), 3)]
    return [f"    {key}: ({note}"] + ["        " + line for line in lines] + ["    ),"]


def fitted(fit: Fit):
    p, q, error = remez_float32(fit) if fit.bits == "f32" else remez(fit)
    note = f"  # relative error 2**{float(mp.log(error, 2)):.1f}"
    out = rows(f'("{fit.name}", "{fit.bits}")', p, note)
    if fit.den:
        out += rows(f'("{fit.name}_den", "{fit.bits}")', q)
    return out


def main(only):
    if only:  # try some fits: print, write nothing
        for fit in FITS:
            if fit.name in only:
                print("\n".join(fitted(fit)), flush=True)
        return
    out = [
        '"""Coefficients of the vector math, lowest order first; written by tools/fit_vmath.py."""',
        "",
        "# fmt: off",
        "",
        "CONSTANTS: dict[str, tuple[float, ...]] = {",
    ]
    for name, values in constants().items():
        out += rows(f'"{name}"', values)
    out += ["}", "", "COEFFICIENTS: dict[tuple[str, str], tuple[float, ...]] = {"]
    for fit in FITS:
        out += fitted(fit)
    print("\n".join(out + ["}"]))


if __name__ == "__main__":
    main(sys.argv[1:])
