"""What no record says: types of hand-written functions, methods and properties (make_stubs.py)."""

NUMBER = "_bool | _int | _float | complex"
SCHEMA = {  # schema types -> annotations
    "Tensor": "Tensor",
    "Tensor[]": "Sequence[Tensor]",
    "Tensor?[]": "Sequence[Tensor | None]",
    "Scalar": "_Number | Tensor",
    "int": "_int",
    "int[]": "_int | Sequence[_int]",
    "float": "_float | Tensor",
    "float[]": "Sequence[_float]",
    "bool": "_bool",
    "str": "str",
    "dtype": "_dtype | type",
    "Sizes": "_int | Sequence[_int | None] | None",
    "Padding": "str | _int | Sequence[_int]",
    "Device": "_device | str | _int",
    "Layout": "_layout",
    "MemoryFormat": "_memory_format | None",
    "Generator": "_Generator",
}
PARAMETERS = {  # parameters of hand-written functions that mean the same everywhere
    "device": "_device | str | _int | None",
    "dtype": "_dtype | type | None",
    "generator": "_Generator | None",
    "input": "Tensor",
    "keepdim": "_bool",
    "layout": "_layout | None",
    "memory_format": "_memory_format | None",
    "num_classes": "_int",
    "out": "Tensor | None",
    "pin_memory": "_bool",
    "requires_grad": "_bool",
    "training": "_bool",
}
_PAIR = "tuple[Tensor, Tensor]"
_MANY = "tuple[Tensor, ...]"


def _rows(**kinds):
    return {name: kind for kind, names in kinds.items() for name in names.split()}


# Functions and methods without a schema return a Tensor unless named here.
RETURNS = {
    **_rows(
        _bool="""allclose can_cast equal is_complex is_conj is_contiguous is_floating_point
        is_grad_enabled is_inference is_inference_mode_enabled is_neg is_pinned is_set_to is_signed
        is_tensor is_autocast_enabled __bool__ __contains__""",
        _int="""data_ptr dim element_size get_device get_num_threads initial_seed ndimension
        nelement numel seed storage_offset __hash__ __index__ __int__ __len__""",
        _float="__float__",
        complex="__complex__",
        str="typename __repr__",
        _dtype="get_default_dtype promote_types result_type",
        _device="get_default_device",
        _Size="broadcast_shapes",
        _Generator="manual_seed",
        None_="""backward retain_grad save set_default_device set_default_dtype
        set_num_threads set_printoptions set_rng_state __setitem__""",
        Any="""atleast_1d atleast_2d atleast_3d fractional_max_pool2d
        fractional_max_pool3d item load lu nonzero register_hook
        register_post_accumulate_grad_hook tolist type untyped_storage __dlpack__
        __dlpack_device__ __torch_function__""",
    ),
    **dict.fromkeys(
        ("broadcast_tensors", "chunk", "lu_unpack", "split", "native_batch_norm"), _MANY
    ),
    **dict.fromkeys(("native_layer_norm", "native_group_norm", "gru", "lstm"), _MANY),
    **dict.fromkeys(("std_mean", "var_mean", "rnn_relu", "rnn_tanh", "native_dropout"), _PAIR),
    "__iter__": "Iterator[Tensor]",
    "__reversed__": "Tensor",
    "multi_head_attention_forward": "tuple[Tensor, Tensor | None]",
    "numpy": "NDArray[Any]",
}
RETURNS = {name: kind.removesuffix("_") for name, kind in RETURNS.items()}
NAMED = {  # results with field names of functions without a schema
    "aminmax": ("min", "max"),
    "lstsq": ("solution", "residuals", "rank", "singular_values"),
    "qr": ("Q", "R"),
    "svd": ("U", "S", "V"),
}
PROPERTIES = {
    **_rows(
        Tensor="H T mH mT",
        _bool="""is_cpu is_cuda is_leaf is_meta is_mkldnn is_nested is_quantized is_sparse
        retains_grad""",
        _int="itemsize nbytes ndim output_nr _version",
        _dtype="dtype",
        _device="device",
        _layout="layout",
        _Size="shape",
        Any="grad_fn names",
    ),
    "_base": "Tensor | None",
}
WRITABLE = {"data": "Tensor", "grad": "Tensor | None", "requires_grad": "_bool"}
METHODS = {  # methods whose signature depends on the arguments, written out
    "__init__": ["def __init__(self, *args: Any, **kwargs: Any) -> None: ..."],
    "__getitem__": ["def __getitem__(self, index: Any) -> Tensor: ..."],
    "__eq__": ["def __eq__(self, other: Any) -> Tensor: ..."],
    "__ne__": ["def __ne__(self, other: Any) -> Tensor: ..."],
    "__array__": ["def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]: ..."],
    "size": [
        "def size(self, dim: None = None) -> _Size: ...",
        "def size(self, dim: _int) -> _int: ...",
    ],
    "stride": [
        "def stride(self, dim: None = None) -> tuple[_int, ...]: ...",
        "def stride(self, dim: _int) -> _int: ...",
    ],
}
BINARY = """add sub mul truediv floordiv mod pow matmul and or xor lshift rshift""".split()
COMPARISONS = "lt le gt ge".split()
UNARY = "neg pos abs invert".split()
