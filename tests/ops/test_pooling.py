"""What pooling does at its borders."""

import rushlight as torch
from rushlight.nn import functional as F


def test_padding_is_never_picked():
    """Where all inside is as low as padding, PyTorch's index is the first inside."""
    found, index = F.max_pool2d(
        torch.full((1, 1, 4, 4), -float("inf")), 3, 2, 1, return_indices=True
    )
    assert found.tolist() == [[[[-float("inf")] * 2] * 2]]
    assert index.tolist() == [[[[0, 1], [4, 5]]]]
    lowest = torch.full((1, 1, 4, 4), -128, dtype=torch.int8)
    assert F.max_pool2d(lowest, 3, 2, 1, return_indices=True)[1].tolist() == index.tolist()


def test_a_window_outside_altogether_reads_nothing():
    """PyTorch's index is then behind the plane; here it stays inside, as the gradient must."""
    x = torch.ones(1, 1, 2, requires_grad=True)
    found = F.max_pool1d(x, 2, 1, 1, 3)
    found.sum().backward()
    assert found.tolist() == [[[-float("inf")]]]
