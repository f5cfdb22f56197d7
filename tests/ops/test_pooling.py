"""What pooling does at its borders."""

import re

import pytest

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


def test_bins_without_a_number_give_their_first_place():
    low = torch.full((1, 1, 5), -float("inf"))
    found, index = F.adaptive_max_pool1d(low, 3, return_indices=True)
    assert found.tolist() == [[[-float("inf")] * 3]]
    assert index.tolist() == [[[0, 1, 3]]]
    low = torch.full((1, 1, 3, 5), -float("inf"))
    index = F.adaptive_max_pool2d(low, 2, return_indices=True)[1]
    assert index.tolist() == [[[[0, 2], [5, 7]]]]


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_average_in_3d_refuses_kernels_larger_than_the_input(ceil_mode):
    message = re.escape("input image (T: 4 H: 2 W: 4) smaller than kernel size (kT: 3 kH: 3 kW: 3)")
    with pytest.raises(RuntimeError, match=message):
        F.avg_pool3d(torch.ones(1, 1, 4, 2, 4), 3, 1, 1, ceil_mode)
    assert F.avg_pool2d(torch.ones(1, 1, 2, 4), 3, 1, 1, ceil_mode).shape == (1, 1, 2, 4)


@pytest.mark.parametrize("channels, strides", [(1, (9, 1, 3, 1)), (2, (18, 1, 6, 2))])
@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_channels_last_is_kept_also_of_one_channel(pool, channels, strides):
    x = torch.empty(2, channels, 6, 6, memory_format=torch.channels_last).fill_(1)
    assert pool(x, 2).stride() == strides
    row_major = torch.ones(2, channels, 6, 6)
    assert pool(row_major, 2).stride() == (9 * channels, 9, 3, 1)


def test_averages_in_3d_are_row_major():
    x = torch.ones(2, 2, 4, 4, 4).contiguous(memory_format=torch.channels_last_3d)
    assert F.avg_pool3d(x, 2).stride() == (16, 8, 4, 2, 1)
    assert F.adaptive_max_pool3d(x, 2).stride() == (16, 8, 4, 2, 1)
    assert F.max_pool3d(x, 2).stride() == (16, 1, 8, 4, 2)
