"""``torch.storage``: untyped and typed storages."""

from .frontend.serialization_rebuild import TypedStorage, _load_from_bytes  # noqa: F401
from .frontend.storage_api import UntypedStorage  # noqa: F401
