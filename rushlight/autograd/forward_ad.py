"""``torch.autograd.forward_ad``: forward mode is not built yet; every name says so."""

_NAMES = ("dual_level", "make_dual", "unpack_dual", "enter_dual_level", "exit_dual_level")


def __getattr__(name):
    if name in _NAMES:
        raise NotImplementedError(
            "forward-mode differentiation is not built yet in rushlight; hint: "
            "use torch.autograd.grad"
        )
    raise AttributeError(f"module 'rushlight.autograd.forward_ad' has no attribute '{name}'")
