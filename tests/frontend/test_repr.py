"""How tensors print: the text's parts, and the names of graph nodes (values: test_printing.py)."""

import pytest

import rushlight as torch
import rushlight.nn.functional as F


def leaf(*values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


@pytest.mark.parametrize(
    "make, text",
    [
        (lambda: torch.tensor(1), "tensor(1)"),
        (lambda: torch.tensor([]), "tensor([])"),
        (lambda: torch.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
        (lambda: torch.tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (lambda: torch.tensor([True]), "tensor([True])"),
        (lambda: torch.tensor([1], dtype=torch.int32), "tensor([1], dtype=torch.int32)"),
        (lambda: torch.tensor([1.0]).double(), "tensor([1.], dtype=torch.float64)"),
        (lambda: torch.empty(0, 2), "tensor([], size=(0, 2))"),
        (lambda: torch.tensor([1 + 2j]), "tensor([1.+2.j])"),
        (lambda: leaf(), "tensor([1., 2.], requires_grad=True)"),
        (lambda: leaf() * 2, "tensor([2., 4.], grad_fn=<MulBackward0>)"),
        (
            lambda: torch.nn.Parameter(torch.ones(1)),
            "Parameter containing:\ntensor([1.], requires_grad=True)",
        ),
        (lambda: torch.tensor(float("nan")), "tensor(nan)"),
        (lambda: torch.tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
    ],
)  # fmt: skip
def test_text(make, text):
    assert repr(make()) == str(make()) == text


NODES = {
    "AddBackward0": lambda x: x + 1,
    "SubBackward0": lambda x: x - 1,
    "RsubBackward1": lambda x: torch.rsub(x, 1),
    "MulBackward0": lambda x: x * 2,
    "DivBackward0": lambda x: x / 2,
    "PowBackward0": lambda x: x**2,
    "PowBackward1": lambda x: x**x,
    "NegBackward0": lambda x: -x,
    "ExpBackward0": lambda x: x.exp(),
    "SumBackward0": lambda x: x.sum(),
    "SumBackward1": lambda x: x.sum(0),
    "MeanBackward0": lambda x: x.mean(),
    "MeanBackward1": lambda x: x.mean(0),
    "MaxBackward0": lambda x: x.max(0).values,
    "MaxBackward1": lambda x: x.max(),
    "ReluBackward0": lambda x: x.relu(),
    "SigmoidBackward0": lambda x: x.sigmoid(),
    "SoftmaxBackward0": lambda x: x.softmax(0),
    "LogSoftmaxBackward0": lambda x: x.log_softmax(0),
    "ViewBackward0": lambda x: x.view(2, 1),
    "UnsafeViewBackward0": lambda x: torch.ones(2, 2, 2) @ x[:, None].expand(2, 1),
    "TBackward0": lambda x: x[:, None].t(),
    "TransposeBackward0": lambda x: x[:, None].transpose(0, 1),
    "PermuteBackward0": lambda x: x[:, None].permute(1, 0),
    "UnsqueezeBackward0": lambda x: x.unsqueeze(0),
    "SqueezeBackward1": lambda x: x[:, None].squeeze(1),
    "SelectBackward0": lambda x: x[0],
    "SliceBackward0": lambda x: x[1:],
    "AliasBackward0": lambda x: x[...],
    "IndexBackward0": lambda x: x[torch.tensor([0])],
    "ExpandBackward0": lambda x: x.expand(3, 2),
    "CatBackward0": lambda x: torch.cat([x, x]),
    "StackBackward0": lambda x: torch.stack([x, x]),
    "CloneBackward0": lambda x: x.clone(),
    "ToCopyBackward0": lambda x: x.double(),
    "MmBackward0": lambda x: x[None] @ x[:, None],
    "DotBackward0": lambda x: x.dot(x),
    "MvBackward0": lambda x: torch.ones(2, 2) @ x,
    "AddmmBackward0": lambda x: torch.nn.functional.linear(torch.ones(1, 2), torch.ones(2, 2), x),
    "MseLossBackward0": lambda x: torch.nn.functional.mse_loss(x, torch.ones(2)),
    "NllLossBackward0": lambda x: torch.nn.functional.cross_entropy(x[None], torch.tensor([0])),
    "GeluBackward0": lambda x: torch.nn.functional.gelu(x),
    "NativeLayerNormBackward0": lambda x: torch.nn.functional.layer_norm(x, (2,)),
    "WhereBackward0": lambda x: torch.where(x > 0, x, x),
    "SplitBackward0": lambda x: x.split(1)[0],
    "UnbindBackward0": lambda x: x.unbind()[0],
    "IndexPutBackward0": lambda x: (x * 1).index_put_((torch.tensor([0]),), x[:1]),
    "torch::autograd::CopyBackwards": lambda x: torch.zeros(2).copy_(x),
    "torch::autograd::AccumulateGrad": lambda x: (x * 1).grad_fn.next_functions[0][0],
    "LinalgVectorNormBackward0": lambda x: x.norm(),
    "EmbeddingBackward0": lambda x: torch.nn.functional.embedding(torch.tensor([0]), x[None]),
    "ConvolutionBackward0": lambda x: F.conv1d(x[None, None], torch.ones(1, 1, 1)),
    "MaxPool2DWithIndicesBackward0": lambda x: F.max_pool2d(x.view(1, 1, 1, 2), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_node_names(name):
    made = NODES[name](leaf())
    node = made.grad_fn if isinstance(made, torch.Tensor) else made
    assert node.name() == name
    assert repr(node).startswith(f"<{name.rpartition(':')[2]} object at 0x")
    if isinstance(made, torch.Tensor):
        assert f"grad_fn=<{name.rpartition(':')[2]}>" in repr(made)


def test_graph_edges():
    x, y = leaf(), leaf()
    z = x * y + torch.ones(2)
    add = z.grad_fn
    ((mul, nr), (none, zero)) = add.next_functions
    assert mul.name() == "MulBackward0" and nr == 0 and none is None and zero == 0
    first, second = (f for f, _ in mul.next_functions)
    assert first.variable is x and second.variable is y
    assert x.grad_fn is None and x.is_leaf and not z.is_leaf
    assert z.output_nr == 0 and torch.ones(2, 2, requires_grad=True).unbind()[1].output_nr == 1
    assert [s.tolist() for s in (mul._saved_self, mul._saved_other)] == [[1.0, 2.0]] * 2


def test_print_options():
    torch.set_printoptions(precision=2)
    try:
        assert repr(torch.tensor([1.23456])) == "tensor([1.23])"
        torch.set_printoptions(profile="full")
        assert "..." not in repr(torch.zeros(2000))
    finally:
        torch.set_printoptions(profile="default")
    assert "..." in repr(torch.zeros(2000))
    assert f"{torch.tensor(1.5):.2f}" == "1.50" and f"{torch.tensor([1])}" == "tensor([1])"
