"""Devices: cpu, meta (shapes only) and a test-only opaque device."""

TYPES = ("cpu", "meta", "opaque")
KNOWN_ELSEWHERE = ("cuda", "mps", "xpu", "xla", "hpu", "mtia", "ipu", "vulkan")


class device:  # noqa: N801  (PyTorch's public name)
    """Where a tensor lives: ``device('cpu')``, ``device('cpu', 0)``, ``device('meta')``.

    >>> import rushlight as torch
    >>> torch.device("cpu:0").index
    0
    """

    __slots__ = ("type", "index")
    type: str
    index: int | None
    _cache: dict = {}

    def __new__(cls, type="cpu", index=None):  # noqa: A002
        if isinstance(type, device):
            return type
        if isinstance(type, int):
            raise RuntimeError(
                f"Invalid device index {type}: rushlight has no accelerator here; "
                "hint: use device('cpu')"
            )
        name, _, suffix = str(type).partition(":")
        if suffix:
            if index is not None:
                raise RuntimeError(f"type (string) must not include an index: {type}")
            if not suffix.isdigit():
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(suffix)
        if name not in TYPES:
            if name in KNOWN_ELSEWHERE:
                raise RuntimeError(
                    f"device '{name}' is not available in rushlight: this build "
                    "runs on 'cpu' (hint: torch.device('cpu'))"
                )
            raise RuntimeError(
                f"Expected one of cpu, cuda, meta device type at start of device string: {name}"
            )
        key = (name, index)
        found = cls._cache.get(key)
        if found is None:
            found = object.__new__(cls)
            found.type, found.index = key
            cls._cache[key] = found
        return found

    def __repr__(self):
        at = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{at})"

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self):
        return device, (self.type, self.index)

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return hash((self.type, self.index))


device.__module__ = "rushlight"
cpu = device("cpu")
meta = device("meta")
