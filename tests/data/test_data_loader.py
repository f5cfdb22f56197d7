"""Options of the DataLoader: which exclude each other, what is fixed, lengths and warnings."""

import os
import pickle
import warnings

import pytest

import rushlight as torch
from rushlight.utils.data import DataLoader, IterableDataset

DATA = list(range(10))


class Stream(IterableDataset):
    def __init__(self, size, announced):
        self.size, self.announced = size, announced

    def __iter__(self):
        return iter(range(self.size))

    def __len__(self):
        return self.announced


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiproc"),
        ({"num_workers": 1, "prefetch_factor": -1}, "prefetch_factor option should be non-neg"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"sampler": [1], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
        ({"batch_size": 0}, "batch_size should be a positive integer value"),
        ({"drop_last": 1}, "drop_last should be a boolean value"),
        ({"multiprocessing_context": "fork"}, "multiprocessing_context can only be used with"),
        ({"num_workers": 1, "multiprocessing_context": "x"}, "should specify a valid start method"),
    ]
    + [
        ({"batch_sampler": [[1]]} | other, "batch_sampler option is mutually exclusive")
        for other in (
            {"batch_size": 2},
            {"batch_size": None},
            {"shuffle": True},
            {"sampler": [1]},
            {"drop_last": True},
        )
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(DATA, **options)


def test_context_must_be_a_context():
    with pytest.raises(TypeError, match="should be a valid context object or a string"):
        DataLoader(DATA, num_workers=1, multiprocessing_context=3)


@pytest.mark.parametrize(
    "name, value", [("shuffle", True), ("sampler", [1]), ("batch_sampler", [[1]])]
)
def test_iterable_datasets_have_their_own_order(name, value):
    with pytest.raises(ValueError, match=f"expected unspecified {name} option, but got {name}="):
        DataLoader(Stream(3, 3), **{name: value})


def test_some_attributes_are_fixed():
    loader = DataLoader(DATA)
    for name in (
        "batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"{name} attribute should not be set after DataLoa"):
            setattr(loader, name, None)
    loader.collate_fn = list
    assert next(iter(loader)) == [0]
    loader._DataLoader__initialized = False  # as programs that wrap the sampler do
    loader.batch_sampler = [[3, 4]]
    assert list(loader) == [[3, 4]]


def test_lengths():
    assert len(DataLoader(DATA, batch_size=4)) == 3
    assert len(DataLoader(DATA, batch_size=4, drop_last=True)) == 2
    assert len(DataLoader(DATA, batch_size=None)) == 10
    assert len(DataLoader(DATA, batch_sampler=[[1], [2]])) == 2
    assert len(DataLoader(Stream(5, 5), batch_size=2)) == 3
    assert len(DataLoader(Stream(5, 5), batch_size=2, drop_last=True)) == 2
    assert len(DataLoader(Stream(5, 5), batch_size=None)) == 5
    assert len(iter(DataLoader(DATA, batch_size=4))) == 3


def test_warning_of_a_stream_longer_than_it_said():
    loader = DataLoader(Stream(5, 3), batch_size=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(loader)  # nobody has asked for the length yet
    len(loader)
    with pytest.warns(UserWarning, match="was reported to be 3 .* but [45] samples") as caught:
        list(loader)
    assert caught[0].filename == __file__


def test_pin_memory_warns_and_leaves_the_batch_alone():
    loader = DataLoader(DATA, batch_size=10, pin_memory=True, pin_memory_device="cuda")
    with pytest.warns(UserWarning) as caught:
        assert next(iter(loader)).tolist() == DATA
    assert [str(w.message)[:30] for w in caught] == [
        "pin_memory_device is deprecate",
        "'pin_memory' argument is set a",
    ]
    assert {w.filename for w in caught} == {__file__}


def test_warning_of_too_many_workers():
    count = os.cpu_count() + 1
    with pytest.warns(UserWarning, match=f"will create {count} worker processes in total") as w:
        DataLoader(DATA, num_workers=count)
    assert w[0].filename == __file__


def test_options_found_while_iterating():
    with pytest.raises(AssertionError, match="requires timeout == 0"):
        iter(DataLoader(DATA, timeout=1))
    with pytest.raises(AssertionError, match="prefetch_factor must be greater than 0"):
        iter(DataLoader(DATA, num_workers=1, prefetch_factor=0))


def test_iterators_cannot_be_pickled_but_loaders_can():
    loader = DataLoader(DATA, batch_size=3)
    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        pickle.dumps(iter(loader))
    copy = pickle.loads(pickle.dumps(loader))
    assert [b.tolist() for b in copy] == [b.tolist() for b in loader]
    with pytest.raises(ValueError, match="should not be set"):
        copy.batch_size = 1


def test_subclass_and_type_argument():
    assert list(DataLoader[torch.Tensor]([1], batch_size=None)) == [1]
