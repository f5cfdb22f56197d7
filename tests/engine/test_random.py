"""The draws of engine/runtime against what PyTorch drew (tests/recorded/random_draws.py)."""

import copy
import pickle
import zlib
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from rushlight.engine.runtime import draws, draws_uniform
from rushlight.engine.runtime.generator import DEFAULT_SEED, Generator, default_generator

RECORDED = np.load(Path(__file__).parents[1] / "recorded" / "random_draws.npz")
SEEDS = (0, 42, 2**63 + 12345)
SIZES = (0, 1, 5, 15, 16, 17, 31, 32, 33, 100, 1000, 100000)
FLOATS = {
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
}
INTS = {name: np.dtype(name) for name in ("uint8", "int8", "int32", "int64", "bool")}
KEPT_NORMAL = slice(5024, 5032)


def cases():
    """Name -> (function of the generator, tolerance; 0 asks for the same bits)."""
    weights = np.array([[0.2, 0.5, 0.1, 0.9, 0.0], [1, 2, 3, 4, 5]], np.float32)
    means, stds = np.arange(20, dtype=np.float32), np.arange(20, dtype=np.float32) / 7
    alpha = np.tile(np.array([0, 0.01, 0.3, 1, 2.5, 100], np.float32), 4)
    counts = np.tile(np.array([0, 3, 40, 5000], np.float32), 5)
    probs = np.arange(20, dtype=np.float32) / 19
    ramp = np.arange(30, dtype=np.float32) / 10 - 2
    two, three = np.full(9, 2, np.float32), np.array(3, np.float32)
    table = {}
    for n in SIZES:
        table[f"uniform/{n}"] = lambda g, n=n: draws.uniform(g, n), 0
        table[f"normal/{n}"] = lambda g, n=n: draws.normal(g, n), 0 if n >= 16 else 1e-6
        table[f"randperm/{n}"] = lambda g, n=n: draws.randperm(g, n), 0
        table[f"randint/{n}"] = lambda g, n=n: draws.randint(g, 0, 10, n), 0
    for name, d in FLOATS.items():
        # A C library's last bit can become the last bit of a 16-bit number, nowhere a larger one.
        loose = {"float16": 1e-3, "bfloat16": 1e-2}.get(name, 1e-6)
        table |= {
            f"uniform({name})": (lambda g, d=d: draws.uniform(g, 33, -2, 3, d), 0),
            f"normal({name})": (
                lambda g, d=d: draws.normal(g, 33, 1.5, 0.2, d),
                1e-14 if name == "float64" else 0,
            ),
            f"normal({name}, short)": (lambda g, d=d: draws.normal(g, 7, 1.5, 0.2, d), loose),
            f"random({name})": (lambda g, d=d: draws.random(g, 20, dtype=d), 0),
            f"random({name}, bounds)": (lambda g, d=d: draws.random(g, 20, -300, 5000, d), 0),
            f"bernoulli({name}, each)": (
                lambda g, d=d: draws.bernoulli(g, 50, np.full(50, 0.3).astype(d), d),
                0,
            ),
            f"dropout({name})": (lambda g, d=d: draws.dropout_mask(g, 60, 0.4, d), 0),
            f"exponential({name})": (lambda g, d=d: draws.exponential(g, 20, 1.5, d), loose),
            f"trunc_normal({name})": (lambda g, d=d: draws.trunc_normal(g, 35, dtype=d), loose),
        }
    for name, d in INTS.items():
        table[f"random({name})"] = lambda g, d=d: draws.random(g, 20, dtype=d), 0
        table[f"bernoulli({name})"] = lambda g, d=d: draws.bernoulli(g, 50, 0.7, d), 0
    wide = np.dtype(np.int64)
    table |= {
        "random(-2**63)": (lambda g: draws.random(g, 20, -(2**63), dtype=wide), 0),
        "random(from 5)": (lambda g: draws.random(g, 20, 5, dtype=np.int32), 0),
        "randint(wide)": (lambda g: draws.randint(g, -(2**40), 2**40, 20), 0),
        "randint(2**28)": (lambda g: draws.randint(g, 0, 2**28, 20), 0),
        "randint(2**28 - 1)": (lambda g: draws.randint(g, 0, 2**28 - 1, 20), 0),
        "uniform(complex64)": (lambda g: draws.uniform(g, 9, dtype=np.complex64), 0),
        "normal(complex64)": (lambda g: draws.normal(g, 20, dtype=np.complex64), 0),
        "normal(complex128, short)": (lambda g: draws.normal(g, 5, dtype=np.complex128), 1e-14),
        "normal(not contiguous)": (lambda g: draws.normal(g, 20, contiguous=False), 1e-6),
        "normal(means, stds)": (lambda g: draws.normal_each(g, means, stds), 1e-6),
        "normal(means, std)": (lambda g: draws.normal_each(g, means, 0.3), 1e-6),
        "normal(mean, stds)": (lambda g: draws.normal_each(g, 0.7, stds), 1e-6),
        "log_normal": (lambda g: draws.log_normal(g, 21), 1e-6),
        "trunc_normal(by uniforms)": (lambda g: draws.trunc_normal(g, 35, 0, 1, 1, 2), 1e-6),
        "cauchy": (lambda g: draws.cauchy(g, 20, 1, 2), 1e-6),
        "geometric": (lambda g: draws.geometric(g, 20, 0.4), 0),
        "geometric(int64)": (lambda g: draws.geometric(g, 20, 0.4, wide), 0),
        "rrelu": (lambda g: ramp * draws.rrelu_noise(g, ramp), 1e-6),
        "randperm(int32)": (lambda g: draws.randperm(g, 12, np.int32), 0),
        "multinomial": (lambda g: draws.multinomial(g, weights[1], 3), 0),
        "multinomial(one)": (lambda g: draws.multinomial(g, weights, 1), 0),
        "multinomial(rows)": (lambda g: draws.multinomial(g, weights, 4), 0),
        "multinomial(replacement)": (lambda g: draws.multinomial(g, weights, 30, True), 0),
        "poisson": (lambda g: draws.poisson(g, np.arange(30, dtype=np.float32)), 0),
        "poisson(bfloat16)": (
            lambda g: draws.poisson(g, np.full(20, 3).astype(ml_dtypes.bfloat16)),
            0,
        ),
        "binomial": (lambda g: draws.binomial(g, counts, probs), 0),
        "gamma": (lambda g: draws.standard_gamma(g, alpha), 1e-6),
        "gamma(float64)": (lambda g: draws.standard_gamma(g, alpha.astype(np.float64)), 1e-14),
        "dirichlet": (lambda g: draws.dirichlet(g, weights + np.float32(0.1)), 1e-6),
        "beta": (lambda g: draws.beta(g, two, three), 1e-6),
        "one after another": (
            lambda g: np.concatenate(
                [
                    draws.normal(g, 3),
                    draws.normal(g, 4),
                    draws.uniform(g, 3),
                    draws.normal(g, 17),
                    draws.normal(g, 3),
                ]
            ),
            1e-6,
        ),
    }
    return table


CASES = cases()


def test_every_recorded_case_is_drawn():
    assert list(RECORDED["names"]) == list(CASES)


@pytest.mark.filterwarnings("ignore:.*out of bounds")
@pytest.mark.parametrize("name", CASES)
def test_draw_equals_pytorch(name):
    draw, tolerance = CASES[name]
    case = list(CASES).index(name)
    for i, seed in enumerate(SEEDS):
        generator = Generator().manual_seed(seed)
        assert_same(draw(generator), RECORDED[name][i], tolerance)
        state = generator.get_state()
        kept = state[KEPT_NORMAL].copy().view(np.float64)[0]
        np.testing.assert_allclose(kept, RECORDED["kept_normals"][case, i], rtol=1e-14)
        state[KEPT_NORMAL] = 0
        assert zlib.crc32(state.tobytes()) == RECORDED["states"][case, i], "generator state"


def assert_same(actual, expected, tolerance):
    if expected.ndim == 0:  # recorded as a checksum
        assert zlib.crc32(actual.tobytes()) == expected
        return
    if actual.dtype == ml_dtypes.bfloat16:
        actual = actual.astype(np.float32)
        expected = expected.view(ml_dtypes.bfloat16).astype(np.float32)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    if tolerance:
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(actual, expected)


# The generator


def test_state_of_pytorch_continues():
    generator = Generator()
    assert generator.set_state(RECORDED["state_bytes"]) is generator
    assert generator.initial_seed() == 7
    expected = RECORDED["draws_after_state"]
    np.testing.assert_allclose(draws.normal(generator, 3), expected, rtol=1e-6)


@pytest.mark.parametrize("words", [0, 1, 623, 624, 625, 1248])
def test_state_round_trip(words):
    generator = Generator().manual_seed(3)
    generator.random32(words)
    state = generator.get_state()
    assert state.dtype == np.uint8 and state.shape == (5056,)
    other = Generator().set_state(state)
    np.testing.assert_array_equal(other.get_state(), state)
    np.testing.assert_array_equal(other.random32(700), generator.random32(700))


@pytest.mark.parametrize("twin", [Generator.clone_state, copy.deepcopy, copy.copy, None])
def test_copies_continue_on_their_own(twin):
    generator = Generator().manual_seed(3)
    draws.normal(generator, 3)
    other = twin(generator) if twin else pickle.loads(pickle.dumps(generator))
    np.testing.assert_array_equal(other.get_state(), generator.get_state())
    generator.random32(5)
    assert not np.array_equal(other.get_state(), generator.get_state())


def test_seeds():
    generator = Generator()
    assert generator.initial_seed() == DEFAULT_SEED
    assert generator.manual_seed(-1).initial_seed() == 2**64 - 1
    assert generator.manual_seed(np.int64(5)).initial_seed() == 5
    assert generator.seed() == generator.initial_seed()
    assert default_generator.device == "cpu"


def test_seed_forgets_the_kept_normal():
    generator = Generator().manual_seed(1)
    first = draws.normal(generator, 3)
    np.testing.assert_array_equal(draws.normal(generator.manual_seed(1), 3), first)


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda g: Generator("cuda"), RuntimeError, "device of type cpu"),
        (lambda g: g.manual_seed(1.5), RuntimeError, "manual_seed expected a long, but got float"),
        (lambda g: g.manual_seed(True), RuntimeError, "expected a long, but got bool"),
        (lambda g: g.manual_seed(2**64), ValueError, "Overflow when unpacking long"),
        (lambda g: g.set_state(3), TypeError, "expected a torch.ByteTensor, but got int"),
        (lambda g: g.set_state(np.zeros(5056)), TypeError, "must be a torch.ByteTensor"),
        (lambda g: g.set_state(np.zeros(5, np.uint8)), RuntimeError, "of size 5056 but found"),
        (lambda g: g.set_state(np.zeros(5056, np.uint8)), RuntimeError, "Invalid mt19937 state"),
        (lambda g: g.get_offset(), RuntimeError, "does not use offset"),
        (lambda g: g.set_offset(1), RuntimeError, "does not use offset"),
        (lambda g: g.graphsafe_get_state(), NotImplementedError, "not supported"),
        (lambda g: g.graphsafe_set_state(g), NotImplementedError, "not supported"),
    ],
)
def test_generator_refuses(action, error, message):
    with pytest.raises(error, match=message):
        action(Generator())


# Beyond the records


def test_long_permutations_take_two_words(monkeypatch):
    monkeypatch.setattr(draws_uniform, "_WIDE_PERMUTATION", 100)
    n = 5000
    words = Generator().manual_seed(7).random64(n - 1)
    order = list(range(n))
    for i, word in enumerate(words.tolist()):
        j = i + word % (n - i)
        order[i], order[j] = order[j], order[i]
    assert draws.randperm(Generator().manual_seed(7), n).tolist() == order


@pytest.mark.parametrize("n", [4096, 4097, 20001])
def test_permutation_in_rounds_equals_the_loop(n):
    targets = np.arange(n - 1)
    targets += np.random.default_rng(n).integers(0, n - targets)
    order, loop = np.arange(n), list(range(n))
    draws_uniform._swap_in_order(order, targets)
    for i, j in enumerate(targets.tolist()):
        loop[i], loop[j] = loop[j], loop[i]
    assert order.tolist() == loop


def test_half_uniform_never_reaches_the_upper_bound():
    for name in ("float16", "bfloat16"):
        values = draws.uniform(Generator(), 50000, dtype=FLOATS[name]).astype(np.float32)
        assert values.min() >= 0 and values.max() < 1


def test_shapes_and_empty_draws():
    generator = Generator()
    before = generator.get_state()
    assert draws.uniform(generator, (3, 0)).shape == (3, 0)
    assert draws.normal(generator, 0).shape == (0,)
    assert draws.poisson(generator, np.zeros((0, 2))).shape == (0, 2)
    assert draws.multinomial(generator, np.ones((0, 3)), 2).shape == (0, 2)
    np.testing.assert_array_equal(generator.get_state(), before)
    assert draws.normal(generator, ()).shape == ()
    assert draws.bernoulli(generator, (2, 3), np.array([0.0, 1.0, 0.5])).shape == (2, 3)
    assert draws.trunc_normal(generator, (2, 3), a=-0.1, b=0.1).shape == (2, 3)


def test_binomial_of_nan_is_nan():
    nan, some = np.array([np.nan, 3.0]), np.array([0.5, np.nan])
    assert np.isnan(draws.binomial(Generator(), nan, some)).all()


def test_random_warns_where_a_float_skips_integers():
    with pytest.warns(UserWarning, match=r"to - 1 is out of bounds \[-\(2\^24\), 2\^24\]"):
        draws.random(Generator(), 3, 0, 2**24 + 3)


ONES = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda g: draws.uniform(g, 3, 3, 2), r"return a \[from, to\) range, but found from=3"),
        (lambda g: draws.uniform(g, 3, -3e38, 3e38), "uniform_ expects to-from <="),
        (lambda g: draws.uniform(g, 3, 0, 1e39), "to is out of bounds for float"),
        (lambda g: draws.uniform(g, 3, dtype=np.int64), "not implemented for 'Long'"),
        (lambda g: draws.normal(g, 3, 0, -1), "normal expects std >= 0.0, but found std -1"),
        (lambda g: draws.normal(g, 3, dtype=np.int32), '"normal_kernel_cpu" not implemented'),
        (lambda g: draws.normal_each(g, ONES, -ONES), "expects all elements of std >= 0.0"),
        (lambda g: draws.normal_each(g, ONES, ONES * 1j), "deviation to be non-complex"),
        (lambda g: draws.random(g, 3, 5, 3), "but got from=5 >= to=3"),
        (lambda g: draws.random(g, 3, 0, 300, np.uint8), "to - 1 is out of bounds for unsigned"),
        (lambda g: draws.random(g, 3, 4096, None, np.float16), "less than or equal to 'to_inc'"),
        (lambda g: draws.random(g, 3, dtype=np.uint16), "not implemented for 'UInt16'"),
        (lambda g: draws.random(g, 3, -(2**63), dtype=np.int8), "handles only int64, double"),
        (lambda g: draws.random(g, 3, 0, 2, np.complex64), "handles only integral, floating"),
        (lambda g: draws.randperm(g, -1), "negative dimension -1"),
        (lambda g: draws.randperm(g, 300, np.uint8), "uint8_t without overflow"),
        (lambda g: draws.randperm(g, 2050, np.float16), "cannot be greater than 2049 for Half"),
        (lambda g: draws.bernoulli(g, 3, 2), r"expects p to be in \[0, 1\], but got p=2"),
        (lambda g: draws.bernoulli(g, 3, ONES * 2), "Expected p_in >= 0 && p_in <= 1 to be true"),
        (lambda g: draws.exponential(g, 3, 0), "expects lambda > 0.0, but found lambda=0"),
        (lambda g: draws.exponential(g, 3, 1, np.int64), "floating point but you specified Long"),
        (lambda g: draws.cauchy(g, 3, 0, -1), "expects sigma > 0.0, but found sigma=-1"),
        (lambda g: draws.cauchy(g, 3, dtype=np.int64), "floating point but you specified long"),
        (lambda g: draws.log_normal(g, 3, 0, 0), "log_normal_ expects std > 0.0"),
        (lambda g: draws.geometric(g, 3, 1), r"expects p to be in \(0, 1\), but got p=1"),
        (lambda g: draws.poisson(g, -ONES), "invalid Poisson rate"),
        (lambda g: draws.binomial(g, ONES, ONES.astype(float)), "Found dtype Double but expected"),
        (lambda g: draws.standard_gamma(g, -ONES), "expects alpha >= 0"),
        (lambda g: draws.multinomial(g, ONES, 0), "cannot sample n_sample <= 0 samples"),
        (lambda g: draws.multinomial(g, ONES, 4), "samples without replacement"),
        (lambda g: draws.multinomial(g, ONES * 0, 2), "sum of probabilities <= 0"),
        (lambda g: draws.multinomial(g, -ONES, 2), "contains either `inf`, `nan` or element < 0"),
        (lambda g: draws.multinomial(g, ONES * 0, 2, True), "sum of probabilities <= 0"),
        (lambda g: draws.multinomial(g, -ONES, 2, True), "encountering probability entry < 0"),
        (lambda g: draws.multinomial(g, ONES / 0, 2, True), "probability entry = infinity"),
        (lambda g: draws.multinomial(g, np.ones((3, 0)), 2, True), "sum of probabilities <= 0"),
        (lambda g: draws.multinomial(g, np.ones((1, 1, 1)), 1), "prob_dist must be 1 or 2 dim"),
        (lambda g: draws.multinomial(g, np.ones(3, int), 1), "got: Long"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_draws_refuse(action, message):
    generator = Generator()
    with pytest.raises(RuntimeError, match=message):
        action(generator)


def test_value_errors():
    with pytest.raises(ValueError, match="has to be between 0 and 1, but got 2"):
        draws.dropout_mask(Generator(), 3, 2)
    with pytest.raises(ValueError, match="binomial only supports floating-point dtypes"):
        draws.binomial(Generator(), np.ones(3, int), ONES)
