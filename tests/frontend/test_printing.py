"""Tensors print as in PyTorch; the expected strings are recorded by tests/recorded/printing.py."""

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

import rushlight as torch
from rushlight.frontend import printing

RECORDED = Path(__file__).parents[1] / "recorded" / "printing.json"
CASES = json.loads(RECORDED.read_text())


@pytest.fixture(autouse=True)
def default_options():
    with printing.printoptions(profile="default"):
        yield


def array(case):
    if case["device"] == "meta":
        return None
    dtype = ml_dtypes.bfloat16 if case["dtype"] == "bfloat16" else case["dtype"]
    return np.frombuffer(bytes.fromhex(case["bytes"]), dtype).reshape(case["shape"])


def title(case):
    return f"{case['dtype']}{case['shape']}"


@pytest.mark.parametrize("case", CASES, ids=title)
def test_format(case):
    printing.set_printoptions(**case["options"])
    text = printing.format_tensor(
        array(case),
        shape=case["shape"],
        dtype_name=case["dtype"],
        requires_grad=case["requires_grad"],
        grad_name=case["grad_name"],
        device=case["device"],
        default_dtype_name=case["default"],
    )
    assert text == case["text"]


@pytest.mark.parametrize("case", CASES, ids=title)
def test_repr(case):
    dtype = getattr(torch, case["dtype"])
    if case["bytes"]:
        tensor = torch.frombuffer(bytearray.fromhex(case["bytes"]), dtype=dtype)
        tensor = tensor.reshape(case["shape"])
    else:
        tensor = torch.empty(case["shape"], dtype=dtype, device=case["device"])
    if case["grad_name"]:
        tensor = tensor.requires_grad_().clone()
    elif case["requires_grad"]:
        tensor.requires_grad_()
    previous = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, case["default"]))
    try:
        with printing.printoptions(**case["options"]):
            assert repr(tensor) == case["text"]
    finally:
        torch.set_default_dtype(previous)


def test_strided_values():
    values = np.arange(12.0).reshape(3, 4).T[::2]
    text = printing.format_tensor(values, shape=(2, 3), dtype_name="float64")
    assert text == "tensor([[ 0.,  4.,  8.],\n        [ 2.,  6., 10.]], dtype=torch.float64)"


def test_contents_replace_values():
    text = printing.format_tensor(None, shape=(2,), dtype_name="int32", tensor_contents="...")
    assert text == "tensor(..., dtype=torch.int32)"


def test_subclass_prefix_and_grad_fn_on_its_own_line():
    text = printing.format_tensor(
        np.ones((2, 12), np.float32),
        shape=(2, 12),
        dtype_name="float32",
        grad_name="NativeLayerNormBackward0",
        prefix="Wrapped",
    )
    row = "[1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1., 1.]"
    grad_fn = "grad_fn=<NativeLayerNormBackward0>"
    assert text == f"Wrapped([{row},\n         {row}], {grad_fn})".replace("], g", "],\n        g")


COO = """\
tensor(indices=tensor([[0, 1, 2],
                       [0, 1, 2]]),
       values=tensor([1., 1., 1.]),
       size=(3, 3), nnz=3, layout=torch.sparse_coo)"""
CSR = """\
tensor(crow_indices=tensor([0, 1, 2]),
       col_indices=tensor([0, 1]),
       values=tensor([1., 1.]), size=(2, 2), nnz=2, dtype=torch.float64,
       layout=torch.sparse_csr)"""
EMPTY = """\
tensor(indices=tensor([], size=(1, 0)),
       values=tensor([], size=(0,)),
       size=(2,), nnz=0, layout=torch.sparse_coo)"""


@pytest.mark.parametrize(
    ("expected", "shape", "dtype_name", "layout", "parts"),
    [
        (COO, (3, 3), "float32", "torch.sparse_coo",
         {"indices": np.arange(3) + np.zeros((2, 1), int), "values": np.ones(3)}),
        (CSR, (2, 2), "float64", "torch.sparse_csr",
         {"crow_indices": np.arange(3), "col_indices": np.arange(2), "values": np.ones(2)}),
        (EMPTY, (2,), "float32", "torch.sparse_coo",
         {"indices": np.zeros((1, 0), int), "values": np.zeros(0)}),
    ],
    ids=["coo", "csr", "empty"],
)  # fmt: skip
def test_sparse(expected, shape, dtype_name, layout, parts):
    listed = [(name, values, values.shape) for name, values in parts.items()]
    nnz = parts["values"].size
    text = printing.format_sparse_tensor(
        listed, shape=shape, nnz=nnz, dtype_name=dtype_name, layout=layout
    )
    assert text == expected


def test_options_are_restored_after_a_block_and_after_an_error():
    before = printing.get_printoptions()
    with pytest.raises(KeyError), printing.printoptions(precision=1, sci_mode=True):
        assert printing.get_printoptions()["precision"] == 1
        raise KeyError
    assert printing.get_printoptions() == before


def test_options_given_by_name_win_over_the_profile():
    printing.set_printoptions(profile="short", edgeitems=7)
    expected = {"precision": 2, "threshold": 1000, "edgeitems": 7, "linewidth": 80}
    assert printing.get_printoptions() == {**expected, "sci_mode": None}


def test_only_the_edges_of_large_tensors_are_read():
    values = np.broadcast_to(np.float32(1), (10**6, 10**6))
    text = printing.format_tensor(values, shape=values.shape, dtype_name="float32")
    assert text.splitlines()[3] == "        ...,"
