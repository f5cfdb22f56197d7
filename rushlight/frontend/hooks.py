"""Handles that remove hooks."""

import itertools
import weakref

_ids = itertools.count()


class RemovableHandle:
    """Returned by every ``register_*hook``; `remove()` takes the hook out again.

    >>> import rushlight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with x.register_hook(lambda g: g * 2):
    ...     x.sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    next_id = 0

    def __init__(self, hooks_dict, *, extra_dict=None):
        self.hooks_dict_ref = _Ref(hooks_dict)
        self.id = next(_ids)
        self.extra_dict_ref = tuple(_Ref(d) for d in _listed(extra_dict))

    @classmethod
    def put(cls, table, hook):
        """Add a hook to a table; returns its handle."""
        handle = cls(table)
        table[handle.id] = hook
        return handle

    def remove(self):
        """Take the hook out; a second call does nothing."""
        for ref in (self.hooks_dict_ref, *self.extra_dict_ref):
            table = ref()
            if table is not None:
                table.pop(self.id, None)

    def __getstate__(self):
        return (self.hooks_dict_ref(), self.id)

    def __setstate__(self, pickled):
        table, self.id = pickled
        self.hooks_dict_ref = _Ref({} if table is None else table)
        self.extra_dict_ref = ()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def _listed(extra):
    if extra is None:
        return []
    return extra if isinstance(extra, list) else [extra]


class _Ref:
    """A weak reference where the table allows one (OrderedDict), else a strong one (dict)."""

    def __init__(self, table):
        try:
            self.get = weakref.ref(table)
        except TypeError:
            self.get = lambda: table

    def __call__(self):
        return self.get()
