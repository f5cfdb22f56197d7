"""``torch.FloatTensor`` and its sisters: constructors and isinstance checks of old programs."""

from ..engine.base import dtypes
from ..engine.base.promote import set_default_dtype
from .creation import as_size, empty, tensor
from .tensor import Tensor


class _TypedTensor(type):
    """Metaclass: calling makes a tensor of the dtype, isinstance asks for it."""

    dtype: dtypes.dtype
    is_cuda = False

    def __call__(cls, *args, device=None):
        """Uninitialised of a size, or from data."""
        if len(args) == 1 and not isinstance(args[0], int):
            if isinstance(args[0], Tensor):
                return args[0].to(cls.dtype).view(args[0].shape)
            return tensor(args[0], dtype=cls.dtype, device=device)
        return empty(as_size(args) if args else (0,), dtype=cls.dtype, device=device)

    def __instancecheck__(cls, obj):
        return isinstance(obj, Tensor) and obj.dtype is cls.dtype and obj.device.type == "cpu"


def _typed(d):
    name = d.type_name + "Tensor"
    about = f"Tensors of {d}; prefer ``torch.tensor(..., dtype={d})``."
    return _TypedTensor(name, (), {"dtype": d, "__module__": "rushlight", "__doc__": about})


TYPES = {d.type_name + "Tensor": _typed(d) for d in dtypes.ALL if not d.is_complex}


def __getattr__(name: str) -> type:
    if name in TYPES:
        return TYPES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def set_default_tensor_type(t):
    """Deprecated: the default dtype, by a typed tensor class or its name."""
    if isinstance(t, str):
        t = TYPES.get(t.rpartition(".")[2], t)
    if not isinstance(t, _TypedTensor):
        raise TypeError(
            "invalid type object: only floating-point types are supported as the default type"
        )
    set_default_dtype(t.dtype)
