"""``torch.utils.dlpack``: memory exchanged with other libraries through DLPack capsules."""

from ..frontend.interchange import from_dlpack, to_dlpack_capsule

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor):
    """The DLPack capsule of a CPU tensor; whoever takes it shares the memory.

    >>> import rushlight as torch
    >>> torch.from_dlpack(torch.utils.dlpack.to_dlpack(torch.ones(2)))
    tensor([1., 1.])
    """
    return to_dlpack_capsule(tensor)
