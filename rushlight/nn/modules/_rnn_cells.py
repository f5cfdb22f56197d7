"""Cells that compute one step of a recurrent layer; their home for users and pickles is rnn.py."""

from __future__ import annotations

import math
from typing import Any

from ... import frontend as rl
from .. import init
from ._declare import new_parameter, shows
from .module import Module


def draw_uniform(module: Any) -> None:
    bound = 1.0 / math.sqrt(module.hidden_size) if module.hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNCellBase(Module):
    """The parameters of a cell with `num_chunks` gates.

    A call takes an input, (N, input_size) or (input_size,), and a state, (N, hidden_size) or
    (hidden_size,); None: zeros. It returns the new state.

    Args:
        input_size: size of an input.
        hidden_size: size of the state.
        bias: whether the cell adds biases.
        num_chunks: gates computed from input and state.
        device, dtype: of the parameters; None: the defaults.

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: drawn from U(-k, k) with k = 1 / sqrt(hidden_size).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        size = num_chunks * hidden_size
        self.weight_ih = new_parameter((size, input_size), device, dtype)
        self.weight_hh = new_parameter((size, hidden_size), device, dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, new_parameter(size, device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        draw_uniform(self)

    def _weights(self) -> tuple:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _check_dims(self, what: str, tensor) -> None:
        if tensor.dim() not in (1, 2):
            raise ValueError(
                f"{self._get_name()}: Expected {what} to be 1D or 2D, got {tensor.dim()}D instead"
            )

    def _step(self, function, input, hx):
        """One step of a cell whose state is one tensor."""
        self._check_dims("input", input)
        if hx is not None:
            self._check_dims("hidden", hx)
        is_batched = input.dim() == 2
        if not is_batched:
            input = input.unsqueeze(0)
        if hx is None:
            hx = self._zeros(input)
        elif not is_batched:
            hx = hx.unsqueeze(0)
        result = function(input, hx, *self._weights())
        return result if is_batched else result.squeeze(0)

    def _zeros(self, input):
        return rl.zeros(input.size(0), self.hidden_size, dtype=input.dtype, device=input.device)

    extra_repr = shows("{input_size}, {hidden_size}", bias=True)


class RNNCell(RNNCellBase):
    """One step of RNN.

    Args:
        input_size: size of an input.
        hidden_size: size of the state.
        bias: whether the cell adds biases.
        nonlinearity: "tanh" or "relu".
        device, dtype: of the parameters; None: the defaults.

    Shape, attributes: see RNNCellBase.

    >>> import rushlight as torch
    >>> torch.nn.RNNCell(10, 20)(torch.zeros(3, 10)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        functions = {"tanh": rl.rnn_tanh_cell, "relu": rl.rnn_relu_cell}
        if self.nonlinearity not in functions:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return self._step(functions[self.nonlinearity], input, hx)

    extra_repr = shows("{input_size}, {hidden_size}", bias=True, nonlinearity="tanh")


class LSTMCell(RNNCellBase):
    """One step of LSTM; the state is a tuple (h, c).

    Args:
        input_size: size of an input.
        hidden_size: size of state and memory.
        bias: whether the cell adds biases.
        device, dtype: of the parameters; None: the defaults.

    Shape, attributes: see RNNCellBase.

    >>> import rushlight as torch
    >>> h, c = torch.nn.LSTMCell(10, 20)(torch.zeros(3, 10))
    >>> h.shape, c.shape
    (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        self._check_dims("input", input)
        for i, state in enumerate(() if hx is None else hx):
            self._check_dims(f"hx[{i}]", state)
        is_batched = input.dim() == 2
        if not is_batched:
            input = input.unsqueeze(0)
        if hx is None:
            zeros = self._zeros(input)
            hx = (zeros, zeros)
        elif not is_batched:
            hx = (hx[0].unsqueeze(0), hx[1].unsqueeze(0))
        h, c = rl.lstm_cell(input, hx, *self._weights())
        return (h, c) if is_batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of GRU.

    Args:
        input_size: size of an input.
        hidden_size: size of the state.
        bias: whether the cell adds biases.
        device, dtype: of the parameters; None: the defaults.

    Shape, attributes: see RNNCellBase.

    >>> import rushlight as torch
    >>> torch.nn.GRUCell(10, 20)(torch.zeros(3, 10)).shape
    torch.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        return self._step(rl.gru_cell, input, hx)
