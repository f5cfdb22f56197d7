"""Recurrent networks: LSTM, GRU and Elman layers over sequences, and their cells.

A layer in one direction is one record, unrolled in time.  Rows are (time, batch) pairs; `sizes`
lists
how many sequences are alive at each time, so padded and packed input share the code.  The gradient
walks back through time for the states, then forms every weight gradient as one product of all rows.
"""

import itertools
from typing import NamedTuple

from ..ir import lang as L
from .numeric import wide
from .record import T, composite, operator


class _Weights(NamedTuple):
    """Of one layer in one direction, in the compute type; None where absent."""

    w_ih: object
    w_hh: object
    b_ih: object
    b_hh: object
    w_hr: object


class _Step(NamedTuple):
    """What the gradient wants to know about one time: `h`, `c` before, the rest after."""

    h: object
    c: object
    parts: tuple


# ------------------------------------------------------------------------------------- cells
def _plus(x, bias):
    return x if bias is None else x + L.broadcast(bias, x.shape)


def _times(x, weight):
    """x @ weight.T."""
    return L.dot(x, L.transpose(weight))


def _split(x, count):
    size = x.shape[1] // count
    return [L.slice_axis(x, 1, i * size, (i + 1) * size) for i in range(count)]


def _elman(activation):
    def forward(gx, h, c, w):
        return activation(gx + _plus(_times(h, w.w_hh), w.b_hh)), None, ()
    return forward


def _relu(x):
    return L.where(x <= 0, L.like(x, 0), x)


def _elman_gradient(slope):
    def backward(dh, dc, step, h, c, w):
        """(cotangents of gx, of the hidden product, extra for h, for c; rows for w_hr)."""
        gates = dh * slope(h)
        return gates, gates, None, None, None
    return backward


def _lstm(gx, h, c, w):
    i, f, g, o = _split(gx + _plus(_times(h, w.w_hh), w.b_hh), 4)
    i, f, g, o = L.sigmoid(i), L.sigmoid(f), L.tanh(g), L.sigmoid(o)
    c = f * c + i * g
    t = L.tanh(c)
    raw = o * t
    return (raw if w.w_hr is None else _times(raw, w.w_hr)), c, (i, f, g, o, t, raw)


def _lstm_gradient(dh, dc, step, h, c, w):
    i, f, g, o, t, raw = step.parts
    rows = None
    if w.w_hr is not None:
        rows, dh = (dh, raw), L.dot(dh, w.w_hr)
    dc = dc + dh * o * (1 - t * t)
    gates = L.concat([dc * g * i * (1 - i), dc * step.c * f * (1 - f), dc * i * (1 - g * g),
                      dh * t * o * (1 - o)], 1)
    return gates, gates, None, dc * f, rows


def _gru(gx, h, c, w):
    xr, xz, xn = _split(gx, 3)
    hr, hz, hn = _split(_plus(_times(h, w.w_hh), w.b_hh), 3)
    r, z = L.sigmoid(xr + hr), L.sigmoid(xz + hz)
    n = L.tanh(xn + r * hn)
    return n + z * (h - n), None, (r, z, n, hn)


def _gru_gradient(dh, dc, step, h, c, w):
    r, z, n, hn = step.parts
    to_n = dh * (1 - z) * (1 - n * n)
    to_r = to_n * hn * r * (1 - r)
    to_z = dh * (step.h - n) * z * (1 - z)
    return L.concat([to_r, to_z, to_n], 1), L.concat([to_r, to_z, to_n * r], 1), dh * z, None, None


_CELLS = {
    "rnn_tanh": (_elman(L.tanh), _elman_gradient(lambda h: 1 - h * h)),
    "rnn_relu": (_elman(_relu), _elman_gradient(lambda h: L.cast(h > 0, h.dtype))),
    "lstm": (_lstm, _lstm_gradient),
    "gru": (_gru, _gru_gradient),
}


# ------------------------------------------------------------------------------------ layers
def _resized(state, size, initial, dropped):
    """The state of `size` sequences: new ones start from `initial`, ended ones go to `dropped`."""
    if state is None or state.shape[0] == size:
        return state
    if state.shape[0] > size:
        dropped.append(L.slice_axis(state, 0, size, state.shape[0]))
        return L.slice_axis(state, 0, 0, size)
    return L.concat([state, L.slice_axis(initial, 0, state.shape[0], size)], 0)


def _whole(state, dropped):
    """The last state of every sequence: those still alive, then those that ended."""
    return state if state is None or not dropped else L.concat([state, *reversed(dropped)], 0)


def _order(sizes, reverse):
    times = range(len(sizes))
    return list(reversed(times)) if reverse else list(times)


def _rows(values, sizes):
    """Slices of rows per time."""
    ends = list(itertools.accumulate(sizes))
    return [L.slice_axis(values, 0, end - size, end) for end, size in zip(ends, sizes, strict=True)]


def _run(rows, sizes, h0, c0, w, mode, reverse):
    """(outputs per time, last h, last c, steps per time)."""
    forward = _CELLS[mode][0]
    gates = _rows(_plus(_times(rows, w.w_ih), w.b_ih), sizes)
    order = _order(sizes, reverse)
    first = sizes[order[0]]
    h, c = (None if s is None else L.slice_axis(s, 0, 0, first) for s in (h0, c0))
    outs, steps, ended_h, ended_c = [None] * len(sizes), [None] * len(sizes), [], []
    for t in order:
        h, c = _resized(h, sizes[t], h0, ended_h), _resized(c, sizes[t], c0, ended_c)
        before = (h, c)
        h, c, parts = forward(gates[t], h, c, w)
        outs[t], steps[t] = (h, c), _Step(*before, parts)
    return outs, _whole(h, ended_h), _whole(c, ended_c), steps


def _run_back(grads, rows, sizes, h0, c0, w, mode, reverse):
    """Cotangents of rows, h0, c0 and weights, given those of (outputs as rows, last h, last c)."""
    outs, last_h, last_c, steps = _run(rows, sizes, h0, c0, w, mode, reverse)
    backward = _CELLS[mode][1]
    g_out, g_h, g_c = grads
    g_h = L.like(last_h, 0) if g_h is None else g_h
    g_c = g_c if g_c is not None or last_c is None else L.like(last_c, 0)
    g_rows = None if g_out is None else _rows(g_out, sizes)
    order = _order(sizes, reverse)[::-1]
    first = sizes[order[0]]
    dh, dc = (None if s is None else L.slice_axis(s, 0, 0, first) for s in (g_h, g_c))
    to_x, to_h, projected, ended_h, ended_c = [None] * len(sizes), [None] * len(sizes), [], [], []
    for t in order:
        dh, dc = _resized(dh, sizes[t], g_h, ended_h), _resized(dc, sizes[t], g_c, ended_c)
        dh = dh if g_rows is None else dh + g_rows[t]
        to_x[t], to_h[t], extra, dc, pair = backward(dh, dc, steps[t], *outs[t], w)
        dh = L.dot(to_h[t], w.w_hh)
        dh = dh if extra is None else dh + extra
        projected += [] if pair is None else [pair]
    found = _weight_gradients(L.concat(to_x, 0), L.concat(to_h, 0), rows,
                              L.concat([s.h for s in steps], 0), projected, w)
    found.update(h0=_whole(dh, ended_h), c0=_whole(dc, ended_c))
    return found


def _weight_gradients(to_x, to_h, rows, states, projected, w):
    found = {"rows": L.dot(to_x, w.w_ih), "w_ih": L.dot(L.transpose(to_x), rows),
             "w_hh": L.dot(L.transpose(to_h), states)}
    if w.b_ih is not None:
        found["b_ih"], found["b_hh"] = L.sum_(to_x, [0]), L.sum_(to_h, [0])
    if projected:
        given, raw = (L.concat(list(part), 0) for part in zip(*projected, strict=True))
        found["w_hr"] = L.dot(L.transpose(given), raw)
    return found


# ----------------------------------------------------------------------------------- records
def _prepared(input, sizes, h0, c0, *weights):
    """(rows, sizes, h0, c0, weights) in the compute type."""
    sizes = sizes if sizes is not None else (input.shape[1],) * input.shape[0]
    x = wide(input)
    rows = x if x.ndim == 2 else L.reshape(x, (x.shape[0] * x.shape[1], x.shape[2]))
    return rows, sizes, wide(h0), wide(c0), _Weights(*map(wide, weights))


def _layer_gradient(grads, outputs, input, sizes, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, mode,
                    reverse):
    ready = _prepared(input, sizes, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)
    g_out, g_h, *rest = [wide(g) for g in grads]
    if g_out is not None and g_out.ndim == 3:
        g_out = L.reshape(g_out, (g_out.shape[0] * g_out.shape[1], g_out.shape[2]))
    found = _run_back((g_out, g_h, rest[0] if rest else None), *ready, mode, reverse)
    found["input"] = L.reshape(found.pop("rows"), input.shape)
    return found


@operator("_rnn_layer(Tensor input, int[]? sizes, Tensor h0, Tensor? c0, Tensor w_ih, Tensor w_hh, "
          "Tensor? b_ih, Tensor? b_hh, Tensor? w_hr, str mode, bool reverse) -> (Tensor, Tensor, "
          "Tensor)",
          variants="internal", vjp=_layer_gradient)
def rnn_layer(input, sizes, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, mode, reverse):
    """One layer in one direction: (outputs, last h[, last c]).

    `input` is (T, B, I), or packed rows (sum of sizes, I) with the batch size at each time.
    """
    ready = _prepared(input, sizes, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr)
    outs, h, c, _ = _run(*ready, mode, reverse)
    out = L.concat([o for o, _ in outs], 0)
    if input.ndim == 3:
        out = L.reshape(out, (*input.shape[:2], out.shape[1]))
    return tuple(L.cast(v, input.dtype) for v in (out, h, c) if v is not None)


def _cell_gradient(mode):
    def gradient(grads, outputs, input, hx, w_ih, w_hh, b_ih, b_hh):
        h, c = hx if mode == "lstm" else (hx, None)
        ready = _prepared(input, (input.shape[0],), h, c, w_ih, w_hh, b_ih, b_hh, None)
        g = [wide(x) for x in grads] + [None]
        found = _run_back((None, g[0], g[1]), *ready, mode, False)
        found["input"] = found.pop("rows")
        to_h, to_c = found.pop("h0"), found.pop("c0")
        found["hx"] = [to_h, to_c] if mode == "lstm" else to_h
        return found
    return gradient


def _check_cell(input, h, w_ih, w_hh, gates):
    if input.ndim != 2 or h.ndim != 2:
        raise RuntimeError(f"expected 2-D input and hidden state, got {input.ndim}-D and "
                           f"{h.ndim}-D")
    if input.shape[1] != w_ih.shape[1]:
        raise RuntimeError(f"input has inconsistent input_size: got {input.shape[1]} expected "
                           f"{w_ih.shape[1]}")
    if h.shape != (input.shape[0], w_hh.shape[1]):
        raise RuntimeError(f"hidden has inconsistent hidden_size: got {list(h.shape)}, expected "
                           f"[{input.shape[0]}, {w_hh.shape[1]}]")
    if w_ih.shape[0] != gates * w_hh.shape[1] or w_hh.shape[0] != gates * w_hh.shape[1]:
        raise RuntimeError(f"weights should have {gates} gates of {w_hh.shape[1]} rows, got "
                           f"{list(w_ih.shape)} and {list(w_hh.shape)}")


def _cell(name, mode, gates, doc):
    def body(input, hx, w_ih, w_hh, b_ih, b_hh):
        h, c = hx if mode == "lstm" else (hx, None)
        _check_cell(input, h, w_ih, w_hh, gates)
        ready = _prepared(input, (input.shape[0],), h, c, w_ih, w_hh, b_ih, b_hh, None)
        _, h, c, _ = _run(*ready, mode, False)
        return tuple(L.cast(v, input.dtype) for v in (h, c) if v is not None)
    body.__doc__ = doc
    state = "Tensor[]" if mode == "lstm" else "Tensor"
    result = "(Tensor, Tensor)" if mode == "lstm" else "Tensor"
    operator(f"{name}(Tensor input, {state} hx, Tensor w_ih, Tensor w_hh, Tensor? b_ih=None, "
             f"Tensor? b_hh=None) -> {result}", variants="function", vjp=_cell_gradient(mode))(body)


_cell("lstm_cell", "lstm", 4, "One step of an LSTM: (h, c) after, given hx = [h, c]; rows i, f, g, "
                              "o.")
_cell("gru_cell", "gru", 3, "One step of a GRU; rows r, z, n of the weights.")
_cell("rnn_tanh_cell", "rnn_tanh", 1, "``tanh(w_ih x + b_ih + w_hh h + b_hh)``.")
_cell("rnn_relu_cell", "rnn_relu", 1, "``relu(w_ih x + b_ih + w_hh h + b_hh)``.")


# ---------------------------------------------------------------------------- whole networks
def _layer_weights(params, has_biases, projected):
    """Per layer and direction: (w_ih, w_hh, b_ih, b_hh, w_hr)."""
    count = 2 + 2 * has_biases + projected
    if len(params) % count:
        raise RuntimeError(f"got an incorrect number of RNN parameters: {len(params)}, expected a "
                           f"multiple of {count}")
    groups = [list(params[i:i + count]) for i in range(0, len(params), count)]
    return [(g[0], g[1], *(g[2:4] if has_biases else (None, None)), g[-1] if projected else None)
            for g in groups]


def _network(mode, data, sizes, states, params, has_biases, num_layers, dropout, train,
             bidirectional):
    """(output, last states): layers on top of each other, both directions side by side."""
    directions = 2 if bidirectional else 1
    projected = mode == "lstm" and states[0].shape[2] != states[1].shape[2]
    weights = _layer_weights(params, has_biases, projected)
    if len(weights) != num_layers * directions:
        raise RuntimeError(f"got an incorrect number of RNN parameters: {len(params)} for "
                           f"{num_layers} layer(s) in {directions} direction(s)")
    lasts = []
    for layer in range(num_layers):
        outs = []
        for direction in range(directions):
            i = layer * directions + direction
            start = [s[i] for s in states] + [None] * (2 - len(states))
            out, *last = T._rnn_layer(data, sizes, *start, *weights[i], mode, direction == 1)
            outs.append(out)
            lasts.append(last)
        data = outs[0] if directions == 1 else T.cat(outs, -1)
        if dropout > 0 and train and layer < num_layers - 1:
            data = T.dropout(data, dropout, True)
    return (data, *(T.stack(list(s), 0) for s in zip(*lasts, strict=True)))


def _check_sequence(data, params, ndim):
    if data.ndim != ndim:
        raise RuntimeError(f"input must have {ndim} dimensions, got {data.ndim}")
    if data.shape[-1] != params[0].shape[1]:
        raise RuntimeError("input.size(-1) must be equal to input_size. Expected "
                           f"{params[0].shape[1]}, got {data.shape[-1]}")
    if data.dtype is not params[0].dtype:
        raise RuntimeError(f"input and parameters must have the same dtype, got {data.dtype} and "
                           f"{params[0].dtype}")


def _states(mode, hx):
    return list(hx) if mode == "lstm" else [hx]


def _padded(mode, input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
            batch_first):
    data = input.transpose(0, 1) if batch_first else input
    _check_sequence(data, params, 3)
    out, *last = _network(mode, data, None, _states(mode, hx), params, has_biases, num_layers,
                          dropout,
                          train, bidirectional)
    return (out.transpose(0, 1) if batch_first else out, *last)


def _packed(mode, data, batch_sizes, hx, params, has_biases, num_layers, dropout, train,
            bidirectional):
    _check_sequence(data, params, 2)
    return _network(mode, data, batch_sizes.tolist(), _states(mode, hx), params, has_biases,
                    num_layers,
                    dropout, train, bidirectional)


def _declare(mode, doc):
    def body(*args, **kwargs):
        packed = "batch_sizes" in kwargs or len(args) > 3 and isinstance(args[3], list | tuple)
        return (_packed if packed else _padded)(mode, *args, **kwargs)
    body.__doc__ = doc
    composite("function", name=mode)(body)


_SEQUENCE = """ over a sequence.

    Called as (input (T, B, I), hx, params, has_biases, num_layers, dropout, train, bidirectional,
    batch_first) or, for packed sequences, (data, batch_sizes, hx, params, has_biases, num_layers,
    dropout, train, bidirectional).  `params` lists w_ih, w_hh, b_ih, b_hh per layer and direction.

    Returns: (outputs, last hidden state"""
_declare("lstm", "LSTM layers" + _SEQUENCE + ", last cell state); hx is (h, c).")
_declare("gru", "GRU layers" + _SEQUENCE + ").")
_declare("rnn_tanh", "Elman layers with tanh" + _SEQUENCE + ").")
_declare("rnn_relu", "Elman layers with relu" + _SEQUENCE + ").")
