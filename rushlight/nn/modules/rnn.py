"""Recurrent layers over sequences; the cells that compute one step are in _rnn_cells.py."""

from __future__ import annotations

import numbers
import warnings
from typing import Any

from ... import frontend as rl
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from ._declare import new_parameter, rehome, shows, warn_deprecated
from ._rnn_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase, draw_uniform
from .module import Module

__all__ = ["RNNBase", "RNN", "LSTM", "GRU", "RNNCellBase", "RNNCell", "LSTMCell", "GRUCell"]

rehome(__name__, RNNCellBase, RNNCell, LSTMCell, GRUCell)

# mode -> (function that runs the layers, gates of a cell, name in messages)
_MODES = {
    "LSTM": ("lstm", 4, "LSTM"),
    "GRU": ("gru", 3, "GRU"),
    "RNN_TANH": ("rnn_tanh", 1, "RNN"),
    "RNN_RELU": ("rnn_relu", 1, "RNN"),
}


def apply_permutation(tensor, permutation, dim: int = 1):
    """Deprecated: the same as ``tensor.index_select(dim, permutation)``."""
    warn_deprecated(
        "`apply_permutation` is deprecated, please use `tensor.index_select(dim, permutation)` "
        "instead"
    )
    return tensor.index_select(dim, permutation)


class RNNBase(Module):
    """Layers of recurrent cells, in one or both directions.

    A call takes the input, (L, N, H), (N, L, H) with `batch_first`, (L, H), or a PackedSequence,
    and the state, (num_layers * num_directions, N, H'), without N for (L, H); None: zeros. It
    returns the outputs of the last layer and the last state of each layer.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size: size of an input at one time.
        hidden_size: size of the state.
        num_layers: how many layers; each takes the outputs of the one before.
        bias: whether cells add biases.
        batch_first: whether batches come as (N, L, H).
        dropout: probability of dropping an output between layers, in training.
        bidirectional: whether there is a second direction; outputs are concatenated.
        proj_size: for LSTM: size to which outputs and state are projected; 0: they are not.
        device, dtype: of the parameters; None: the defaults.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_hr_l0: of the first layer, and so
            on; those of the second direction end in ``_reverse``. All are drawn from U(-k, k) with
            k = 1 / sqrt(hidden_size).
    """

    proj_size: int = 0  # pickles from before 1.8 lack it
    _num_states = 1

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        _check_dropout(dropout, num_layers)
        _check_type("bias", bias, bool)
        _check_type("batch_first", batch_first, bool)
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            _check_type(name, size, int)
            _check_positive(name, size)
        _check_positive("num_layers", num_layers)
        if proj_size < 0:
            raise ValueError(
                "proj_size should be a positive integer or zero to disable projections"
            )
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if mode not in _MODES:
            raise ValueError(f"Unrecognized RNN mode: {mode}")
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[: self._num_directions]:
                self._create_weights(layer, suffix, device, dtype)
        self.reset_parameters()

    def _create_weights(self, layer: int, suffix: str, device, dtype) -> None:
        gates = _MODES[self.mode][1] * self.hidden_size
        output_size = self.proj_size or self.hidden_size
        input_size = self.input_size if layer == 0 else output_size * self._num_directions
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (gates, input_size),
            "weight_hh": (gates, output_size),
        }
        if self.bias:
            shapes.update(bias_ih=(gates,), bias_hh=(gates,))
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = [f"{name}_l{layer}{suffix}" for name in shapes]
        for name, shape in zip(names, shapes.values(), strict=True):
            setattr(self, name, new_parameter(shape, device, dtype))
        self._all_weights.append(names)

    @property
    def _num_directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        """The weights as the layers' function takes them, also where hooks replaced parameters."""
        return [getattr(self, name) for name in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Nothing to do: weights are used where they lie. (In PyTorch it serves cuDNN.)"""

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        draw_uniform(self)

    # -- checks

    def check_input(self, input, batch_sizes) -> None:
        """Raise ValueError for an input of another dtype, RuntimeError for another shape."""
        dtype = self._flat_weights[0].dtype
        if input.dtype != dtype and not rl.is_autocast_enabled(input.device.type):
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}). "
                f"Convert input: input.to({dtype}), or convert model: model.to({input.dtype})"
            )
        expected = 3 if batch_sizes is None else 2
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, "
                f"got {input.size(-1)}"
            )

    def _state_size(self, input, batch_sizes, size: int) -> tuple[int, int, int]:
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.size(0 if self.batch_first else 1)
        return self.num_layers * self._num_directions, batch, size

    def get_expected_hidden_size(self, input, batch_sizes) -> tuple[int, int, int]:
        """The shape of the state for this input."""
        return self._state_size(input, batch_sizes, self.proj_size or self.hidden_size)

    def check_hidden_size(
        self, hx, expected_hidden_size, msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Raise RuntimeError for a state of another shape."""
        if tuple(hx.size()) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.size())))

    def check_forward_args(self, input, hidden, batch_sizes) -> None:
        """Raise RuntimeError or ValueError for an input or state that does not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def _check_state_dims(self, hx, is_batched: bool) -> None:
        expected, kind = (3, "batched") if is_batched else (2, "unbatched")
        if hx.dim() != expected:
            raise RuntimeError(
                f"For {kind} {expected}-D input, hx should also be {expected}-D but got "
                f"{hx.dim()}-D tensor"
            )

    # -- forward

    def permute_hidden(self, hx, permutation):
        """The state with its batch reordered; None: as it is."""
        if permutation is None:
            return hx
        return self._map_state(lambda h: h.index_select(1, permutation), hx)

    def _map_state(self, function, hx):
        return function(hx)

    def _zero_state(self, input, batch_sizes):
        return self._zeros(self.get_expected_hidden_size(input, batch_sizes), input)

    @staticmethod
    def _zeros(size, input):
        return rl.zeros(size, dtype=input.dtype, device=input.device)

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{_MODES[self.mode][2]}: Expected input to be 2D or 3D, got {input.dim()}D instead"
            )
        is_batched = input.dim() == 3
        batch_dim = 0 if self.batch_first else 1
        if not is_batched:
            input = input.unsqueeze(batch_dim)
        if hx is None:
            hx = self._zero_state(input, None)
        else:
            self._check_state_dims(hx, is_batched)
            if not is_batched:
                hx = self._map_state(lambda h: h.unsqueeze(1), hx)
        self.check_forward_args(input, hx, None)
        output, hidden = self._run((input, hx), (self.batch_first,))
        if not is_batched:
            output = output.squeeze(batch_dim)
            hidden = self._map_state(lambda h: h.squeeze(1), hidden)
        return output, hidden

    def _forward_packed(self, packed: PackedSequence, hx):
        input, batch_sizes, sorted_indices, unsorted_indices = packed
        if hx is None:
            hx = self._zero_state(input, batch_sizes)
        else:
            hx = self.permute_hidden(hx, sorted_indices)
        self.check_forward_args(input, hx, batch_sizes)
        output, hidden = self._run((input, batch_sizes, hx), ())
        output = PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices)
        return output, self.permute_hidden(hidden, unsorted_indices)

    def _run(self, inputs: tuple, batch_first: tuple):
        """Returns: the output and the state."""
        function = getattr(rl, _MODES[self.mode][0])
        output, *states = function(
            *inputs,
            self._flat_weights,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
            *batch_first,
        )
        return output, tuple(states) if self._num_states > 1 else states[0]

    extra_repr = shows(
        "{input_size}, {hidden_size}",
        proj_size=0,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0,
        bidirectional=False,
    )

    def __getstate__(self):
        state = super().__getstate__()
        # PyTorch's class keeps these as attributes.
        state["_flat_weights_names"] = self._flat_weights_names
        state["_flat_weights"] = self._flat_weights
        return state

    def __setstate__(self, state):
        computed = ("_flat_weights_names", "_flat_weights", "_flat_weight_refs")
        super().__setstate__({k: v for k, v in state.items() if k not in computed})


def _check_dropout(dropout, num_layers: int) -> None:
    is_number = isinstance(dropout, numbers.Number) and not isinstance(dropout, bool)
    if not is_number or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            "being zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={num_layers}",
            stacklevel=4,
        )


def _check_type(name: str, value, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")


def _check_positive(name: str, value: int) -> None:
    if value <= 0:
        raise ValueError(f"{name} must be greater than zero")


def _check_no_projection(proj_size) -> None:
    if proj_size is not None:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """Elman's network: ``h' = tanh(W_ih @ x + b_ih + W_hh @ h + b_hh)``.

    Args:
        input_size: size of an input at one time.
        hidden_size: size of the state.
        num_layers: how many layers; each takes the outputs of the one before.
        nonlinearity: "tanh" or "relu".
        bias: whether cells add biases.
        batch_first: whether batches come as (N, L, H).
        dropout: probability of dropping an output between layers, in training.
        bidirectional: whether there is a second direction.
        device, dtype: of the parameters; None: the defaults.

    Shape, attributes: see RNNBase.

    >>> import rushlight as torch
    >>> output, state = torch.nn.RNN(10, 20, 2)(torch.zeros(5, 3, 10))
    >>> output.shape, state.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device=None,
        dtype=None,
        *,
        proj_size=None,
    ) -> None:
        _check_no_projection(proj_size)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory: a state h and a memory c that gates write, keep and show.

    With i, f, g, o the four gates, computed like the state of RNN (sigmoids, and tanh for g):
    ``c' = f * c + i * g`` and ``h' = o * tanh(c')``.

    Args:
        input_size: size of an input at one time.
        hidden_size: size of state and memory.
        num_layers: how many layers; each takes the outputs of the one before.
        bias: whether cells add biases.
        batch_first: whether batches come as (N, L, H).
        dropout: probability of dropping an output between layers, in training.
        bidirectional: whether there is a second direction.
        proj_size: size to which outputs and state are projected; 0: they are not.
        device, dtype: of the parameters; None: the defaults.

    Shape, attributes: see RNNBase; the state is a tuple (h, c).

    Source: Hochreiter, Schmidhuber 1997; with projections: Sak, Senior, Beaufays 2014,
        arXiv:1402.1128.

    >>> import rushlight as torch
    >>> output, (h, c) = torch.nn.LSTM(10, 20, 2)(torch.zeros(5, 3, 10))
    >>> output.shape, h.shape, c.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    _num_states = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )

    def get_expected_cell_size(self, input, batch_sizes) -> tuple[int, int, int]:
        """The shape of the memory for this input."""
        return self._state_size(input, batch_sizes, self.hidden_size)

    def check_forward_args(self, input, hidden, batch_sizes) -> None:
        """Raise RuntimeError or ValueError for an input, state or memory that does not fit."""
        self.check_input(input, batch_sizes)
        sizes = (
            self.get_expected_hidden_size(input, batch_sizes),
            self.get_expected_cell_size(input, batch_sizes),
        )
        for i, size in enumerate(sizes):
            self.check_hidden_size(hidden[i], size, f"Expected hidden[{i}] size {{}}, got {{}}")

    def _check_state_dims(self, hx, is_batched: bool) -> None:
        expected, kind = (3, "batched") if is_batched else (2, "unbatched")
        dims = tuple(h.dim() for h in hx)
        if dims != (expected, expected):
            raise RuntimeError(
                f"For {kind} {expected}-D input, hx and cx should also be {expected}-D but got "
                f"({', '.join(f'{d}-D' for d in dims)}) tensors"
            )

    def _map_state(self, function, hx):
        return function(hx[0]), function(hx[1])

    def _zero_state(self, input, batch_sizes):
        return (
            self._zeros(self.get_expected_hidden_size(input, batch_sizes), input),
            self._zeros(self.get_expected_cell_size(input, batch_sizes), input),
        )


class GRU(RNNBase):
    """Gated recurrent units: an update gate z mixes the old state with a new one.

    With r the reset gate: ``n = tanh(W_in @ x + b_in + r * (W_hn @ h + b_hn))`` and
    ``h' = (1 - z) * n + z * h``.

    Args:
        input_size: size of an input at one time.
        hidden_size: size of the state.
        num_layers: how many layers; each takes the outputs of the one before.
        bias: whether cells add biases.
        batch_first: whether batches come as (N, L, H).
        dropout: probability of dropping an output between layers, in training.
        bidirectional: whether there is a second direction.
        device, dtype: of the parameters; None: the defaults.

    Shape, attributes: see RNNBase.

    Source: Cho et al. 2014, arXiv:1406.1078; with r applied after the product, as in cuDNN.

    >>> import rushlight as torch
    >>> output, state = torch.nn.GRU(10, 20, 2)(torch.zeros(5, 3, 10))
    >>> output.shape, state.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device=None,
        dtype=None,
        *,
        proj_size=None,
    ) -> None:
        _check_no_projection(proj_size)
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )
