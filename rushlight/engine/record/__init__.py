"""The recorder: a tape of operator events, inference cached per metadata, plans, and the flush.

Read in order: `call.py` (one operator applied to metadata), `segment.py` (the tape), `plan.py`
(tape -> graph -> program), `alone.py` (programs that read every result).
"""

from .call import Call, call_of, common_dtype  # noqa: F401
from .segment import flush, record_call, record_write, state  # noqa: F401
