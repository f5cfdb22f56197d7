"""einsum against NumPy's, its shapes of equation, and its errors."""

import numpy as np
import pytest

import rushlight as torch

CASES = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("i,j->ij", (3,), (4,)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->j", (3, 3, 2)),
    ("...ij->...ji", (2, 3, 4)),
    ("...ij,...jk->...ik", (5, 1, 2, 3), (4, 3, 2)),
    ("ij,kl,jk->il", (2, 3), (4, 5), (3, 4)),
    ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)),
    ("ij,ij->", (3, 4), (3, 4)),
    ("abc->", (2, 3, 4)),
    ("ij,j->i", (0, 3), (3,)),
    ("ijk,ilm,njm,nlk,abc->", (2, 3, 2), (2, 2, 4), (3, 3, 4), (3, 2, 2), (2, 2, 2)),
    ("i...,i...->...", (3, 2, 2), (3, 2, 2)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_agrees_with_numpy(case):
    equation, *shapes = case
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s) for s in shapes]
    found = torch.einsum(equation, *map(torch.tensor, arrays))
    np.testing.assert_allclose(found.numpy(), np.einsum(equation, *arrays), atol=1e-12)


def test_sublists_and_one_list_of_operands():
    a, b = torch.randn(2, 3), torch.randn(3, 4)
    assert torch.allclose(torch.einsum(a, [0, 1], b, [1, 2], [0, 2]), a @ b)
    assert torch.allclose(torch.einsum("ij,jk", [a, b]), a @ b)


def test_integers_and_broadcasting_of_ones():
    a = torch.arange(6).reshape(2, 3)
    assert torch.einsum("ij->i", a).tolist() == [3, 12]
    assert torch.einsum("ij,ij->i", a, torch.ones(1, 3, dtype=torch.int64)).tolist() == [3, 12]


def test_gradient():
    a = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    b = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    torch.einsum("ij,jk->", a, b).backward()
    np.testing.assert_allclose(a.grad.numpy(), np.tile(b.detach().numpy().sum(1), (2, 1)))


@pytest.mark.parametrize(
    ("equation", "words"),
    [
        ("ij", "more operands were provided"),
        ("ij,jk,kl", "fewer operands were provided"),
        ("ijk,jk->i", "number of subscripts"),
        ("ij,jk->iz", "does not appear"),
        ("ij,jk->ii", "appears more than once"),
        ("i.j,jk->ik", "not part of any ellipsis"),
        ("ij,ik->jk", "does not broadcast"),
    ],
)
def test_errors(equation, words):
    with pytest.raises(RuntimeError, match=words):
        torch.einsum(equation, torch.ones(2, 3), torch.ones(3, 4))
