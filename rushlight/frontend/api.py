"""Everything ``torch.*`` offers as functions and constants, in one place.

Loading it installs the operators on Tensor.
"""

import types
from math import e, inf, nan, pi

from ..engine.base import promote
from ..engine.base.device import device
from ..engine.base.dtypes import (
    bfloat16,
    can_cast,
    complex32,
    complex64,
    complex128,
    dtype,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    uint8,
)
from ..engine.base.dtypes import bool_ as bool  # noqa: A004
from ..engine.base.promote import get_default_dtype, set_default_dtype
from ..engine.base.shapes import Size
from ..engine.ops import T
from ..engine.record import flush as flush_segment
from ..engine.runtime.threads import get_num_threads, set_num_threads
from . import construct as _construct
from . import methods as _methods  # noqa: F401
from . import operators, overrides
from . import protocols as _protocols
from . import tensor as _tensor
from . import view_methods as _view_methods
from .creation import (
    arange,
    empty,
    empty_like,
    empty_strided,
    eye,
    from_data,  # noqa: F401
    full,
    full_like,
    get_default_device,
    linspace,
    logspace,
    ones,
    ones_like,
    scalar_tensor,
    set_default_device,
    tensor,
    zeros,
    zeros_like,
)
from .factories import (
    bartlett_window,
    blackman_window,
    empty_permuted,
    hamming_window,
    hann_window,
    kaiser_window,
    tril_indices,
    triu_indices,
)
from .factories import range_ as range  # noqa: A004
from .formats import (
    LAYOUTS,
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    sparse_bsc,
    sparse_bsr,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)
from .hooks import RemovableHandle
from .info import finfo, iinfo
from .inplace import overwrite
from .install import functions, install, public
from .interchange import as_tensor, asarray, from_dlpack, from_numpy, frombuffer, positions_of
from .legacy_types import TYPES as _LEGACY_TYPES
from .legacy_types import set_default_tensor_type
from .modes import (
    enable_grad,
    inference_mode,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .printing import set_printoptions, tensor_str
from .random import (
    Generator,
    _sample_dirichlet,
    _standard_gamma,
    bernoulli,
    binomial,
    default_generator,
    dropout_mask,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    rrelu_noise,
    seed,
    set_rng_state,
)
from .results import return_type, return_types
from .serialization import load, save
from .serialization_rebuild import TypedStorage, reduce_tensor
from .storage_api import UntypedStorage
from .tensor import Tensor

half, float, double = float16, float32, float64  # noqa: A001
short, int, long = int16, int32, int64  # noqa: A001
chalf, cfloat, cdouble = complex32, complex64, complex128
newaxis = None


def is_tensor(obj):
    """Is `obj` a Tensor?"""
    return isinstance(obj, Tensor)


def numel(input):
    """Number of elements."""
    return input.numel()


def is_floating_point(input):
    """Is the dtype a floating one?"""
    return input.is_floating_point()


def is_complex(input):
    """Is the dtype complex?"""
    return input.is_complex()


def result_type(tensor1, tensor2):
    """The dtype an operator on these two (tensors or numbers) would give."""
    return promote.result_type(
        [
            (t.dtype, t.ndim) if isinstance(t, Tensor) else promote.NUMBER_KINDS[type(t)]
            for t in (tensor1, tensor2)
        ]
    )


def index_put(input, indices, values, accumulate=False):
    """`input` with `values` written (or added) at positions."""
    return input.index_put(indices, values, accumulate)


def index_put_(input, indices, values, accumulate=False):
    """`index_put` in place."""
    return input.index_put_(indices, values, accumulate)


def zero_(input):
    """Every element becomes 0, in place."""
    return input.zero_()


def fill_(input, value):
    """Every element becomes `value`, in place."""
    return input.fill_(value)


def is_autocast_enabled(device_type=None):
    """False: automatic mixed precision is not built yet."""
    return False


def typename(obj):
    """The name of an object's type; a tensor's is like ``torch.FloatTensor``."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = type(obj)
    home = "" if kind.__module__ in ("builtins", "__builtin__") else kind.__module__ + "."
    return home + kind.__qualname__


def clone(input, *, memory_format=preserve_format):
    """A copy with history."""
    return input.clone(memory_format=memory_format)


def detach(input):
    """The same memory without history."""
    return input.detach()


def resolve_conj(input):
    """The tensor itself: conjugates are computed at once here."""
    return input.resolve_conj()


def resolve_neg(input):
    """The tensor itself: negatives are computed at once here."""
    return input.resolve_neg()


def is_conj(input):
    """False: conjugates are computed at once."""
    return input.is_conj()


def is_neg(input):
    """False: negatives are computed at once."""
    return input.is_neg()


def as_strided(input, size, stride, storage_offset=None):
    """A view of the storage with any geometry."""
    return input.as_strided(size, stride, storage_offset)


def split(tensor, split_size_or_sections, dim=0):
    """Pieces of one size, or of a list of sizes, along a dimension."""
    return tensor.split(split_size_or_sections, dim)


def is_nonzero(input):
    """Is the only element of `input` not zero?"""
    if input.numel() != 1:
        kind = "no values" if not input.numel() else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {kind} is ambiguous")
    return input.item() != 0


install()
globals().update(_LEGACY_TYPES)
globals().update(public["function"])
_where = public["function"]["where"]


def where(condition, *choices, **named):
    """Elements of `input` where the condition holds, of `other` elsewhere; the condition alone:
    the positions where it holds, one vector per dimension."""
    if not choices and not named:
        return condition.nonzero(as_tuple=True)
    return _where(condition, *choices, **named)


for _name, _function in (("slice_view", functions["slice"]), ("index_values", functions["index"])):
    setattr(Tensor, _name, _function)


for _name in (
    "arange as_strided as_tensor asarray bernoulli binomial clone detach empty empty_like "
    "empty_permuted empty_strided eye full full_like is_complex is_floating_point is_nonzero "
    "linspace logspace multinomial normal numel ones ones_like poisson rand rand_like randint "
    "randint_like randn randn_like randperm result_type scalar_tensor split tensor where zeros "
    "zeros_like"
).split():
    globals()[_name] = overrides.overridable(globals()[_name])


def _repr(self, *, tensor_contents=None):
    return tensor_str(self, tensor_contents=tensor_contents)


def _part(name):
    function = functions[name]

    def write(self, value):
        function(self).copy_(value)

    return property(function, write, doc=function.__doc__)


_special: tuple = (
    ("real", _part("real")),
    ("imag", _part("imag")),
    ("__new__", staticmethod(_construct.construct)),
    ("__torch_function__", classmethod(overrides.default_torch_function)),
    ("__repr__", _repr),
    ("__reduce_ex__", lambda self, protocol: reduce_tensor(self)),
)
for _name, _member in _special:
    setattr(Tensor, _name, _member)
_tensor.LAYOUTS.update(LAYOUTS)
operators.install_operators(Tensor, public["function"])
_methods.check_fill()


class _Everything:
    """What composite bodies see as `T`: internal operators, then the flat namespace."""

    nn = types.SimpleNamespace(**public["nn"])  # torch.nn.functional's own

    def __getattr__(self, name):
        return functions[name] if name in functions else globals()[name]


T.bind(_Everything())
__all__ = [
    n
    for n in globals()
    if not n.startswith("_")
    and n
    not in (
        "install",
        "public",
        "functions",
        "T",
        "promote",
        "overrides",
        "operators",
        "reduce_tensor",
        "tensor_str",
        "dropout_mask",
        "overwrite",
        "rrelu_noise",
        "positions_of",
        "return_type",
    )
]
