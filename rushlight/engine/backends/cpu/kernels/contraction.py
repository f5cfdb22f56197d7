"""All contractions of a dtype as one object, so that no size or shape compiles anything more."""

from ....base import dtypes
from . import convolution, dots, narrow, pack, patches, product, text, tile, winograd
from .text import Function

KINDS = ("product", "forward", "weights", "winograd", "turn_weights")


def module(dtype, isa):
    """LLVM text of ``void NAME(ptr tab, ptr args, i64 task, ptr scratch)``, whose first argument
    says which of KINDS to run with the others."""
    tiles, table = tile.functions(dtype, isa)
    size = dtype.itemsize
    parts = [*tiles, pack.function(size, isa), dots.function(dtype, isa)]
    parts += [*patches.functions(size, isa), narrow.function(dtype, isa)]
    parts += [product.function(dtype), *convolution.functions(dtype, isa), _choose()]
    kinds = KINDS[:3]
    if dtype in (dtypes.float32, dtypes.float64):
        parts, kinds = parts + winograd.functions(dtype, isa), KINDS
    listed = ", ".join(f"ptr @{kind}" for kind in kinds)
    kernels = f"@kernels = internal constant [{len(kinds)} x ptr] [{listed}]"
    return text.module(parts, [*table, *patches.GLOBALS, kernels])


def _choose():
    f = Function("@NAME", text.KERNEL)
    code = f.word("@kernels", f.word("%args"), "ptr")
    values = ("%tab", f.at("%args", 8), "%task", "%scratch")
    typed = zip((p.split()[0] for p in text.KERNEL), values, strict=True)
    f.line(f"tail call void {code}({', '.join(f'{k} {v}' for k, v in typed)})")
    return f
