"""softmax, log_softmax and softmin, in the forms of torch, Tensor and torch.nn.functional."""

import warnings

from ..base.shapes import numel, wrap_dim
from ..ir import lang as L
from .numeric import need_floating, wide
from .record import operator


def log_softmax_values(x, d):
    """x minus the logarithm of the sum of its exponentials along d."""
    if numel(x.shape) == 0:
        return x
    shifted = x - L.max_(x, [d], keepdim=True)
    return shifted - L.log(L.sum_(L.exp(shifted), [d], keepdim=True))


def softmax_values(x, d):
    """Exponentials along d, divided by their sum (from 1 to the number of them, so that one
    division a row loses nothing)."""
    if numel(x.shape) == 0:
        return x
    e = L.exp(x - L.max_(x, [d], keepdim=True))
    return e * (1 / L.sum_(e, [d], keepdim=True))


def _run(function, x, dim, dtype, name):
    x = x if dtype is None else L.cast(x, dtype)
    need_floating(x, f"{name}_lastdim_kernel_impl")
    d = wrap_dim(dim, x.ndim)
    flat = x if x.ndim else L.reshape(x, (1,))
    return L.cast(L.reshape(function(wide(flat), d), x.shape), x.dtype)


def _softmax_gradient(grads, outputs, self, dim, **rest):
    g, y = _vectors(grads[0], outputs[0])
    product = g * y
    d = _known_dim(dim, self.ndim)
    return {"self": L.reshape(product - y * L.sum_(product, [d], keepdim=True), self.shape)}


def _log_softmax_gradient(grads, outputs, self, dim, **rest):
    g, y = _vectors(grads[0], outputs[0])
    d = _known_dim(dim, self.ndim)
    return {"self": L.reshape(g - L.exp(y) * L.sum_(g, [d], keepdim=True), self.shape)}


def _softmin_gradient(grads, outputs, self, dim, **rest):
    return {"self": -_softmax_gradient(grads, outputs, self, dim)["self"]}


def _vectors(*values):
    return [wide(v) if v.ndim else L.reshape(wide(v), (1,)) for v in values]


def _known_dim(dim, ndim):
    return implicit_dim(ndim) if dim is None else wrap_dim(dim, ndim)


def implicit_dim(ndim):
    """The dimension functions took before `dim` was required."""
    return 0 if ndim in (0, 1, 3) else 1


def _chosen(name, dim, ndim, stacklevel):
    if dim is None:
        warnings.warn(f"Implicit dimension choice for {name} has been deprecated. Change the call "
                      "to include dim=X as an argument.", stacklevel=stacklevel + 6)
    return _known_dim(dim, ndim)


def _declare(name, function, doc, gradient, node):
    def plain(self, dim, dtype):
        return _run(function, self, dim, dtype, name)

    def functional(self, dim, _stacklevel, dtype):
        return _run(function, self, _chosen(name, dim, self.ndim, _stacklevel), dtype, name)
    plain.__doc__ = functional.__doc__ = doc
    if name != "softmin":
        operator(f"{name}(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", vjp=gradient,
                 node=node, aliases=(f"special.{name}",))(plain)
    operator(f"{name}(Tensor self, int? dim=None, int _stacklevel=3, ScalarType? dtype=None) -> "
             "Tensor",
             variants="nn", vjp=gradient, node=node)(functional)


_declare("softmax", softmax_values,
         "Exponentials divided by their sum along `dim`; computed in `dtype` where given.",
         _softmax_gradient, "SoftmaxBackward0")
_declare("log_softmax", log_softmax_values, "Logarithm of softmax, computed without overflow.",
         _log_softmax_gradient, "LogSoftmaxBackward0")
_declare("softmin", lambda x, d: softmax_values(-x, d), "softmax of ``-x``.", _softmin_gradient,
         "SoftmaxBackward0")
