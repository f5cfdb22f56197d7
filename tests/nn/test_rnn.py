"""Recurrent layers, and sequences packed and padded for them."""

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.utils import rnn


def sequences():
    return [torch.arange(n * 2, dtype=torch.float32).reshape(n, 2) + n for n in (2, 4, 1)]


class TestPacking:
    def test_padding(self):
        padded = rnn.pad_sequence(sequences(), batch_first=True, padding_value=-1.0)
        assert padded.shape == (3, 4, 2) and padded[2, 1:].eq(-1).all()
        assert torch.equal(
            rnn.pad_sequence(sequences(), padding_value=-1.0), padded.transpose(0, 1)
        )
        left = rnn.pad_sequence(sequences(), batch_first=True, padding_side="left")
        assert left[2, :3].eq(0).all() and torch.equal(left[2, 3:], sequences()[2])
        lengths = torch.tensor([2, 4, 1])
        for a, b in zip(rnn.unpad_sequence(padded, lengths, True), sequences(), strict=True):
            assert torch.equal(a, b)

    def test_padding_errors(self):
        with pytest.raises(RuntimeError, match="pad_sequence: Expected iterable"):
            rnn.pad_sequence(3)
        with pytest.raises(RuntimeError, match="received an empty list of sequences"):
            rnn.pad_sequence([])
        with pytest.raises(RuntimeError, match="padding_side"):
            rnn.pad_sequence(sequences(), padding_side="top")

    @pytest.mark.parametrize("batch_first", [True, False])
    def test_pack_and_pad(self, batch_first):
        padded = rnn.pad_sequence(sequences(), batch_first=batch_first)
        pack = rnn.pack_padded_sequence(padded, [2, 4, 1], batch_first, enforce_sorted=False)
        assert pack.batch_sizes.tolist() == [3, 2, 1, 1]
        assert pack.sorted_indices.tolist() == [1, 0, 2]
        assert pack.unsorted_indices.tolist() == [1, 0, 2]
        assert pack.data.tolist() == [[4, 5], [2, 3], [1, 2], [6, 7], [4, 5], [8, 9], [10, 11]]
        again, lengths = rnn.pad_packed_sequence(pack, batch_first)
        assert torch.equal(again, padded) and lengths.tolist() == [2, 4, 1]
        longer, _ = rnn.pad_packed_sequence(pack, True, padding_value=7.0, total_length=6)
        assert longer.shape == (3, 6, 2) and longer[0, 2:].eq(7).all()
        with pytest.raises(ValueError, match="Expected total_length to be at least the length"):
            rnn.pad_packed_sequence(pack, total_length=3)

    def test_sorted(self):
        ordered = sorted(sequences(), key=len, reverse=True)
        pack = rnn.pack_sequence(ordered)
        assert pack.sorted_indices is None and pack.unsorted_indices is None
        for a, b in zip(rnn.unpack_sequence(pack), ordered, strict=True):
            assert torch.equal(a, b)
        for a, b in zip(
            rnn.unpack_sequence(rnn.pack_sequence(sequences(), enforce_sorted=False)),
            sequences(),
            strict=True,
        ):
            assert torch.equal(a, b)

    @pytest.mark.parametrize(
        "lengths, message",
        [
            ([2, 4, 1], "must be sorted in decreasing order when `enforce_sorted` is True"),
            ([4, 2, 0], "Length of all samples has to be greater than 0"),
            ([4, 2], "Expected `len.lengths.` to be equal to batch_size"),
        ],
    )
    def test_bad_lengths(self, lengths, message):
        with pytest.raises(RuntimeError, match=message):
            rnn.pack_padded_sequence(torch.zeros(4, 3, 2), lengths)

    def test_gradients(self):
        padded = rnn.pad_sequence(sequences()).requires_grad_()
        pack = rnn.pack_padded_sequence(padded, [2, 4, 1], enforce_sorted=False)
        again, _ = rnn.pad_packed_sequence(pack)
        (again * 2).sum().backward()
        exists = torch.arange(4).unsqueeze(1) < torch.tensor([2, 4, 1])
        assert torch.equal(padded.grad[..., 0], exists * 2.0)

    def test_conversions(self):
        pack = rnn.pack_sequence(sequences(), enforce_sorted=False)
        assert pack.double().data.dtype == torch.float64
        assert pack.to(torch.float16).batch_sizes.dtype == torch.int64
        assert pack.to("cpu") is pack and pack.cpu() is pack and not pack.is_cuda
        assert [getattr(pack, name)().data.dtype for name in ("int", "long", "short", "char")] == [
            torch.int32,
            torch.int64,
            torch.int16,
            torch.int8,
        ]
        with pytest.raises(AssertionError, match="list or tuple of length 2"):
            rnn.PackedSequence(torch.zeros(1))


class TestLayers:
    @pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
    def test_packed_equals_each_alone(self, kind):
        layer = kind(2, 3, num_layers=2, bidirectional=True)
        packed_output, packed_state = layer(rnn.pack_sequence(sequences(), enforce_sorted=False))
        outputs = rnn.unpack_sequence(packed_output)
        for i, sequence in enumerate(sequences()):
            output, state = layer(sequence)
            assert torch.allclose(output, outputs[i], atol=1e-6)
            pairs = (
                zip(state, packed_state, strict=True)
                if kind is nn.LSTM
                else [(state, packed_state)]
            )
            for alone, together in pairs:
                assert torch.allclose(alone, together[:, i], atol=1e-6)

    @pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
    def test_cell_equals_layer(self, kind):
        layer = kind(2, 3)
        cell = getattr(nn, f"{kind.__name__}Cell")(2, 3)
        cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
        x = torch.ones(4, 1, 2)
        output, _ = layer(x)
        state = None
        for step in range(4):
            state = cell(x[step], state)
            shown = state[0] if kind is nn.LSTM else state
            assert torch.allclose(shown, output[step], atol=1e-6)

    def test_given_state(self):
        layer = nn.LSTM(2, 3, num_layers=2)
        h, c = torch.ones(2, 5, 3), torch.zeros(2, 5, 3)
        output, state = layer(torch.zeros(4, 5, 2), (h, c))
        assert output.shape == (4, 5, 3) and [s.shape for s in state] == [(2, 5, 3)] * 2
        output, state = layer(torch.zeros(4, 2), (h[:, 0], c[:, 0]))
        assert output.shape == (4, 3) and state[0].shape == (2, 3)

    def test_weights(self):
        layer = nn.LSTM(2, 4, 1, bidirectional=True, proj_size=3)
        names = [name for name, _ in layer.named_parameters()]
        forward = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0"]
        assert names == [*forward, *(f"{name}_reverse" for name in forward)]
        assert [[w.shape[0] for w in ws] for ws in layer.all_weights] == [[16, 16, 16, 16, 3]] * 2
        layer.flatten_parameters()

    def test_replaced_weights_are_used(self):
        layer, x = nn.GRU(2, 3), torch.ones(4, 1, 2)
        before, _ = layer(x)
        layer.weight_hh_l0 = nn.Parameter(layer.weight_hh_l0 * 2)
        after, _ = layer(x)
        assert not torch.equal(before, after)
        weights = {"weight_ih_l0": torch.zeros(9, 2)}
        changed, _ = nn.utils.stateless._functional_call(layer, weights, x)
        assert not torch.equal(changed, after) and torch.equal(layer(x)[0], after)

    @pytest.mark.parametrize(
        "make, error, message",
        [
            (lambda: nn.RNN(0, 2), ValueError, "input_size must be greater than zero"),
            (lambda: nn.RNN(2, 0), ValueError, "hidden_size must be greater than zero"),
            (lambda: nn.RNN(2, 2, 0), ValueError, "num_layers must be greater than zero"),
            (lambda: nn.RNN(2, 2.5), TypeError, "hidden_size should be of type int, got: float"),
            (lambda: nn.LSTM(2, 2, bias=1), TypeError, "bias should be of type bool, got: int"),
            (lambda: nn.LSTM(2, 2, dropout=2), ValueError, "dropout should be a number in range"),
            (lambda: nn.LSTM(2, 2, proj_size=-1), ValueError, "proj_size should be a positive"),
            (lambda: nn.LSTM(2, 2, proj_size=2), ValueError, "proj_size has to be smaller"),
            (lambda: nn.GRU(2, 2, proj_size=1), ValueError, "only supported for LSTM"),
            (lambda: nn.RNN(2, 2, nonlinearity="x"), ValueError, "Unknown nonlinearity 'x'"),
            (lambda: nn.RNNBase("x", 2, 2), ValueError, "Unrecognized RNN mode: x"),
        ],
    )
    def test_bad_arguments(self, make, error, message):
        with pytest.raises(error, match=message):
            make()

    @pytest.mark.parametrize(
        "call, error, message",
        [
            (lambda m: m(torch.zeros(2)), ValueError, "Expected input to be 2D or 3D, got 1D"),
            (lambda m: m(torch.zeros(4, 1, 3)), RuntimeError, "Expected 2, got 3"),
            (lambda m: m(torch.zeros(4, 1, 2).double()), ValueError, "does not match weight dtype"),
        ],
    )
    @pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
    def test_bad_inputs(self, kind, call, error, message):
        with pytest.raises(error, match=message):
            call(kind(2, 3))

    def test_bad_states(self):
        x = torch.zeros(4, 5, 2)
        with pytest.raises(RuntimeError, match="For batched 3-D input, hx should also be 3-D but"):
            nn.GRU(2, 3)(x, torch.zeros(1, 3))
        with pytest.raises(
            RuntimeError, match=r"hx and cx should also be 3-D but got \(2-D, 2-D\)"
        ):
            nn.LSTM(2, 3)(x, (torch.zeros(1, 3), torch.zeros(1, 3)))
        with pytest.raises(
            RuntimeError, match=r"Expected hidden size \(1, 5, 3\), got \[1, 4, 3\]"
        ):
            nn.RNN(2, 3)(x, torch.zeros(1, 4, 3))
        with pytest.raises(RuntimeError, match=r"Expected hidden\[1\] size \(1, 5, 3\), got"):
            nn.LSTM(2, 3)(x, (torch.zeros(1, 5, 3), torch.zeros(1, 4, 3)))

    def test_bad_cell_calls(self):
        with pytest.raises(ValueError, match="GRUCell: Expected input to be 1D or 2D, got 3D"):
            nn.GRUCell(2, 3)(torch.zeros(1, 1, 2))
        with pytest.raises(ValueError, match="RNNCell: Expected hidden to be 1D or 2D, got 3D"):
            nn.RNNCell(2, 3)(torch.zeros(1, 2), torch.zeros(1, 1, 3))
        with pytest.raises(ValueError, match=r"LSTMCell: Expected hx\[0\] to be 1D or 2D, got 3D"):
            nn.LSTMCell(2, 3)(torch.zeros(1, 2), (torch.zeros(1, 1, 3), torch.zeros(1, 3)))

    def test_useless_dropout(self):
        with pytest.warns(UserWarning, match="non-zero dropout expects num_layers greater than 1"):
            nn.LSTM(2, 3, dropout=0.5)
