"""Contractions as kernels: which of a plan's steps run so, by what code, told what."""

import functools

from ...base import dtypes
from ...schedule import HostStep
from . import convolve, products
from .cuts import isa
from .jit import jit
from .kernels import contraction

SPEED = 16  # multiplications in about the time of one element of a loop nest
PLANNERS = {
    "dot": products.of_step,
    "conv": convolve.forward,
    "conv_grad_weight": convolve.weights,
}


def is_native(step):
    """Does this step run as a kernel?"""
    if not isinstance(step, HostStep) or step.source.prim.name not in PLANNERS:
        return False
    empty = any(0 in shape for shape, _ in step.operands) or 0 in step.value.shape
    number = step.value.dtype.category in (dtypes.INT, dtypes.FLOAT)
    return number and (step.source.prim.name == "dot" or not empty)


def of_step(step, place, behind):
    """The kernel's Works on a step, one after the other.

    Args:
        place: value -> (table entry, byte offset).
        behind: bytes -> such a place, for what only the step uses.
    """
    return PLANNERS[step.source.prim.name](step, place, behind)


@functools.cache
def code(dtype):
    """The address of a dtype's contractions; LLVM's passes have nothing to add to their text."""
    return jit().functions([contraction.module(dtype, isa())], optimize=False)[0]
