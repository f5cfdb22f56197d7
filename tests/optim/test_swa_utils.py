"""Averaged models: equal weights, exponential weights, buffers, batch statistics."""

import copy

import pytest

import rushlight as torch
from rushlight.optim import swa_utils


def one_weight(value):
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(value)
    return model


def average_of(*values, **options):
    average = swa_utils.AveragedModel(one_weight(0.0), **options)
    for value in values:
        average.update_parameters(one_weight(value))
    return average


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 4.0),
        ({"avg_fn": swa_utils.get_swa_avg_fn()}, 4.0),
        ({"multi_avg_fn": swa_utils.get_swa_multi_avg_fn()}, 4.0),
        ({"avg_fn": swa_utils.get_ema_avg_fn(0.5)}, 5.0),
        ({"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.5)}, 5.0),
        ({"avg_fn": lambda average, new, count: average + new * count}, 1.0 + 3 * 1 + 8 * 2),
    ],
)
def test_average(options, expected):
    average = average_of(1.0, 3.0, 8.0, **options)
    assert average.module.weight.item() == pytest.approx(expected)
    assert average.n_averaged.item() == 3
    assert average(torch.ones(1, 1)).item() == pytest.approx(expected)


def test_state_dict_and_copy():
    average = average_of(1.0, 3.0)
    assert sorted(average.state_dict()) == ["module.weight", "n_averaged"]
    other = average_of()
    other.load_state_dict(copy.deepcopy(average.state_dict()))
    other.update_parameters(one_weight(8.0))
    assert other.module.weight.item() == pytest.approx(4.0)


def test_buffers_are_copied_or_averaged():
    def update(use_buffers):
        model = torch.nn.BatchNorm1d(1)
        average = swa_utils.AveragedModel(model, use_buffers=use_buffers)
        for mean in (1.0, 3.0):
            model.running_mean.fill_(mean)
            model.num_batches_tracked.fill_(int(mean))
            average.update_parameters(model)
        return average.module.running_mean.item(), average.module.num_batches_tracked.item()

    assert update(False) == (3.0, 3)
    assert update(True) == (2.0, 2)


def test_update_bn_computes_the_statistics_of_the_data():
    model = torch.nn.BatchNorm1d(1, momentum=0.3).eval()
    model.running_mean.fill_(9.0)
    batches = [torch.tensor([[0.0], [2.0]]), (torch.tensor([[4.0], [6.0]]), "label")]
    swa_utils.update_bn(batches, model)
    assert model.running_mean.item() == pytest.approx(3.0)
    assert model.running_var.item() == pytest.approx(2.0)
    assert model.momentum == 0.3
    assert not model.training


def test_errors():
    with pytest.raises(ValueError, match="Invalid decay value 1.5"):
        swa_utils.get_ema_avg_fn(1.5)
    with pytest.raises(AssertionError, match="Only one of"):
        average_of(avg_fn=max, multi_avg_fn=max)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    with pytest.raises(ValueError, match="anneal_strategy"):
        swa_utils.SWALR(optimizer, 0.1, anneal_strategy="x")
    with pytest.raises(ValueError, match="anneal_epochs"):
        swa_utils.SWALR(optimizer, 0.1, anneal_epochs=-1)
