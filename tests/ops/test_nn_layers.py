"""Convolution, pooling, normalization, padding, resizing, embeddings: shapes, edges and errors."""

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F


def plain_conv2d(x, w, stride, padding, dilation):
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    k = w.shape[2]
    reach = dilation * (k - 1) + 1
    out = (x.shape[2] - reach) // stride + 1
    result = np.zeros((x.shape[0], w.shape[0], out, out))
    for i in range(out):
        for j in range(out):
            top, left = i * stride, j * stride
            patch = x[:, :, top : top + reach : dilation, left : left + reach : dilation]
            result[:, :, i, j] = np.einsum("ncij,ocij->no", patch, w)
    return result


@pytest.mark.parametrize("stride, padding, dilation", [(1, 0, 1), (2, 1, 1), (1, 2, 2), (3, 1, 1)])
def test_conv2d_against_loops(stride, padding, dilation):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 8, 8)), rng.normal(size=(4, 3, 3, 3))
    got = F.conv2d(torch.tensor(x), torch.tensor(w), None, stride, padding, dilation)
    np.testing.assert_allclose(
        got.numpy(), plain_conv2d(x, w, stride, padding, dilation), atol=1e-12
    )


def test_conv_forms():
    x, w = torch.ones(3, 5, 5), torch.ones(2, 3, 2, 2)
    assert F.conv2d(x, w, padding="same").shape == (2, 5, 5)
    assert F.conv2d(x, w, padding="valid").shape == (2, 4, 4)
    assert F.conv2d(x, torch.ones(3, 1, 2, 2), groups=3)[0, 0, 0].item() == 4
    assert F.conv_transpose2d(x, torch.ones(3, 2, 3, 3), stride=2, output_padding=1).shape == (
        2,
        12,
        12,
    )
    last = torch.ones(1, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    assert F.conv2d(last, w).is_contiguous(memory_format=torch.channels_last)


def test_conv_errors():
    x = torch.ones(1, 3, 5, 5)
    with pytest.raises(
        RuntimeError, match=r"expected input\[1, 3, 5, 5\] to have 4 channels, but got 3"
    ):
        F.conv2d(x, torch.ones(2, 4, 3, 3))
    with pytest.raises(RuntimeError, match="Kernel size can't be greater than actual input size"):
        F.conv2d(x, torch.ones(2, 3, 7, 7))
    with pytest.raises(RuntimeError, match=r"Expected 3D \(unbatched\) or 4D \(batched\) input"):
        F.conv2d(torch.ones(5, 5), torch.ones(2, 3, 3, 3))
    with pytest.raises(RuntimeError, match="should be the same"):
        F.conv2d(x, torch.ones(2, 3, 3, 3, dtype=torch.float64))
    with pytest.raises(RuntimeError, match="padding='same' is not supported for strided"):
        F.conv2d(x, torch.ones(2, 3, 3, 3), stride=2, padding="same")


def test_transposed_conv_is_the_gradient_of_conv():
    x = torch.randn(2, 3, 7, 7, requires_grad=True)
    w = torch.randn(4, 3, 3, 3)
    y = F.conv2d(x, w, stride=2, padding=1)
    g = torch.randn(y.shape)
    y.backward(g)
    np.testing.assert_allclose(
        F.conv_transpose2d(g, w, stride=2, padding=1).numpy(), x.grad.numpy(), atol=1e-4
    )


def test_max_pool_takes_the_first_maximum_and_the_nan():
    x = torch.tensor([[[1.0, 3.0, 3.0, 2.0]]], requires_grad=True)
    values, index = F.max_pool1d(x, 4, return_indices=True)
    values.sum().backward()
    assert index.item() == 1 and x.grad.tolist() == [[[0.0, 1.0, 0.0, 0.0]]]
    assert F.max_pool1d(torch.tensor([[[1.0, float("nan"), 3.0]]]), 3).isnan().item()
    assert F.max_pool1d(torch.arange(5.0)[None, None], 2, ceil_mode=True).tolist() == [[[1, 3, 4]]]
    back = F.max_unpool1d(*F.max_pool1d(torch.arange(4.0)[None, None], 2, return_indices=True), 2)
    assert back.tolist() == [[[0.0, 1.0, 0.0, 3.0]]]


def test_average_pools():
    x = torch.arange(5.0)[None, None]
    assert F.avg_pool1d(x, 3, 2, 1).tolist() == [
        [[pytest.approx(1 / 3), 2.0, pytest.approx(7 / 3)]]
    ]
    assert F.avg_pool1d(x, 3, 2, 1, count_include_pad=False).tolist() == [[[0.5, 2.0, 3.5]]]
    assert F.adaptive_avg_pool1d(x, 2).tolist() == [[[1.0, 3.0]]]
    assert F.adaptive_max_pool2d(
        torch.arange(9.0).reshape(1, 3, 3), (None, 1)
    ).flatten().tolist() == [2.0, 5.0, 8.0]
    with pytest.raises(RuntimeError, match="pad should be at most half of effective kernel size"):
        F.avg_pool1d(x, 2, padding=2)


def test_batch_norm_moves_its_statistics():
    x = torch.tensor([[1.0], [3.0]])
    mean, var = torch.zeros(1), torch.ones(1)
    version = mean._version
    out = F.batch_norm(x, mean, var, training=True, momentum=0.5)
    np.testing.assert_allclose(out.numpy(), [[-1], [1]], atol=1e-4)
    assert mean.item() == 1.0 and var.item() == pytest.approx(1.5) and mean._version == version + 1
    used = F.batch_norm(x, mean, var)
    np.testing.assert_allclose(used.numpy(), (x.numpy() - 1) / np.sqrt(1.5 + 1e-5), rtol=1e-6)
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        F.batch_norm(torch.zeros(1, 3), None, None, training=True)


def test_norms_center_and_scale():
    torch.manual_seed(0)  # a row of small variance, seldom drawn, shows eps
    x = torch.randn(4, 6, 5)
    for out, axes in (
        (F.layer_norm(x, (6, 5)), (1, 2)),
        (F.instance_norm(x), (2,)),
        (F.group_norm(x, 1), (1, 2)),
    ):
        np.testing.assert_allclose(out.numpy().mean(axes), 0, atol=1e-5)
        np.testing.assert_allclose(out.numpy().std(axes), 1, atol=1e-3)
    rms = F.rms_norm(x, (5,)).numpy()
    np.testing.assert_allclose((rms**2).mean(-1), 1, atol=1e-4)
    with pytest.raises(RuntimeError, match="expected input with shape"):
        F.layer_norm(x, (4,))


@pytest.mark.parametrize(
    "mode, expected",
    [
        ("reflect", [3, 2, 1, 2, 3, 2]),
        ("replicate", [1, 1, 1, 2, 3, 3]),
        ("circular", [2, 3, 1, 2, 3, 1]),
        ("constant", [0, 0, 1, 2, 3, 0]),
    ],
)
def test_padding_modes(mode, expected):
    assert F.pad(torch.tensor([[1, 2, 3]]), (2, 1), mode).tolist() == [expected]


def test_padding_crops_and_fills():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert F.pad(x, (-1, 2), value=9.0).tolist() == [[2.0, 3.0, 9.0, 9.0]]
    with pytest.raises(
        RuntimeError, match="Padding size should be less than the corresponding input"
    ):
        F.pad(x, (3, 0), "reflect")


def test_interpolation():
    x = torch.tensor([[[0.0, 1.0]]])
    assert F.interpolate(x, 4).tolist() == [[[0.0, 0.0, 1.0, 1.0]]]
    assert F.interpolate(x, 4, mode="linear").tolist() == [[[0.0, 0.25, 0.75, 1.0]]]
    third = F.interpolate(x, 4, mode="linear", align_corners=True).numpy()[0, 0]
    np.testing.assert_allclose(third, [0, 1 / 3, 2 / 3, 1], rtol=1e-6)
    with pytest.raises(ValueError, match="only one of size or scale_factor should be defined"):
        F.interpolate(x, 4, 2.0)
    with pytest.raises(NotImplementedError, match="Got 3D input, but bilinear mode needs 4D input"):
        F.interpolate(x, 4, mode="bilinear")


def test_embedding_padding_row_gets_no_gradient_and_max_norm_writes():
    weight = torch.ones(4, 2, requires_grad=True)
    index = torch.tensor([[0, 1], [1, 3]])
    F.embedding(index, weight, padding_idx=-1).sum().backward()
    assert weight.grad[:, 0].tolist() == [1.0, 2.0, 0.0, 0.0]
    table = torch.full((2, 2), 3.0)
    F.embedding(torch.tensor([1]), table, max_norm=1.0)
    np.testing.assert_allclose(table.numpy(), [[3, 3], [0.70710677, 0.70710677]], rtol=1e-5)
    for bad in (4, -1):
        with pytest.raises(IndexError, match="index out of range in self"):
            F.embedding(torch.tensor([bad]), weight)


def test_embedding_bags_with_empty_and_padded():
    weight = torch.tensor([[1.0], [2.0], [4.0]])
    index, offsets = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 2, 2])
    for mode, expected in (("sum", [3, 0, 8]), ("mean", [1.5, 0, 4]), ("max", [2, 0, 4])):
        assert F.embedding_bag(index, weight, offsets, mode=mode).flatten().tolist() == expected
    padded = F.embedding_bag(index, weight, offsets, mode="mean", padding_idx=0)
    assert padded.flatten().tolist() == [2.0, 0.0, 4.0]


def test_one_hot():
    assert F.one_hot(torch.tensor([0, 2])).tolist() == [[1, 0, 0], [0, 0, 1]]
    with pytest.raises(RuntimeError, match="Class values must be smaller than num_classes"):
        F.one_hot(torch.tensor([3]), 2)


def test_dropout_scales_what_it_keeps():
    torch.manual_seed(0)
    x = torch.ones(1000, requires_grad=True)
    y = F.dropout(x, 0.25)
    kept = y != 0
    assert set(np.unique(y.detach().numpy())) == {0.0, np.float32(1 / 0.75)}
    assert 650 < int(kept.sum()) < 850
    y.sum().backward()
    assert bool(((x.grad != 0) == kept).all())
    assert F.dropout(x, 0.5, training=False) is x
    with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
        F.dropout(x, 1.5)


def test_shuffles_invert():
    x = torch.arange(32.0).reshape(1, 8, 2, 2)
    assert torch.equal(F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2), x)
    assert F.channel_shuffle(x, 2)[0, :, 0, 0].tolist() == [0, 16, 4, 20, 8, 24, 12, 28]
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert torch.equal(F.fold(F.unfold(image, 2, stride=2), (4, 4), 2, stride=2), image)


def test_grid_sample_identity():
    x = torch.randn(1, 2, 4, 5)
    grid = F.affine_grid(torch.tensor([[[1.0, 0, 0], [0, 1, 0]]]), (1, 2, 4, 5), align_corners=True)
    out = F.grid_sample(x, grid, align_corners=True)
    np.testing.assert_allclose(out.numpy(), x.numpy(), atol=1e-5)
