"""Checks and small helpers the linear algebra families share."""

from ..base import dtypes
from .record import composite, operator


def short_name(name):
    """PyTorch's spelling in messages: linalg.svd for linalg_svd."""
    return name.replace("linalg_", "linalg.", 1)


def linalg(schema, *, aliases=(), out=True, **fields):
    """Decorator: an operator of torch.linalg; its own name is PyTorch's internal ``linalg_x``."""
    name = schema[: schema.index("(")].split(".")[0]
    variants = "internal,out" if out else "internal"
    return operator(schema, variants=variants, aliases=(short_name(name), *aliases), **fields)


def linalg_composite(variants="internal,out", *, aliases=()):
    """Decorator: a composite of torch.linalg, its body named ``linalg_x``."""

    def wrap(body):
        return composite(
            variants, name=body.__name__, aliases=(short_name(body.__name__), *aliases)
        )(body)

    return wrap


def need_floating(x, name, what="a floating point or complex tensor as input"):
    """Refuse integers and half types."""
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError(f"{name}: Expected {what}. Got {x.dtype.type_name}")


def need_full_precision(x, name):
    """LAPACK's types only."""
    need_floating(x, name)
    if x.dtype in dtypes.OPMATH:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {x.dtype.type_name}")


def need_matrix(x, name, argument="A"):
    if x.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor {argument} must have at least 2 dimensions."
        )


def need_square(x, name, argument="A"):
    need_matrix(x, name, argument)
    if x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{name}: {argument} must be batches of square matrices, but they are "
            f"{x.shape[-2]} by {x.shape[-1]} matrices"
        )


def checked(x, name, square=False):
    """x as a matrix LAPACK takes, or PyTorch's error."""
    (need_square if square else need_matrix)(x, name)
    need_full_precision(x, name)
    return x
