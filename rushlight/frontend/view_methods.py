"""In-place forms of views (``transpose_``, ``squeeze_``, ...): the tensor changes its geometry."""

from ..engine.record import state
from .inplace import check_inplace
from .methods import method
from .views import set_history

NAMES = ("transpose", "t", "squeeze", "unsqueeze", "swapaxes", "swapdims", "as_strided")


def _inplace_view(name):
    def change(self, *args, **kwargs):
        recording = state.grad and self.requires_grad
        check_inplace(self, recording)
        seen = getattr(self, name)(*args, **kwargs)
        self._meta = seen._meta.marked() if self._meta.plain is not self._meta else seen._meta
        self._off = seen._off
        self._vc.version += 1
        if recording:
            set_history(self, seen._fn, seen._nr)
        return self

    change.__name__ = name + "_"
    change.__doc__ = f"`{name}` of this tensor, in place: the same memory, another geometry."
    method(change)


for _name in NAMES:
    _inplace_view(_name)
