"""A softmax over many classes that spends less on the rare ones."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from itertools import pairwise

from ... import frontend as rl
from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probabilities of the targets and their mean loss, for classes sorted by frequency.

    The first classes, up to ``cutoffs[0]``, are scored by the head; those between two cutoffs form
    a cluster that has one score in the head and a tail of its own, smaller for each cluster.

    Args:
        in_features: size of the last dimension of the input.
        n_classes: number of classes; the most frequent has the lowest index.
        cutoffs: increasing, each between 1 and n_classes - 1.
        div_value: the tail of cluster i has in_features / div_value ** (i + 1) hidden features.
        head_bias: whether the head has a bias.
        device, dtype: of the parameters; None: the defaults.

    Shape: inputs (N, in_features) or (in_features,), and class indices (N,) or (); a named tuple of
        `output`, with the shape of the indices, and `loss`, a number.

    Source: Grave et al. 2016, arXiv:1609.04309.

    >>> import rushlight as torch
    >>> softmax = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs=[5, 10])
    >>> softmax(torch.zeros(3, 8), torch.tensor([0, 7, 19])).output.shape
    torch.Size([3])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        _check_cutoffs(cutoffs, n_classes)
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        factory = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **factory)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            hidden = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, **factory),
                    Linear(hidden, high - low, bias=False, **factory),
                )
            )

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        for module in self.modules():
            if isinstance(module, Linear):
                module.reset_parameters()

    def forward(self, input_, target_):
        self._check_shapes(input_, target_)
        is_batched = target_.dim() == 1
        input = input_ if is_batched else input_.unsqueeze(0)
        target = target_ if is_batched else target_.unsqueeze(0)
        head_index, output = self._cluster_log_probs(input, target)
        head = F.log_softmax(self.head(input), dim=1)
        output = output + head.gather(1, head_index.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if is_batched else output.squeeze(0), loss)

    def _check_shapes(self, input, target) -> None:
        if target.dim() > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if target.dim() == 1 and input.size(0) != target.size(0):
            raise RuntimeError("Input and target should have the same size in the batch dimension.")
        if input.dim() != target.dim() + 1:
            raise RuntimeError(
                f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors, but "
                f"found inputs with size {input.size()}"
            )

    def _cluster_log_probs(self, input, target):
        """For each target: its column in the head, and its log-probability within its cluster."""
        output = input.new_zeros(target.size(0))
        head_index = target.clone()
        num_known = 0
        for i, (low, high) in enumerate(pairwise([0, *self.cutoffs])):
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            num_known += rows.numel()
            if i == 0 or rows.numel() == 0:
                continue
            scores = self.tail[i - 1](input.index_select(0, rows))
            column = target.index_select(0, rows) - low
            log_prob = F.log_softmax(scores, dim=1).gather(1, column.unsqueeze(1))
            output = output.index_copy(0, rows, log_prob.squeeze(1))
            head_index.index_fill_(0, rows, self.shortlist_size + i - 1)
        if num_known != target.size(0):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )
        return head_index, output

    def _get_full_log_prob(self, input, head_output):
        """The log-probabilities of all classes, given the scores of the head."""
        head = F.log_softmax(head_output, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            column = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(tail(input), dim=1) + column)
        return rl.cat(parts, dim=1)

    def log_prob(self, input):
        """The log-probabilities of all classes: (N, in_features) to (N, n_classes)."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input):
        """The most probable class of each sample: (N, in_features) to (N,).

        Classes of the tails are looked at only where the head prefers a cluster.
        """
        head_output = self.head(input)
        output = rl.argmax(head_output, dim=1)
        in_tail = output >= self.shortlist_size
        if in_tail.any():
            log_prob = self._get_full_log_prob(input[in_tail], head_output[in_tail])
            output[in_tail] = rl.argmax(log_prob, dim=1)
        return output


def _check_cutoffs(cutoffs: list[int], n_classes: int) -> None:
    if not cutoffs:
        raise ValueError("cutoffs should be a sequence of length larger than 0")
    increasing = all(a < b for a, b in pairwise(cutoffs))
    in_range = min(cutoffs) > 0 and max(cutoffs) <= n_classes - 1
    if not (increasing and in_range and all(int(c) == c for c in cutoffs)):
        raise ValueError(
            "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
            "order, where each value is between 1 and n_classes-1"
        )
