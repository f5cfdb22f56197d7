"""Second derivatives of operators whose derivative only chooses: what was chosen stays chosen."""

import pytest

import rushlight as torch


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "clamp_min"])
def test_a_later_write_does_not_spoil_the_choice(name):
    """As in PyTorch, which saves the mask of the first derivative and not its operands."""
    x = torch.tensor([1.0, 5.0], dtype=torch.float64, requires_grad=True)
    other = torch.tensor([2.0, 3.0], dtype=torch.float64)
    y = getattr(torch, name)(x, other)
    v = torch.tensor([2.0, 3.0], dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(y, x, v, create_graph=True)
    chosen = (g.detach() != 0).double()
    other.copy_(torch.tensor([9.0, -9.0]))
    (second,) = torch.autograd.grad(g.sum(), v)
    assert second.tolist() == chosen.tolist()


def test_a_view_of_nothing_gets_constant_zeros():
    """as_strided of an empty tensor may reach memory, but no cotangent comes back."""
    x = torch.ones(3, 2, requires_grad=True)
    y = x.narrow(1, 1, 0).as_strided((2,), (2,), 3)
    (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    assert not g.requires_grad
    assert g.tolist() == [[0.0, 0.0]] * 3


def test_a_view_without_an_edge_makes_nothing_saved():
    """A view of a leaf that was made without recording records, but gets no gradient, so the other
    factor is not saved, as in PyTorch; then it may be written."""
    x = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        view = x[:2]
    other = torch.ones(2, requires_grad=True) * 1
    product = view * other
    assert product.grad_fn.next_functions[0] == (None, 0)
    assert product.grad_fn._saved_self is not None
    other.fill_(2.0)
    product.sum().backward()
