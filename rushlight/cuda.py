"""``torch.cuda`` of a build without CUDA: programs that ask learn that there is none."""

__all__ = [
    "current_device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "synchronize",
]


def is_available():
    """False: rushlight runs on the CPU."""
    return False


def device_count():
    """0."""
    return 0


def is_initialized():
    """False."""
    return False


def empty_cache():
    """Nothing is cached on a device, so there is nothing to free."""


def manual_seed(seed):
    """No device has a generator; the CPU's is seeded by ``torch.manual_seed``."""
    int(seed)


manual_seed_all = manual_seed


def _refuse(name):
    def call(*args, **kwargs):
        raise AssertionError(
            f"Torch not compiled with CUDA enabled (torch.cuda.{name}; hint: guard it with "
            "torch.cuda.is_available())"
        )

    call.__name__ = name
    call.__doc__ = "Raises AssertionError: there is no CUDA here."
    return call


current_device = _refuse("current_device")
get_device_name = _refuse("get_device_name")
synchronize = _refuse("synchronize")
