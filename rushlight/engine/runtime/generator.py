"""The random number generator: MT19937 words, PyTorch's seeds and PyTorch's state layout.

The words come from NumPy's MT19937, which is the engine PyTorch's CPU generator uses, so a bulk
draw costs about 3 ns a word. `draws.py` turns words into distributions; read it next.
Imports: NumPy and the standard library only.
"""

import functools
import secrets
import threading

import numpy as np

DEFAULT_SEED = 67280421310721
_WORDS = 624  # words in the state of MT19937; a refill produces this many
_LOW53 = np.uint64((1 << 53) - 1)

# PyTorch's CPUGeneratorImplState, 5056 bytes. `left` is 625 - next once words have been drawn, and
# 1 with next = 0 after seeding. normal_x, normal_rho are always written as zero.
_STATE = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("key", "<u8", _WORDS),
        ("normal_x", "<f8"),
        ("normal_y", "<f8"),
        ("normal_rho", "<f8"),
        ("normal_is_valid", "<i4"),
        ("pad", "<i4"),
        ("next_float_normal", "<f4"),
        ("next_float_normal_is_valid", "?"),
        ("tail", "V3"),
    ]
)
assert _STATE.itemsize == 5056


def whole(draw):
    """A function of a generator that no other thread's draw comes in between of."""

    @functools.wraps(draw)
    def run(generator, *args, **kwargs):
        with generator.lock:
            return draw(generator, *args, **kwargs)

    return run


class Generator:
    """A stream of random numbers that equals PyTorch's CPU generator, word for word.

    Args:
        device: "cpu" or an object that prints so; the draws are made on the host.

    Attributes:
        lock: held while a draw takes its words; a draw is whole, whatever threads draw at once.
        next_normal: float or None. Box-Muller yields normals in pairs; the second of a pair waits
            here for the next one-by-one draw and belongs to the state.

    Raises: RuntimeError for a device other than the CPU.

    >>> from rushlight.engine.runtime.generator import Generator
    >>> generator = Generator().manual_seed(0)
    >>> generator.random32(2)
    array([2357136044, 2546248239], dtype=uint32)
    """

    def __init__(self, device="cpu"):
        if str(device).split(":")[0] != "cpu":
            raise RuntimeError(
                f"Generator: expected a device of type cpu, got '{device}'; "
                "random numbers are drawn on the CPU. hint: Generator(device='cpu')"
            )
        self.lock = threading.RLock()
        self._engine = np.random.MT19937(0)
        self._seeder = np.random.RandomState(self._engine)
        self._next_float_normal = None
        self._restart(DEFAULT_SEED)

    @property
    def device(self):
        """The device the generator belongs to, always ``"cpu"``."""
        return "cpu"

    @whole
    def _restart(self, seed):
        self._seed = seed
        self._seeder.seed(seed & 0xFFFFFFFF)
        self._unused = True  # seeded and not drawn from: PyTorch writes next = 0 then, not 624
        self.next_normal = None
        self._next_float_normal = None

    # Seeds

    def manual_seed(self, seed):
        """Restart the stream from `seed` and return the generator.

        Args:
            seed: int in [-2**63, 2**64); a negative one counts as seed + 2**64. The stream depends
                on its low 32 bits.

        Raises: RuntimeError if `seed` is no int, ValueError if it is out of range.
        """
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(
                "Overflow when unpacking long long: manual_seed expected an int in "
                f"[-2**63, 2**64), got {seed}"
            )
        self._restart(int(seed) % 2**64)
        return self

    def seed(self):
        """Restart from a seed taken from the operating system, and return that seed."""
        self._restart(secrets.randbits(64))
        return self._seed

    def initial_seed(self):
        """The seed the stream was last started from, as an int in [0, 2**64)."""
        return self._seed

    # State

    @whole
    def get_state(self):
        """The state as uint8[5056], in the layout of ``torch.get_rng_state()``."""
        engine = self._engine.state["state"]
        record = np.zeros((), _STATE)
        record["seed"], record["seeded"] = self._seed, 1
        record["next"] = 0 if self._unused else engine["pos"]
        record["left"] = 1 if self._unused else _WORDS + 1 - engine["pos"]
        record["key"] = engine["key"]
        if self.next_normal is not None:
            record["normal_is_valid"], record["normal_y"] = 1, self.next_normal
        if self._next_float_normal is not None:
            record["next_float_normal_is_valid"] = True
            record["next_float_normal"] = self._next_float_normal
        return np.frombuffer(record.tobytes(), np.uint8).copy()

    @whole
    def set_state(self, state):
        """Continue from a state that `get_state` (or PyTorch) returned.

        Args:
            state: uint8[5056].

        Raises: TypeError if `state` is no uint8 array; RuntimeError if its size or content is not
            that of a state.
        """
        if not isinstance(state, np.ndarray):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(state).__name__}")
        if state.dtype != np.uint8:
            raise TypeError(f"RNG state must be a torch.ByteTensor, got {state.dtype}")
        if state.size != _STATE.itemsize:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {_STATE.itemsize} but found the input "
                f"RNG state size to be {state.size}"
            )
        record = np.frombuffer(state.tobytes(), _STATE)[0]
        left, position = int(record["left"]), int(record["next"])
        unused = left == 1 and position == 0
        if not record["seeded"] or not (unused or (1 <= left == _WORDS + 1 - position)):
            raise RuntimeError(
                f"Invalid mt19937 state: seeded = {record['seeded']}, left = {left}, "
                f"next = {position}; expected left = {_WORDS + 1} - next, or 1 and 0"
            )
        self._set_engine(record["key"].astype(np.uint32), _WORDS if unused else position)
        self._seed, self._unused = int(record["seed"]), unused
        self.next_normal = float(record["normal_y"]) if record["normal_is_valid"] else None
        valid = record["next_float_normal_is_valid"]
        self._next_float_normal = float(record["next_float_normal"]) if valid else None
        return self

    def _set_engine(self, key, position):
        state = {"key": key, "pos": position}
        self._engine.state = {"bit_generator": "MT19937", "state": state}

    def clone_state(self):
        """A new generator that continues from this one's state on its own."""
        twin = type(self)()
        twin.__setstate__(self.__getstate__())
        return twin

    def get_offset(self):
        """Not available: MT19937 has no counter to report."""
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset):
        """Not available: MT19937 has no counter to set."""
        raise RuntimeError("CPU Generator does not use offset")

    def graphsafe_get_state(self):
        """Not available: for generators of devices that capture graphs."""
        raise NotImplementedError("graphsafe_get_state is not supported in this Generator")

    def graphsafe_set_state(self, state):
        """Not available: for generators of devices that capture graphs."""
        raise NotImplementedError("graphsafe_set_state is not supported in this Generator")

    def __getstate__(self):
        return Generator.get_state(self)

    def __setstate__(self, state):
        Generator.set_state(self, state)

    def __reduce__(self):
        return type(self), (), self.__getstate__()

    # Words

    def random32(self, count):
        """The next `count` words, uint32[count]."""
        if count:
            self._unused = False
        return self._engine.random_raw(count).astype(np.uint32)

    def random64(self, count):
        """The next `count` pairs of words, the first the high half, uint64[count]."""
        if count:
            self._unused = False
        words = self._engine.random_raw(2 * count)
        high = words[::2] << np.uint64(32)
        high |= words[1::2]
        return high

    def random53(self, count):
        """The low 53 bits of the next `count` pairs of words, uint64[count]."""
        words = self.random64(count)
        words &= _LOW53
        return words

    def uniform64(self, count):
        """`count` numbers in [0, 1), float64, from two words each."""
        return self.random53(count) * 2.0**-53

    def mark(self):
        """The position in the stream, for `rewind`."""
        return self._engine.state, self._unused

    def rewind(self, mark, words):
        """Go back to `mark` and from there `words` words forward."""
        self._engine.state, self._unused = mark
        if words:
            self._unused = False
            self._engine.random_raw(words, output=False)


# As in PyTorch, a program that sets no seed draws other numbers in every run.
default_generator = Generator()
default_generator.seed()
