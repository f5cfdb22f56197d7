"""Attention and recurrent layers against the same computation written with plain operators."""

import math

import numpy as np
import pytest

import rushlight as torch
import rushlight.nn.functional as F


def close(a, b, atol=1e-6):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), atol=atol)


def plain_attention(q, k, v, mask):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return torch.softmax(scores + mask, -1) @ v


def test_attention_equals_its_formula_with_gradients():
    torch.manual_seed(0)
    shapes = ((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 7))
    first = [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]
    second = [t.detach().clone().requires_grad_() for t in first]
    mask = torch.randn(4, 6, dtype=torch.float64)
    close(F.scaled_dot_product_attention(*first, mask), plain_attention(*second, mask))
    F.scaled_dot_product_attention(*first, mask).sum().backward()
    plain_attention(*second, mask).sum().backward()
    for a, b in zip(first, second, strict=True):
        close(a.grad, b.grad)


def test_causal_and_fully_masked_rows():
    q = torch.randn(1, 3, 4)
    out = F.scaled_dot_product_attention(q, q, q, is_causal=True)
    close(out[:, 0], q[:, 0])
    nothing = F.scaled_dot_product_attention(q, q, q, torch.zeros(3, 3, dtype=torch.bool))
    assert nothing.abs().sum().item() == 0
    with pytest.raises(RuntimeError, match="Explicit attn_mask should not be set"):
        F.scaled_dot_product_attention(q, q, q, torch.zeros(3, 3), is_causal=True)


def test_grouped_queries_share_keys():
    q, k = torch.randn(2, 4, 3, 5), torch.randn(2, 2, 3, 5)
    full = torch.stack([k, k], 2).reshape(2, 4, 3, 5)
    close(
        F.scaled_dot_product_attention(q, k, k, enable_gqa=True),
        F.scaled_dot_product_attention(q, full, full),
    )


def weights(gates, inputs, hidden):
    shapes = (
        (gates * hidden, inputs),
        (gates * hidden, hidden),
        (gates * hidden,),
        (gates * hidden,),
    )
    return [torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes]


def plain_lstm(x, h, c, w_ih, w_hh, b_ih, b_hh):
    outs = []
    for step in x:
        i, f, g, o = (step @ w_ih.T + b_ih + h @ w_hh.T + b_hh).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outs.append(h)
    return torch.stack(outs), h, c


def plain_gru(x, h, w_ih, w_hh, b_ih, b_hh):
    outs = []
    for step in x:
        xr, xz, xn = (step @ w_ih.T + b_ih).chunk(3, 1)
        hr, hz, hn = (h @ w_hh.T + b_hh).chunk(3, 1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        h = (1 - z) * torch.tanh(xn + r * hn) + z * h
        outs.append(h)
    return torch.stack(outs), h


def gradients(outs, tensors):
    return torch.autograd.grad(sum((o * o).sum() for o in outs), tensors)


@pytest.mark.parametrize("mode", ["lstm", "gru"])
def test_recurrent_layers_equal_their_loops(mode):
    torch.manual_seed(0)
    x = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    states = [
        torch.randn(1, 2, 4, dtype=torch.float64, requires_grad=True)
        for _ in range(2 if mode == "lstm" else 1)
    ]
    params = weights(4 if mode == "lstm" else 3, 3, 4)
    hx = tuple(states) if mode == "lstm" else states[0]
    got = getattr(torch, mode)(x, hx, params, True, 1, 0.0, False, False, False)
    plain = {"lstm": plain_lstm, "gru": plain_gru}[mode]
    wanted = plain(x, *(s[0] for s in states), *params)
    for a, b in zip(got, wanted, strict=True):
        close(a.reshape(b.shape), b)
    tensors = [x, *states, *params]
    for a, b in zip(gradients(got, tensors), gradients(wanted, tensors), strict=True):
        close(a, b)


def test_packed_sequences_equal_single_ones_in_both_directions():
    torch.manual_seed(0)
    long, short = torch.randn(3, 2), torch.randn(2, 2)
    data = torch.stack([long[0], short[0], long[1], short[1], long[2]])
    params = [torch.randn(s) for _ in range(2) for s in ((3, 2), (3, 3), (3,), (3,))]
    h = torch.randn(2, 2, 3)
    out, last = torch.rnn_tanh(data, torch.tensor([2, 2, 1]), h, params, True, 1, 0.0, False, True)
    for i, sequence in enumerate((long, short)):
        alone, end = torch.rnn_tanh(
            sequence[:, None],
            h[:, i : i + 1].contiguous(),
            params,
            True,
            1,
            0.0,
            False,
            True,
            False,
        )
        rows = [0, 2, 4] if i == 0 else [1, 3]
        close(out[rows], alone[:, 0])
        close(last[:, i], end[:, 0])


def test_cells_are_single_steps():
    torch.manual_seed(0)
    x, h, c = torch.randn(2, 3), torch.randn(2, 4), torch.randn(2, 4)
    params = [torch.randn(s) for s in ((16, 3), (16, 4), (16,), (16,))]
    got = torch.lstm_cell(x, (h, c), *params)
    out, last_h, last_c = torch.lstm(
        x[None], (h[None], c[None]), params, True, 1, 0.0, False, False, False
    )
    close(got[0], last_h[0])
    close(got[1], last_c[0])


def test_recurrent_errors():
    params = [torch.zeros(3, 2), torch.zeros(3, 3)]
    with pytest.raises(RuntimeError, match=r"input.size\(-1\) must be equal to input_size"):
        torch.rnn_tanh(
            torch.zeros(1, 1, 5), torch.zeros(1, 1, 3), params, False, 1, 0.0, False, False, False
        )
