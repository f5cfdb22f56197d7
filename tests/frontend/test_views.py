"""Views: what shares memory, with which strides, offsets and bases."""

import pytest

import rushlight as torch

MAKERS = {  # name: (view of x = arange(24).reshape(2, 3, 4), shape, strides, offset)
    "view": (lambda x: x.view(4, 6), (4, 6), (6, 1), 0),
    "view -1": (lambda x: x.view(-1), (24,), (1,), 0),
    "view of a tuple": (lambda x: x.view((3, 8)), (3, 8), (8, 1), 0),
    "reshape": (lambda x: x.reshape(6, 4), (6, 4), (4, 1), 0),
    "view_as": (lambda x: x.view_as(torch.empty(2, 12)), (2, 12), (12, 1), 0),
    "flatten": (lambda x: x.flatten(1), (2, 12), (12, 1), 0),
    "unflatten": (lambda x: x.unflatten(2, (2, 2)), (2, 3, 2, 2), (12, 4, 2, 1), 0),
    "t": (lambda x: x[0].t(), (4, 3), (1, 4), 0),
    "T": (lambda x: x[0].T, (4, 3), (1, 4), 0),
    "mT": (lambda x: x.mT, (2, 4, 3), (12, 1, 4), 0),
    "transpose": (lambda x: x.transpose(0, 2), (4, 3, 2), (1, 4, 12), 0),
    "swapaxes": (lambda x: x.swapaxes(0, 1), (3, 2, 4), (4, 12, 1), 0),
    "permute": (lambda x: x.permute(2, 0, 1), (4, 2, 3), (1, 12, 4), 0),
    "movedim": (lambda x: x.movedim(0, 2), (3, 4, 2), (4, 1, 12), 0),
    "select": (lambda x: x.select(1, 2), (2, 4), (12, 1), 8),
    "narrow": (lambda x: x.narrow(1, 1, 2), (2, 2, 4), (12, 4, 1), 4),
    "index": (lambda x: x[:, 1:, ::2], (2, 2, 2), (12, 4, 2), 4),
    "unsqueeze": (lambda x: x.unsqueeze(1), (2, 1, 3, 4), (12, 12, 4, 1), 0),
    "unsqueeze -1": (lambda x: x.unsqueeze(-1), (2, 3, 4, 1), (12, 4, 1, 1), 0),
    "squeeze": (lambda x: x[:1].squeeze(), (3, 4), (4, 1), 0),
    "squeeze dim": (lambda x: x[:1].squeeze(0), (3, 4), (4, 1), 0),
    "squeeze other dim": (lambda x: x.squeeze(0), (2, 3, 4), (12, 4, 1), 0),
    "expand": (lambda x: x[:, :1].expand(2, 5, 4), (2, 5, 4), (12, 0, 1), 0),
    "expand -1": (lambda x: x[:, :1].expand(-1, 5, -1), (2, 5, 4), (12, 0, 1), 0),
    "expand new": (lambda x: x.expand(7, 2, 3, 4), (7, 2, 3, 4), (0, 12, 4, 1), 0),
    "expand_as": (lambda x: x[:1].expand_as(torch.empty(2, 3, 4)), (2, 3, 4), (0, 4, 1), 0),
    "broadcast_to": (lambda x: x[0, 0].broadcast_to(3, 4), (3, 4), (0, 1), 0),
    "diagonal": (lambda x: x[0].diagonal(), (3,), (5,), 0),
    "diagonal offset": (lambda x: x.diagonal(1, 1, 2), (2, 3), (12, 5), 1),
    "unfold": (lambda x: x.unfold(2, 2, 1), (2, 3, 3, 2), (12, 4, 1, 1), 0),
    "as_strided": (lambda x: x.as_strided((2, 2), (3, 5), 1), (2, 2), (3, 5), 1),
    "split": (lambda x: x.split(2, 1)[1], (2, 1, 4), (12, 4, 1), 8),
    "split sizes": (lambda x: x.split([1, 3], 2)[1], (2, 3, 3), (12, 4, 1), 1),
    "chunk": (lambda x: x.chunk(2, 0)[1], (1, 3, 4), (12, 4, 1), 12),
    "tensor_split": (lambda x: x.tensor_split(3, 2)[0], (2, 3, 2), (12, 4, 1), 0),
    "unbind": (lambda x: x.unbind(1)[2], (2, 4), (12, 1), 8),
    "hsplit": (lambda x: x.hsplit([1])[1], (2, 2, 4), (12, 4, 1), 4),
    "detach": (lambda x: x.detach(), (2, 3, 4), (12, 4, 1), 0),
    "view dtype": (lambda x: x.view(torch.int32), (2, 3, 8), (24, 8, 1), 0),
}


@pytest.mark.parametrize("name", MAKERS)
def test_geometry(name):
    make, shape, strides, offset = MAKERS[name]
    x = torch.arange(24).reshape(2, 3, 4).clone()
    v = make(x)
    assert (v.shape, v.stride(), v.storage_offset()) == (shape, strides, offset)
    assert v.data_ptr() == x.data_ptr() + offset * x.element_size()
    if name not in ("detach", "view dtype"):
        assert v._is_view() and v._base is x
    if 0 not in strides and name != "unfold":
        v.zero_()
        assert x.flatten()[offset].item() == 0 and x._version == 1


def test_values_through_views():
    x = torch.arange(24).reshape(2, 3, 4)
    assert x.unfold(2, 2, 2)[0, 0].tolist() == [[0, 1], [2, 3]]
    assert x.diagonal(0, 1, 2).tolist() == [[0, 5, 10], [12, 17, 22]]
    assert x.as_strided((2, 2), (3, 5), 1).tolist() == [[1, 6], [4, 9]]
    assert x.permute(2, 0, 1)[3].tolist() == [[3, 7, 11], [15, 19, 23]]
    assert torch.ones(1, dtype=torch.float32).view(torch.int32).item() == 0x3F800000
    assert torch.tensor([1.0]).view(torch.uint8).tolist() == [0, 0, 128, 63]


def test_reshape_copies_only_where_it_must():
    x = torch.arange(6).reshape(2, 3)
    assert x.reshape(3, 2).data_ptr() == x.data_ptr()
    assert x.t().reshape(6).data_ptr() != x.data_ptr()
    assert x.t().reshape(6).tolist() == [0, 3, 1, 4, 2, 5]
    assert x.contiguous() is x and x.t().contiguous() is not x
    assert torch.flatten(torch.tensor(3)).shape == (1,)
    assert x.reshape(-1, 2).shape == (3, 2)
    assert x.ravel().data_ptr() == x.data_ptr()


@pytest.mark.parametrize(
    "make, phrase",
    [
        (lambda x: x.t().view(6), "view size is not compatible with input tensor's size and stri"),
        (lambda x: x.view(4, 2), r"shape '\[4, 2\]' is invalid for input of size 6"),
        (lambda x: x.view(-1, -1), "only one dimension can be inferred"),
        (lambda x: x.view(-1, 4), r"shape '\[-1, 4\]' is invalid for input of size 6"),
        (lambda x: x.expand(3, 3), "expanded size of the tensor .* must match the existing size"),
        (lambda x: x.expand(3), "number of sizes provided .* must be greater or equal"),
        (lambda x: x.permute(0, 0), "(repeated|duplicate) dim|dim"),
        (lambda x: x.permute(0), "number of dimensions in the tensor input does not match|permute"),
        (lambda x: torch.ones(2, 2, 2).t(), "expects a tensor with <= 2 dimensions"),
        (lambda x: x.as_strided((9,), (9,)), "out of bounds for storage of size"),
        (lambda x: x.as_strided((2,), (-1,)), "[Nn]egative strides are not supported"),
        (lambda x: x.unfold(1, 4, 1), "maximum size for tensor at dimension 1 is 3 but size is 4"),
        (lambda x: x.split(0), "split_size can only be 0 if dimension size is 0"),
        (
            lambda x: x.split([1, 2], 1) and x.split([1, 1], 1),
            "split_with_sizes expects split_sizes",
        ),
        (lambda x: x.unflatten(1, (2, 2)), "don't multiply up to the size of dim 1"),
    ],
)
def test_refused(make, phrase):
    with pytest.raises(RuntimeError, match=phrase):
        make(torch.arange(6).reshape(2, 3))


def test_dimensions_out_of_range():
    x = torch.ones(2, 3)
    for call in (
        lambda: x.transpose(0, 2),
        lambda: x.unsqueeze(3),
        lambda: x.squeeze(2),
        lambda: x.sum(-3),
        lambda: x.size(2),
        lambda: x.stride(2),
    ):
        with pytest.raises(
            IndexError, match="Dimension out of range \\(expected to be in range of"
        ):
            call()


def test_bases_and_versions():
    x = torch.zeros(4)
    a, b = x[:2], x[1:]
    c = a[1:]
    assert c._base is x and a._base is x and x._base is None
    c.add_(1)
    assert x._version == a._version == b._version == c._version == 1
    assert x.tolist() == [0, 1, 0, 0] and b.tolist() == [1, 0, 0]
    d = x.detach()
    d.add_(1)
    assert x._version == 2 and x.data._version == 0
    x.data.add_(1)
    assert x._version == 2 and x.tolist() == [2, 3, 2, 2]


def test_view_of_a_view_writes_through_pending_values():
    x = torch.zeros(3, 3)
    rows = x.unbind(0)
    for i, row in enumerate(rows):
        row += i
    x.t()[0].mul_(10)
    assert x.tolist() == [[0, 0, 0], [10, 1, 1], [20, 2, 2]]
    x.diagonal().copy_(torch.tensor([7.0, 8.0, 9.0]))
    assert x.trace() == 24
    x[:, 1:][1:] = x[:2, :2] * 1
    assert x.tolist() == [[7, 0, 0], [10, 7, 0], [20, 10, 8]]


def test_overlapping_reads():
    x = torch.arange(5.0)
    w = x.as_strided((3, 3), (1, 1))
    assert w.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert (w * 2).sum() == 36
    x[2] = 10
    assert w[0, 2] == w[1, 1] == w[2, 0] == 10


def test_storages():
    x = torch.arange(6, dtype=torch.int16)
    v = x[2:4]
    s = v.untyped_storage()
    assert s.nbytes() == 12 and len(s) == 12
    assert s.data_ptr() == x.untyped_storage().data_ptr()
    y = torch.empty(0, dtype=torch.int16).set_(x.untyped_storage(), 1, (2, 2), (2, 1))
    assert y.tolist() == [[1, 2], [3, 4]]
    y[0, 0] = 9
    assert x[1] == 9
    z = torch.empty(0, dtype=torch.int16)
    z.set_(x)
    assert z.is_set_to(x) and not z.is_set_to(v)


def test_resize():
    x = torch.arange(4)
    x.resize_(2, 2)
    assert x.tolist() == [[0, 1], [2, 3]]
    x.resize_(6)
    assert x.shape == (6,) and x[:4].tolist() == [0, 1, 2, 3]
    assert torch.zeros(3, 2).t().resize_(2, 3).stride() == (1, 2)  # its shape already
    x.resize_as_(torch.empty(1, 2))
    assert x.tolist() == [[0, 1]]
    with pytest.raises(RuntimeError, match="cannot resize variables that require grad"):
        torch.ones(2, requires_grad=True).resize_(3)


def test_in_place_changes_of_geometry():
    x = torch.arange(6).reshape(2, 3)
    x.t_()
    assert x.shape == (3, 2) and x.stride() == (1, 3)
    x.transpose_(0, 1).unsqueeze_(0).squeeze_(0)
    assert x.shape == (2, 3) and x.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_sizes():
    s = torch.zeros(2, 3, 4).shape
    assert isinstance(s, torch.Size) and isinstance(s, tuple) and s.numel() == 24
    assert repr(s) == "torch.Size([2, 3, 4])" and s[1:] == (3, 4)
    assert isinstance(s[1:], torch.Size) and isinstance(s + (1,), torch.Size)
    x = torch.zeros(2, 3, 4)
    assert x.size() == s and x.size(-1) == 4 and x.dim() == x.ndim == 3
    assert x.numel() == x.nelement() == torch.numel(x) == 24


def test_a_view_of_nothing_still_asks_for_its_history():
    def view(write):
        x = torch.ones(0, 1, requires_grad=True) * 1
        with torch.no_grad():
            transposed = x.t()
        if write:
            x.exp_()
        return transposed.unbind(1)

    assert view(write=False) == ()
    for _ in range(2):  # the second call goes another way
        with pytest.raises(RuntimeError, match="view was created in no_grad mode"):
            view(write=True)
