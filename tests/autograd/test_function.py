"""``autograd.Function``: operators with a backward written by hand."""

import pytest

import rushlight as torch
from rushlight.autograd import Function
from rushlight.autograd.function import once_differentiable


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


class Scale(Function):
    """x * factor, with factor a Python number."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor, None


class Product(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return (g * b if ctx.needs_input_grad[0] else None), (
            g * a if ctx.needs_input_grad[1] else None
        )


def test_forward_and_backward():
    x = leaf()
    y = Scale.apply(x, 3)
    assert y.grad_fn.name() == "ScaleBackward" and "ScaleBackward" in repr(y)
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    assert Scale.apply(torch.ones(2), 3).grad_fn is None
    with torch.no_grad():
        assert not Scale.apply(x, 3).requires_grad


def test_needs_input_grad():
    seen = []

    class Look(Product):
        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            return Product.backward(ctx, g)

    a, b = leaf(), torch.tensor([3.0, 4.0])
    Look.apply(a, b).sum().backward()
    assert seen == [(True, False)] and a.grad.tolist() == [3.0, 4.0] and b.grad is None


def test_double_backward():
    a, b = leaf(), leaf(3.0, 4.0)
    y = Product.apply(a, b)
    (g,) = torch.autograd.grad((y * y).sum(), a, create_graph=True)
    assert g.tolist() == [18.0, 64.0]
    (h,) = torch.autograd.grad(g.sum(), b)
    assert h.tolist() == [12.0, 32.0]  # d/db 2 a b^2 = 4 a b


def test_saved_results_are_part_of_the_graph():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            out = x.exp()
            ctx.save_for_backward(out)
            return out

        @staticmethod
        def backward(ctx, g):
            (out,) = ctx.saved_tensors
            return g * out

    x = leaf(0.5)
    y = Exp.apply(x)
    for _ in range(3):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(1.6487212)


def test_several_outputs():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3, 7

        @staticmethod
        def backward(ctx, a, b, none):
            assert none is None
            return a * 2 + b * 3

    x = leaf()
    a, b, seven = Both.apply(x)
    assert seven == 7 and (a.output_nr, b.output_nr) == (0, 1) and a.grad_fn is b.grad_fn
    b.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_missing_cotangents():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            seen.append((a, b))
            return (a if b is None else a + b), None

    x = leaf()
    Two.apply(x, True)[0].sum().backward()
    assert seen[0][1].tolist() == [0.0, 0.0]
    Two.apply(x, False)[0].sum().backward()
    assert seen[1][1] is None


def test_marks():
    class Sorted(Function):
        @staticmethod
        def forward(ctx, x):
            values, indices = x.sort()
            ctx.mark_non_differentiable(indices)
            ctx.save_for_backward(indices)
            return values, indices

        @staticmethod
        def backward(ctx, g, _):
            (indices,) = ctx.saved_tensors
            return torch.zeros(3).scatter_add_(0, indices, g)

    x = leaf(3.0, 1.0, 2.0)
    values, indices = Sorted.apply(x)
    assert values.requires_grad and not indices.requires_grad
    (values * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [100.0, 1.0, 10.0]


def test_a_marked_floating_output():
    class Half(Function):
        @staticmethod
        def forward(ctx, x):
            a, b = x * 1, x * 2
            ctx.mark_non_differentiable(b)
            return a, b

        @staticmethod
        def backward(ctx, g, _):
            return g

    a, b = Half.apply(leaf())
    assert a.requires_grad and not b.requires_grad


def test_mark_dirty():
    class Increment(Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 10

    x = leaf()
    y = x * 1
    z = Increment.apply(y)
    assert z is y and y._version == 2 and y.grad_fn.name() == "IncrementBackward"
    y.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0]
    with pytest.raises(
        RuntimeError, match="a leaf Variable that requires grad has been used in an"
    ):
        Increment.apply(leaf())
    base = leaf() * 1
    Increment.apply(base[:1])
    assert base.tolist() == [2.0, 2.0]


def test_setup_context():
    class Split(Function):
        @staticmethod
        def forward(x, factor):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.factor = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None

    x = leaf()
    Split.apply(x, 4.0).sum().backward()
    assert x.grad.tolist() == [4.0, 4.0]


def test_once_differentiable():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            assert not torch.is_grad_enabled()
            return 2 * x * g

    x = leaf()
    Once.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
    (g,) = torch.autograd.grad((Once.apply(x) ** 2).sum(), x, create_graph=True)
    with pytest.raises(
        RuntimeError, match="differentiate twice a function that was marked with @onc"
    ):
        g.sum().backward()


def test_returned_inputs_become_views():
    class Identity(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = leaf()
    y = Identity.apply(x)
    assert y is not x and y.data_ptr() == x.data_ptr()
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


def test_wrong_backwards():
    class Few(Scale):
        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(
        RuntimeError, match="returned an incorrect number of gradients \\(expected 2"
    ):
        Few.apply(leaf(), 2).sum().backward()

    class Shape(Scale):
        @staticmethod
        def backward(ctx, g):
            return torch.ones(3), None

    with pytest.raises(
        RuntimeError, match="returned an invalid gradient at index 0 - got \\[3\\] but"
    ):
        Shape.apply(leaf(), 2).sum().backward()

    class Missing(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    with pytest.raises(
        NotImplementedError, match="You must implement either the backward or vjp met"
    ):
        Missing.apply(leaf()).sum().backward()
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        made = Scale()
    with pytest.raises(RuntimeError, match="Legacy autograd function with non-static forward"):
        made(leaf())

    class Number(Scale):
        @staticmethod
        def backward(ctx, g):
            return g, g

    with pytest.raises(RuntimeError, match="a gradient different than None at position 2, but the"):
        Number.apply(leaf(), 2).sum().backward()
    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        Function.apply(leaf())


def test_saved_values_are_guarded_and_freed():
    a, b = leaf() * 1, leaf() * 1
    y = Product.apply(a, b).sum()
    b.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()
    y = Product.apply(a, b).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


def test_forward_runs_without_grad_and_in_python():
    seen = []

    class Look(Function):
        @staticmethod
        def forward(ctx, x):
            seen.append((torch.is_grad_enabled(), x.sum().item(), x.requires_grad))
            return torch.from_numpy(x.detach().numpy() * 2)

        @staticmethod
        def backward(ctx, g):
            seen.append(torch.is_grad_enabled())
            return torch.from_numpy(g.numpy() * 2)

    x = leaf()
    Look.apply(x).sum().backward()
    assert seen == [(False, 3.0, True), False] and x.grad.tolist() == [2.0, 2.0]


def test_gradcheck_accepts_it():
    a = torch.tensor([0.3, 0.7], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([1.3, 2.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Product.apply, (a, b))
    assert torch.autograd.gradgradcheck(Product.apply, (a, b))


def test_extra_attributes_and_none():
    class Optional(Function):
        @staticmethod
        def forward(ctx, x, bias=None):
            ctx.has_bias = bias is not None
            ctx.save_for_backward(x, bias)
            return x if bias is None else x + bias

        @staticmethod
        def backward(ctx, g):
            x, bias = ctx.saved_tensors
            assert (bias is not None) == ctx.has_bias
            return g, g if ctx.has_bias else None

    x, b = leaf(), leaf()
    Optional.apply(x, b).sum().backward()
    assert b.grad.tolist() == [1.0, 1.0]
    Optional.apply(x, None).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
