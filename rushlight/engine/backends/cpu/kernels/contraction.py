"""All contractions of a dtype as one object, so that no size or shape compiles anything more."""

from . import convolution, dots, narrow, pack, patches, product, text, tile
from .text import Function

KINDS = ("product", "forward", "weights")


def module(dtype, isa):
    """LLVM text of ``void NAME(ptr tab, ptr args, i64 task, ptr scratch)``, whose first argument
    says which of KINDS to run with the others."""
    tiles, table = tile.functions(dtype, isa)
    size = dtype.itemsize
    parts = [*tiles, pack.function(size, isa), dots.function(dtype, isa)]
    parts += [patches.function(size, isa), narrow.function(dtype, isa)]
    parts += [product.function(dtype), *convolution.functions(dtype), _choose()]
    return text.module(parts, [*table, *patches.GLOBALS, KERNELS])


KERNELS = f"@kernels = internal constant [{len(KINDS)} x ptr] [" + (
    ", ".join(f"ptr @{kind}" for kind in KINDS) + "]"
)


def _choose():
    f = Function("@NAME", text.KERNEL)
    code = f.word("@kernels", f.word("%args"), "ptr")
    values = ("%tab", f.at("%args", 8), "%task", "%scratch")
    typed = zip((p.split()[0] for p in text.KERNEL), values, strict=True)
    f.line(f"tail call void {code}({', '.join(f'{k} {v}' for k, v in typed)})")
    return f
