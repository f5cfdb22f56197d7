"""NumPy views of flat memory."""

import numpy as np


def strided(flat, offset, shape, strides):
    """A view of contiguous memory; offset and strides count elements, strides may be negative.

    >>> import numpy as np
    >>> strided(np.arange(6), 1, (2, 2), (2, 1)).tolist()
    [[1, 2], [3, 4]]
    """
    if 0 in shape:
        return np.empty(shape, flat.dtype)
    size = flat.itemsize
    # Over its bytes: NumPy has no buffer of ml_dtypes' types, and its as_strided no complex32.
    return np.ndarray(
        shape, flat.dtype, flat.view(np.uint8), offset * size, [s * size for s in strides]
    )
