"""Batches of sequences of different lengths: padded, or packed without padding.

A packed batch holds all first elements, then all second elements of the sequences that have one,
and so on, the longest sequence first, so that a recurrent layer reads it in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ... import frontend as rl

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpad_sequence",
    "pack_sequence",
    "unpack_sequence",
]


class PackedSequence_(NamedTuple):
    """The fields of PackedSequence."""

    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(PackedSequence_):
    """A packed batch; made by `pack_padded_sequence` and `pack_sequence`, not by hand.

    Attributes:
        data: (number of all elements, *).
        batch_sizes: (longest length,), int64 on the CPU: how many sequences have an element at each
            time.
        sorted_indices: (N,): which sequence comes first and so on; None: they were sorted already.
        unsorted_indices: (N,): the inverse.

    >>> import rushlight as torch
    >>> pack = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
    >>> pack.data, pack.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like pack_sequence and "
                "pack_padded_sequences in nn.utils.rnn."
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def _map(self, data, function):
        """The same packing of other data; `function` converts the indices."""
        indices = [
            i if i is None else function(i) for i in (self.sorted_indices, self.unsorted_indices)
        ]
        return type(self)(data, self.batch_sizes, *indices)

    def to(self, *args, **kwargs):
        """Move or convert the data, as ``Tensor.to`` does, and move the indices to its device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        return self._map(data, lambda indices: indices.to(data.device))

    def pin_memory(self):
        """The same with data and indices in pinned memory."""
        return self._map(self.data.pin_memory(), lambda indices: indices.pin_memory())

    def cuda(self, *args, **kwargs):
        """The same on a CUDA device."""
        data = self.data.cuda(*args, **kwargs)
        return (
            self if data is self.data else self._map(data, lambda indices: indices.to(data.device))
        )

    def cpu(self, *args, **kwargs):
        """The same on the CPU."""
        return self.to("cpu", *args, **kwargs)

    def double(self):
        """The same with data of float64."""
        return self.to(dtype=rl.float64)

    def float(self):
        """The same with data of float32."""
        return self.to(dtype=rl.float32)

    def half(self):
        """The same with data of float16."""
        return self.to(dtype=rl.float16)

    def long(self):
        """The same with data of int64."""
        return self.to(dtype=rl.int64)

    def int(self):
        """The same with data of int32."""
        return self.to(dtype=rl.int32)

    def short(self):
        """The same with data of int16."""
        return self.to(dtype=rl.int16)

    def char(self):
        """The same with data of int8."""
        return self.to(dtype=rl.int8)

    def byte(self):
        """The same with data of uint8."""
        return self.to(dtype=rl.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data lies on a CUDA device."""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """Whether the data lies in pinned memory."""
        return self.data.is_pinned()


def invert_permutation(permutation):
    """The permutation that undoes `permutation`, (N,); None for None.

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    places = rl.arange(permutation.numel(), device=permutation.device, dtype=permutation.dtype)
    return rl.empty_like(permutation).scatter_(0, permutation, places)


def pack_padded_sequence(
    input, lengths, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch.

    Args:
        input: (T, N, *), or (N, T, *) with `batch_first`.
        lengths: of the sequences, between 1 and T: a list, or a tensor (N,) on the CPU.
        batch_first: see `input`.
        enforce_sorted: whether lengths must decrease; otherwise they are sorted here.

    Raises: RuntimeError for other lengths.

    >>> import rushlight as torch
    >>> padded = torch.tensor([[1, 2, 0], [3, 4, 5]])
    >>> torch.nn.utils.rnn.pack_padded_sequence(padded, [2, 3], True, enforce_sorted=False).data
    tensor([3, 1, 4, 2, 5])
    """
    if isinstance(lengths, rl.Tensor):
        lengths = lengths.to(rl.int64)
    else:
        lengths = rl.as_tensor(lengths, dtype=rl.int64, device="cpu")
    if lengths.device.type != "cpu":
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.dim()}D "
            f"{lengths.device} {lengths.dtype} tensor"
        )
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = rl.sort(lengths, descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    sizes = lengths.tolist()
    _check_lengths(sizes, input)
    exists = rl.arange(sizes[0]).unsqueeze(1) < lengths  # (T, N)
    data = input[: sizes[0]][exists.to(input.device)]
    return PackedSequence(data, exists.sum(1), sorted_indices, None)


def _check_lengths(lengths: list[int], input) -> None:
    if input.numel() == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    if len(lengths) != input.size(1):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} "
            f"(batch_size={input.size(1)})"
        )
    if min(lengths) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if any(a < b for a, b in zip(lengths, lengths[1:], strict=False)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    if lengths[0] > input.size(0):
        raise RuntimeError(
            f"Expected all lengths to be at most the padded length {input.size(0)}, "
            f"but the longest is {lengths[0]}"
        )


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
):
    """Undo `pack_padded_sequence`.

    Args:
        sequence: the packed batch.
        batch_first: whether the result is (N, T, *) and not (T, N, *).
        padding_value: what to fill the rest with.
        total_length: T, at least the longest length; None: just that.

    Returns: the padded batch, in the order before packing, and the lengths, (N,) on the CPU.
    Raises: ValueError if `total_length` is too small.

    >>> import rushlight as torch
    >>> pack = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
    >>> torch.nn.utils.rnn.pad_packed_sequence(pack, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 5, 0]]), tensor([3, 2]))
    """
    longest, batch = sequence.batch_sizes.size(0), int(sequence.batch_sizes[0])
    if total_length is None:
        total_length = longest
    elif total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but "
            f"got total_length={total_length} and max sequence length being {longest}"
        )
    data = sequence.data
    exists = rl.arange(batch) < sequence.batch_sizes.unsqueeze(1)  # (longest, N)
    padded = data.new_full((longest, batch, *data.shape[1:]), padding_value)
    padded[exists.to(data.device)] = data
    if total_length > longest:
        filler = data.new_full((total_length - longest, *padded.shape[1:]), padding_value)
        padded = rl.cat([padded, filler])
    if batch_first:
        padded = padded.transpose(0, 1)
    lengths = exists.sum(0)
    if sequence.unsorted_indices is not None:
        order = sequence.unsorted_indices
        padded = padded.index_select(0 if batch_first else 1, order)
        lengths = lengths[order.cpu()]
    return padded, lengths


def pad_sequence(
    sequences, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
):
    """Join sequences of different lengths to one batch.

    Args:
        sequences: each (L, *), with the same further sizes; a list, or a tensor whose rows they
            are.
        batch_first: whether the result is (N, T, *) and not (T, N, *), T the longest length.
        padding_value: what to fill the rest with.
        padding_side: "right" for padding at the end, "left" for padding at the beginning.

    Raises: RuntimeError for what is not iterable, no sequences, or another side.

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.pad_sequence([torch.ones(2), torch.ones(3)], batch_first=True)
    tensor([[1., 1., 0.],
            [1., 1., 1.]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    longest = max(s.size(0) for s in sequences)
    rows = []
    for sequence in sequences:
        filler = sequence.new_full((longest - sequence.size(0), *sequence.shape[1:]), padding_value)
        parts = (sequence, filler) if padding_side == "right" else (filler, sequence)
        rows.append(rl.cat(parts) if filler.size(0) else sequence)
    return rl.stack(rows, dim=0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first: bool = False) -> list[Any]:
    """Undo `pad_sequence`.

    Args:
        padded_sequences: (T, N, *), or (N, T, *) with `batch_first`; padded at the end.
        lengths: of the sequences, (N,).
        batch_first: see `padded_sequences`.

    Returns: the sequences, each (L, *).

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.unpad_sequence(torch.tensor([[1, 2], [3, 0]]), torch.tensor([2, 1]))
    [tensor([1, 3]), tensor([2])]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    pairs = zip(padded_sequences, lengths.tolist(), strict=True)
    return [sequence[:length] for sequence, length in pairs]


def pack_sequence(sequences: list[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences of different lengths.

    Args:
        sequences: each (L, *), with the same further sizes.
        enforce_sorted: whether lengths must decrease; otherwise they are sorted here.

    >>> import rushlight as torch
    >>> torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]).data
    tensor([1, 3, 2])
    """
    lengths = [sequence.size(0) for sequence in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """Undo `pack_sequence`.

    Returns: the sequences, each (L, *), in the order before packing.

    >>> import rushlight as torch
    >>> pack = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2]), torch.tensor([3])])
    >>> torch.nn.utils.rnn.unpack_sequence(pack)
    [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
