"""Multi-head attention; its home for users and pickles is activation.py, as in PyTorch."""

from __future__ import annotations

from .. import functional as F
from .. import init
from ._declare import new_parameter
from .linear import NonDynamicallyQuantizableLinear
from .module import Module


class MultiheadAttention(Module):
    """Attention of queries to keys and values, in several heads side by side.

    Args:
        embed_dim: size of queries and outputs; a multiple of `num_heads`.
        num_heads: number of heads; each sees embed_dim / num_heads features.
        dropout: probability of dropping an attention weight, in training.
        bias: whether the projections add biases.
        add_bias_kv: whether to add a learned key and value to the sequences.
        add_zero_attn: whether to add a key and value of zeros.
        kdim, vdim: sizes of keys and values; None: `embed_dim`.
        batch_first: whether batches come as (N, L, E) and not as (L, N, E).
        device, dtype: of the parameters; None: the defaults.

    Source: Vaswani et al. 2017, arXiv:1706.03762.

    >>> import rushlight as torch
    >>> attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = torch.zeros(3, 5, 8)
    >>> output, weights = attention(x, x, x)
    >>> output.shape, weights.shape
    (torch.Size([3, 5, 8]), torch.Size([3, 5, 5]))
    """

    def __init__(
        self,
        embed_dim,
        num_heads,
        dropout=0.0,
        bias=True,
        add_bias_kv=False,
        add_zero_attn=False,
        kdim=None,
        vdim=None,
        batch_first=False,
        device=None,
        dtype=None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and "
                f"num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        self._create_parameters(bias, add_bias_kv, device, dtype)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _create_parameters(self, bias, add_bias_kv, device, dtype) -> None:
        size = self.embed_dim
        separate = not self._qkv_same_embed_dim
        shapes = {  # None: no such parameter
            "q_proj_weight": (size, size) if separate else None,
            "k_proj_weight": (size, self.kdim) if separate else None,
            "v_proj_weight": (size, self.vdim) if separate else None,
            "in_proj_weight": None if separate else (3 * size, size),
            "in_proj_bias": (3 * size,) if bias else None,
        }
        for name, shape in shapes.items():
            parameter = None if shape is None else new_parameter(shape, device, dtype)
            self.register_parameter(name, parameter)
        self.out_proj = NonDynamicallyQuantizableLinear(size, size, bias, device, dtype)
        for name in ("bias_k", "bias_v"):
            parameter = new_parameter((1, 1, size), device, dtype) if add_bias_kv else None
            setattr(self, name, parameter)

    def _reset_parameters(self) -> None:
        for name in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"):
            if getattr(self, name) is not None:
                init.xavier_uniform_(getattr(self, name))
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def __setstate__(self, state):
        super().__setstate__({"_qkv_same_embed_dim": True, **state})

    def forward(
        self,
        query,
        key,
        value,
        key_padding_mask=None,
        need_weights: bool = True,
        attn_mask=None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ):
        """Attend.

        Args:
            query: (L, N, E); (N, L, E) with `batch_first`; (L, E) without a batch.
            key: (S, N, kdim), likewise.
            value: (S, N, vdim), likewise.
            key_padding_mask: (N, S) or (S,): keys to ignore, where true, or values for scores.
            need_weights: whether to return the attention weights.
            attn_mask: (L, S) or (N * num_heads, L, S): what not to attend to, where true, or values
                added to the scores.
            average_attn_weights: return the weights' mean over the heads.
            is_causal: a hint that `attn_mask`, which must be given too, is the causal one.

        Returns: the output, with the shape of `query`, and the weights, (N, L, S) or
            (N, num_heads, L, S), or None.
        """
        is_batched = query.dim() == 3
        key_padding_mask = F._canonical_mask(
            mask=key_padding_mask,
            mask_name="key_padding_mask",
            other_type=F._none_or_dtype(attn_mask),
            other_name="attn_mask",
            target_type=query.dtype,
        )
        attn_mask = F._canonical_mask(
            mask=attn_mask,
            mask_name="attn_mask",
            other_type=None,
            other_name="",
            target_type=query.dtype,
            check_other=False,
        )
        if self.batch_first and is_batched:
            query, key, value = _swap_batch(query, key, value)
        separate = {}
        if not self._qkv_same_embed_dim:
            separate = {
                "use_separate_proj_weight": True,
                "q_proj_weight": self.q_proj_weight,
                "k_proj_weight": self.k_proj_weight,
                "v_proj_weight": self.v_proj_weight,
            }
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            **separate,
        )
        if self.batch_first and is_batched:
            output = output.transpose(1, 0)
        return output, weights

    def merge_masks(self, attn_mask, key_padding_mask, query):
        """Add the two masks of a call, both as values added to the scores.

        Args:
            attn_mask: (L, L) or (N * num_heads, L, L), or None.
            key_padding_mask: (N, L), or None.
            query: (N, L, E).

        Returns: the mask, (N, L) or (N, num_heads, L, L), or None; and which it is: 2 if
            `attn_mask` is part of it, 1 if it is the padding mask alone, None.
        """
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        batch_size, length, _ = query.shape
        if attn_mask.dim() == 3:
            merged = attn_mask.view(batch_size, -1, length, length)
        else:
            merged = attn_mask.view(1, 1, length, length).expand(batch_size, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            padding = key_padding_mask.view(batch_size, 1, 1, length)
            merged = merged + padding.expand(-1, self.num_heads, -1, -1)
        return merged, 2


def _swap_batch(query, key, value):
    """(N, L, E) to (L, N, E); what was one tensor stays one, which is then projected once."""
    swapped = {id(x): x.transpose(1, 0) for x in (query, key, value)}
    return swapped[id(query)], swapped[id(key)], swapped[id(value)]
