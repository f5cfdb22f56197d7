"""Losses: every reduction and target form of cross-entropy, and the edge cases of the others."""

import math

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F

LOGITS = np.array([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3], [-1.0, 3.0, 0.0], [1.0, 1.0, 1.0]])
LOGP = LOGITS - np.log(np.exp(LOGITS).sum(1, keepdims=True))
TARGET = [0, 2, 1, -100]
WEIGHT = np.array([1.0, 2.0, 0.5])


def losses(smoothing=0.0, weight=None):
    w = np.ones(3) if weight is None else weight
    rows = []
    for logp, t in zip(LOGP, TARGET, strict=True):
        if t < 0:
            rows.append((0.0, 0.0))
            continue
        own, spread = -logp[t] * w[t], -(logp * w).sum() / 3
        rows.append(((1 - smoothing) * own + smoothing * spread, w[t]))
    return np.array(rows).T


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_indices(smoothing, weighted):
    weight = torch.tensor(WEIGHT) if weighted else None
    values, counts = losses(smoothing, WEIGHT if weighted else None)
    x, t = torch.tensor(LOGITS), torch.tensor(TARGET)
    for reduction, expected in (
        ("none", values),
        ("sum", values.sum()),
        ("mean", values.sum() / counts.sum()),
    ):
        out = F.cross_entropy(x, t, weight, reduction=reduction, label_smoothing=smoothing)
        np.testing.assert_allclose(out.numpy(), expected, rtol=1e-12)


def test_cross_entropy_gradient_is_softmax_minus_target():
    x = torch.tensor(LOGITS, requires_grad=True)
    F.cross_entropy(x, torch.tensor(TARGET), reduction="sum").backward()
    onehot = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]])
    alive = np.array([1, 1, 1, 0])[:, None]
    np.testing.assert_allclose(x.grad.numpy(), (np.exp(LOGP) - onehot) * alive, atol=1e-12)


def test_cross_entropy_of_probabilities_equals_indices():
    x, t = torch.tensor(LOGITS[:3]), torch.tensor(TARGET[:3])
    soft = F.one_hot(t, 3).to(torch.float64)
    for smoothing in (0.0, 0.2):
        a = F.cross_entropy(x, t, label_smoothing=smoothing)
        b = F.cross_entropy(x, soft, label_smoothing=smoothing)
        assert a.item() == pytest.approx(b.item())


def test_cross_entropy_over_images_and_single_samples():
    x = torch.tensor(LOGITS.T[None])  # (1, 3, 4)
    t = torch.tensor([[0, 2, 1, 0]])
    expected = -LOGP[[0, 1, 2, 3], [0, 2, 1, 0]]
    np.testing.assert_allclose(F.cross_entropy(x, t, reduction="none").numpy()[0], expected)
    one = F.cross_entropy(torch.tensor(LOGITS[0]), torch.tensor(0))
    assert one.shape == () and one.item() == pytest.approx(-LOGP[0, 0])


def test_all_ignored_is_nan_and_empty_batches_work():
    assert math.isnan(F.cross_entropy(torch.zeros(2, 3), torch.tensor([-100, -100])).item())
    assert (
        F.cross_entropy(
            torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), reduction="sum"
        ).item()
        == 0
    )


def test_target_errors():
    x = torch.zeros(2, 3)
    with pytest.raises(
        ValueError, match=r"input batch_size \(2\) to match target batch_size \(3\)"
    ):
        F.cross_entropy(x, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="expected scalar type Long but found Int"):
        F.cross_entropy(x, torch.zeros(2, dtype=torch.int32))
    with pytest.raises(IndexError, match="out of bounds"):
        F.cross_entropy(x, torch.tensor([0, 3])).item()
    with pytest.raises(IndexError, match="out of bounds"):
        F.cross_entropy(x, torch.tensor([0, -1])).item()
    with pytest.raises(ValueError, match="abc is not a valid value for reduction"):
        F.cross_entropy(x, torch.tensor([0, 1]), reduction="abc")
    with pytest.raises(RuntimeError, match="label_smoothing must be between 0.0 and 1.0"):
        F.cross_entropy(x, torch.tensor([0, 1]), label_smoothing=2.0)


def test_legacy_flags_and_size_warning():
    x, y = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 0.0])
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
        assert F.mse_loss(x, y, reduce=False).tolist() == [1.0, 9.0]
    with pytest.warns(UserWarning, match="Using a target size"):
        F.mse_loss(torch.zeros(3), torch.zeros(1))


def test_binary_cross_entropies():
    p, t = np.array([0.2, 0.7, 1.0]), np.array([0.0, 1.0, 1.0])
    expected = -(np.log(0.8) + np.log(0.7)) / 3
    assert F.binary_cross_entropy(torch.tensor(p), torch.tensor(t)).item() == pytest.approx(
        expected
    )
    wrong = F.binary_cross_entropy(torch.tensor([0.0]), torch.tensor([1.0]))
    assert wrong.item() == 100
    x = torch.tensor([1000.0, -1000.0], requires_grad=True)
    out = F.binary_cross_entropy_with_logits(x, torch.tensor([1.0, 0.0]))
    out.backward()
    assert out.item() == 0 and x.grad.tolist() == [0.0, 0.0]


def test_distances_at_their_switch():
    d = torch.tensor([0.5, 1.0, 2.0])
    zero = torch.zeros(3)
    assert F.smooth_l1_loss(d, zero, reduction="none").tolist() == [0.125, 0.5, 1.5]
    assert F.huber_loss(d, zero, reduction="none", delta=1.0).tolist() == [0.125, 0.5, 1.5]
    assert F.l1_loss(torch.tensor([3 + 4j]), torch.tensor([0j])).item() == 5


def test_kl_div_batchmean_and_zero_targets():
    x = torch.log(torch.tensor([[0.5, 0.5], [0.25, 0.75]]))
    t = torch.tensor([[0.0, 1.0], [0.25, 0.75]])
    assert F.kl_div(x, t, reduction="batchmean").item() == pytest.approx(math.log(2) / 2)


def test_ctc_loss_of_a_sure_path_is_zero_and_impossible_is_infinite():
    logp = torch.log(torch.tensor([[[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]]) + 1e-30)
    target = torch.tensor([[1, 2]])
    assert F.ctc_loss(logp, target, (2,), (2,), reduction="sum").item() == pytest.approx(
        0, abs=1e-5
    )
    short = F.ctc_loss(logp[:1], target, (1,), (2,), reduction="sum")
    assert short.item() == math.inf
    assert F.ctc_loss(logp[:1], target, (1,), (2,), zero_infinity=True).item() == 0
