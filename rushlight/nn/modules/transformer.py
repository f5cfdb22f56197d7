"""Transformers: encoder and decoder layers, and stacks of them.

S and T are the lengths of the source and the target, E is `d_model`. Sequences are (S, N, E),
(N, S, E) with `batch_first`, or (S, E). Masks are true where not to attend, or hold values that are
added to scores.

Source: Vaswani et al. 2017, arXiv:1706.03762.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

from ... import frontend as rl
from .. import functional as F
from .. import init
from .activation import GELU, MultiheadAttention, ReLU
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import LayerNorm

__all__ = [
    "Transformer",
    "TransformerEncoder",
    "TransformerDecoder",
    "TransformerEncoderLayer",
    "TransformerDecoderLayer",
]

Activation = str | Callable[[Any], Any]


def _generate_square_subsequent_mask(sz: int, device=None, dtype=None):
    """(sz, sz): 0 on and below the diagonal, -inf above it."""
    return rl.triu(rl.full((sz, sz), float("-inf"), dtype=dtype, device=device), diagonal=1)


def _get_seq_len(src, batch_first: bool) -> int:
    return src.size(1 if src.dim() == 3 and batch_first else 0)


def _detect_is_causal_mask(mask, is_causal: bool | None = None, size: int | None = None) -> bool:
    """Whether `mask` is the causal one; `is_causal` says so, and None means that it is compared."""
    if is_causal is not None or mask is None:
        return bool(is_causal)
    size = mask.size(-2) if size is None else size
    causal = _generate_square_subsequent_mask(size, device=mask.device, dtype=mask.dtype)
    return mask.size() == causal.size() and bool((mask == causal).all())


def _get_activation_fn(activation: str) -> Callable[[Any], Any]:
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return getattr(F, activation)


def _get_clones(module: Module, N: int) -> ModuleList:
    return ModuleList(copy.deepcopy(module) for _ in range(N))


def _float_mask(mask, name: str, dtype, other=None, other_name: str = ""):
    """A boolean mask as values to add to scores; other masks are checked and returned."""
    return F._canonical_mask(
        mask=mask,
        mask_name=name,
        other_type=F._none_or_dtype(other),
        other_name=other_name,
        target_type=dtype,
        check_other=other is not None,
    )


class _Layer(Module):
    """What encoder and decoder layers share: self-attention and two linear layers."""

    def __setstate__(self, state):
        # Pickles from before 1.8 lack the activation.
        super().__setstate__({"activation": F.relu, **state})

    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal: bool = False):
        x = self.self_attn(
            x,
            x,
            x,
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            need_weights=False,
            is_causal=is_causal,
        )[0]
        return self.dropout1(x)

    def _feed_forward(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Self-attention and a network of two linear layers, each added to its input and normalized.

    Args:
        d_model: E, a multiple of `nhead`.
        nhead: heads of the attention.
        dim_feedforward: size between the linear layers.
        dropout: probability of dropping an element.
        activation: "relu", "gelu" or a function, between the linear layers.
        layer_norm_eps: eps of the normalizations.
        batch_first: whether batches come as (N, S, E).
        norm_first: normalize the inputs of the two parts instead of their results.
        bias: whether linear layers and normalizations have biases.
        device, dtype: of the parameters; None: the defaults.

    >>> import rushlight as torch
    >>> torch.nn.TransformerEncoderLayer(16, 2, 32)(torch.zeros(10, 3, 16)).shape
    torch.Size([10, 3, 16])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(
            d_model, nhead, dropout=dropout, bias=bias, batch_first=batch_first, **factory
        )
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **factory)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **factory)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **factory)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **factory)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        if isinstance(activation, str):
            activation = _get_activation_fn(activation)
        self.activation_relu_or_gelu = 0
        for number, (function, module) in enumerate(((F.relu, ReLU), (F.gelu, GELU)), start=1):
            if activation is function or isinstance(activation, module):
                self.activation_relu_or_gelu = number
        self.activation = activation

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal: bool = False):
        """Encode.

        Args:
            src: the source.
            src_mask: (S, S) or (N * nhead, S, S).
            src_key_padding_mask: (N, S) or (S,).
            is_causal: a hint that `src_mask`, which must be given too, is the causal one.

        Returns: the shape of `src`.
        """
        padding = _float_mask(
            src_key_padding_mask, "src_key_padding_mask", src.dtype, src_mask, "src_mask"
        )
        mask = _float_mask(src_mask, "src_mask", src.dtype)
        x = src
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), mask, padding, is_causal)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(x + self._sa_block(x, mask, padding, is_causal))
        return self.norm2(x + self._ff_block(x))

    def _ff_block(self, x):
        return self.dropout2(self._feed_forward(x))


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to the encoder's output, and a network of two linear layers.

    Each is added to its input and normalized. The arguments are those of TransformerEncoderLayer.

    >>> import rushlight as torch
    >>> layer = torch.nn.TransformerDecoderLayer(16, 2, 32)
    >>> layer(torch.zeros(20, 3, 16), torch.zeros(10, 3, 16)).shape
    torch.Size([20, 3, 16])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        attention = {"dropout": dropout, "batch_first": batch_first, "bias": bias, **factory}
        self.self_attn = MultiheadAttention(d_model, nhead, **attention)
        self.multihead_attn = MultiheadAttention(d_model, nhead, **attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **factory)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **factory)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **factory)
        self.norm2 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **factory)
        self.norm3 = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **factory)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        if isinstance(activation, str):
            activation = _get_activation_fn(activation)
        self.activation = activation

    def forward(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ):
        """Decode.

        Args:
            tgt: the target.
            memory: the encoder's output.
            tgt_mask, memory_mask: (T, T) and (T, S), or with N * nhead before.
            tgt_key_padding_mask, memory_key_padding_mask: (N, T) and (N, S), or without N.
            tgt_is_causal, memory_is_causal: hints that the masks, which must be given, are causal.

        Returns: the shape of `tgt`.
        """
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory_mask, memory_key_padding_mask, memory_is_causal)
        x = tgt
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *own)
            x = x + self._mha_block(self.norm2(x), memory, *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(x + self._sa_block(x, *own))
        x = self.norm2(x + self._mha_block(x, memory, *other))
        return self.norm3(x + self._ff_block(x))

    def _mha_block(self, x, mem, attn_mask, key_padding_mask, is_causal: bool = False):
        x = self.multihead_attn(
            x,
            mem,
            mem,
            attn_mask=attn_mask,
            key_padding_mask=key_padding_mask,
            is_causal=is_causal,
            need_weights=False,
        )[0]
        return self.dropout2(x)

    def _ff_block(self, x):
        return self.dropout3(self._feed_forward(x))


class TransformerEncoder(Module):
    """A stack of encoder layers.

    Args:
        encoder_layer: a layer, which is copied.
        num_layers: how many.
        norm: a module for the output of the last one.
        enable_nested_tensor: in eval mode without gradients, and with a padding mask and no other,
            let padded places come out as zeros (before `norm`), as PyTorch does; not for all
            layers.
        mask_check: do so only where padding is at the end of each sequence.

    >>> import rushlight as torch
    >>> layer = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    >>> torch.nn.TransformerEncoder(layer, num_layers=2)(torch.zeros(3, 10, 16)).shape
    torch.Size([3, 10, 16])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _get_clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check
        obstacle = _nested_tensor_obstacle(encoder_layer)
        if enable_nested_tensor and obstacle:
            warnings.warn(
                "enable_nested_tensor is True, but self.use_nested_tensor is False because "
                f"{obstacle}",
                stacklevel=2,
            )
            self.use_nested_tensor = False

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal: bool | None = None):
        """Encode.

        Args:
            src: the source.
            mask: (S, S) or (N * nhead, S, S).
            src_key_padding_mask: (N, S) or (S,).
            is_causal: whether `mask` is the causal one; None: it is compared.

        Returns: the shape of `src`.
        """
        padding = _float_mask(src_key_padding_mask, "src_key_padding_mask", src.dtype, mask, "mask")
        mask = _float_mask(mask, "mask", src.dtype)
        seq_len = _get_seq_len(src, self.layers[0].self_attn.batch_first)
        is_causal = _detect_is_causal_mask(mask, is_causal, seq_len)
        output = src
        for layer in self.layers:
            output = layer(output, src_mask=mask, is_causal=is_causal, src_key_padding_mask=padding)
        if mask is None and padding is not None and self._drops_padding(src, padding):
            output = output.masked_fill((padding != 0).unsqueeze(-1), 0.0)
        return output if self.norm is None else self.norm(output)

    def _drops_padding(self, src, padding) -> bool:
        """Whether PyTorch would compute with a nested tensor here, which has no padded places."""
        layer = self.layers[0]
        if not self.use_nested_tensor or layer.training or src.dim() != 3:
            return False
        if rl.is_grad_enabled() and any(t.requires_grad for t in (src, *layer.parameters())):
            return False
        if not self.mask_check:
            return True
        is_padded = padding != 0
        return not bool((is_padded[:, :-1] & ~is_padded[:, 1:]).any())


def _nested_tensor_obstacle(layer) -> str | None:
    """Why PyTorch would not use nested tensors with these layers; None where it would."""
    if not isinstance(layer, TransformerEncoderLayer):
        return "encoder_layer was not TransformerEncoderLayer"
    attention = layer.self_attn
    obstacles = {
        ".norm_first was True": layer.norm_first,
        ".self_attn.batch_first was not True"
        "(use batch_first for better inference performance)": not attention.batch_first,
        ".self_attn._qkv_same_embed_dim was not True": not attention._qkv_same_embed_dim,
        ".self_attn was passed bias=False": attention.in_proj_bias is None,
        ".activation_relu_or_gelu was not True": not layer.activation_relu_or_gelu,
        ".norm1.eps was not equal to encoder_layer.norm2.eps": layer.norm1.eps != layer.norm2.eps,
        ".self_attn.num_heads is odd": attention.num_heads % 2 == 1,
    }
    return next((f"encoder_layer{why}" for why, found in obstacles.items() if found), None)


class TransformerDecoder(Module):
    """A stack of decoder layers.

    Args:
        decoder_layer: a layer, which is copied.
        num_layers: how many.
        norm: a module for the output of the last one.

    >>> import rushlight as torch
    >>> layer = torch.nn.TransformerDecoderLayer(16, 2, 32)
    >>> decoder = torch.nn.TransformerDecoder(layer, num_layers=2)
    >>> decoder(torch.zeros(20, 3, 16), torch.zeros(10, 3, 16)).shape
    torch.Size([20, 3, 16])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _get_clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ):
        """Decode; the arguments are those of a layer. `tgt_is_causal` None: it is found out."""
        seq_len = _get_seq_len(tgt, self.layers[0].self_attn.batch_first)
        tgt_is_causal = _detect_is_causal_mask(tgt_mask, tgt_is_causal, seq_len)
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal,
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class Transformer(Module):
    """An encoder and a decoder.

    Args:
        d_model: E, a multiple of `nhead`.
        nhead: heads of each attention.
        num_encoder_layers, num_decoder_layers: how many layers.
        dim_feedforward: size between the linear layers.
        dropout: probability of dropping an element.
        activation: "relu", "gelu" or a function, between the linear layers.
        custom_encoder, custom_decoder: modules to use instead.
        layer_norm_eps: eps of the normalizations.
        batch_first: whether batches come as (N, S, E).
        norm_first: normalize the inputs of the parts of a layer instead of their results.
        bias: whether linear layers and normalizations have biases.
        device, dtype: of the parameters; None: the defaults.

    >>> import rushlight as torch
    >>> model = torch.nn.Transformer(16, 2, 1, 1, dim_feedforward=32)
    >>> model(torch.zeros(10, 3, 16), torch.zeros(20, 3, 16)).shape
    torch.Size([20, 3, 16])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        arguments = (
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
            bias,
            device,
            dtype,
        )

        def stack(kind, layer_kind, num_layers):
            layer = layer_kind(*arguments)
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, device=device, dtype=dtype)
            return kind(layer, num_layers, norm)

        encoder, decoder = custom_encoder, custom_decoder
        if encoder is None:
            encoder = stack(TransformerEncoder, TransformerEncoderLayer, num_encoder_layers)
        if decoder is None:
            decoder = stack(TransformerDecoder, TransformerDecoderLayer, num_decoder_layers)
        self.encoder = encoder
        self.decoder = decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src,
        tgt,
        src_mask=None,
        tgt_mask=None,
        memory_mask=None,
        src_key_padding_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ):
        """Encode `src`, and decode `tgt` with the result.

        Args:
            src, tgt: the source and the target.
            src_mask, tgt_mask, memory_mask: (S, S), (T, T) and (T, S), or with N * nhead before.
            src_key_padding_mask, tgt_key_padding_mask, memory_key_padding_mask: (N, S), (N, T)
                and (N, S).
            src_is_causal, tgt_is_causal: whether those masks are causal; None: they are compared.
            memory_is_causal: whether `memory_mask` is.

        Returns: the shape of `tgt`.
        Raises: RuntimeError if batch sizes differ, or the last sizes are not `d_model`.
        """
        batch_dim = 0 if self.batch_first else 1
        if src.dim() == 3 and src.size(batch_dim) != tgt.size(batch_dim):
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device=None, dtype=None):
        """A causal mask.

        Returns: (sz, sz), 0 on and below the diagonal, -inf above it.

        >>> import rushlight as torch
        >>> torch.nn.Transformer.generate_square_subsequent_mask(2)
        tensor([[0., -inf],
                [0., 0.]])
        """
        return _generate_square_subsequent_mask(sz, device=device, dtype=dtype)

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)
