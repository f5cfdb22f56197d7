"""Attention: scaled dot products, and the multi-head form of nn.MultiheadAttention."""

import math
import warnings

from ..base import dtypes
from ..base.shapes import broadcast_shapes
from ..ir import lang as L
from .memory import sum_to
from .numeric import number_like, wide
from .record import T, composite, operator


# -------------------------------------------------------------------- scaled dot products
def _scores(q, k, mask, is_causal, scale):
    """(..., L, S) scores before softmax."""
    s = L.dot(q, L.transpose(k))
    s = s * (1 / math.sqrt(q.shape[-1]) if scale is None and q.shape[-1] else
             number_like(1.0 if scale is None else scale, s))
    if is_causal:
        later = L.arange_along(s, s.ndim - 1) > L.arange_along(s, s.ndim - 2)
        s = L.where(later, L.like(s, -math.inf), s)
    if mask is None:
        return s
    mask = L.broadcast(mask, s.shape)
    if mask.dtype is dtypes.bool_:
        return L.where(mask, s, L.like(s, -math.inf))
    return s + L.cast(mask, s.dtype)


def _attention_weights(s):
    """softmax over the last dimension; a row with nothing to attend to gives zeros."""
    if s.shape[-1] == 0:
        return s
    last = [s.ndim - 1]
    top = L.max_(s, last, keepdim=True)
    blocked = L.eq(top, L.like(top, -math.inf))
    e = L.exp(s - L.where(blocked, L.like(top, 0), top))
    total = L.sum_(e, last, keepdim=True)
    return e / L.where(blocked, L.like(total, 1), total)


def _heads(x, count):
    """(.., H, S, E) with each head repeated for grouped queries."""
    if x.ndim < 3 or x.shape[-3] == count:
        return x
    repeat = count // x.shape[-3]
    shape = (*x.shape[:-2], repeat, *x.shape[-2:])
    spread = L.broadcast(L.unsqueeze(x, x.ndim - 2), shape)
    return L.reshape(spread, (*x.shape[:-3], count, *x.shape[-2:]))


def _operands(query, key, value, enable_gqa):
    q, k, v = wide(query), wide(key), wide(value)
    if enable_gqa:
        k, v = _heads(k, q.shape[-3]), _heads(v, q.shape[-3])
    lead = broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    return [L.broadcast(x, (*lead, *x.shape[-2:])) for x in (q, k, v)]


def _fold_heads(g, x):
    """Cotangent of one of the operands: summed over repeated heads and broadcast dimensions."""
    if g.ndim >= 3 and x.ndim >= 3 and x.shape[-3] not in (1, g.shape[-3]):
        split = (*g.shape[:-3], x.shape[-3], g.shape[-3] // x.shape[-3], *g.shape[-2:])
        g = L.sum_(L.reshape(g, split), [g.ndim - 2])
    return sum_to(g, x.shape)


def _attention_gradient(grads, outputs, query, key, value, attn_mask, dropout_mask, is_causal,
                        scale, enable_gqa):
    q, k, v = _operands(query, key, value, enable_gqa)
    g = wide(grads[0])
    p = _attention_weights(_scores(q, k, attn_mask, is_causal, scale))
    dropped = p if dropout_mask is None else p * L.cast(dropout_mask, p.dtype)
    to_value = L.dot(L.transpose(dropped), g)
    to_p = L.dot(g, L.transpose(v))
    if dropout_mask is not None:
        to_p = to_p * L.cast(dropout_mask, p.dtype)
    product = to_p * p
    to_s = product - p * L.sum_(product, [p.ndim - 1], keepdim=True)
    factor = number_like(1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else scale, to_s)
    scaled = to_s * factor
    found = {"query": sum_to(L.dot(scaled, k), query.shape),
             "key": _fold_heads(L.dot(L.transpose(scaled), q), key),
             "value": _fold_heads(to_value, value)}
    if attn_mask is not None and attn_mask.dtype.category >= dtypes.FLOAT:
        found["attn_mask"] = sum_to(to_s, attn_mask.shape)
    return found


@operator("_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask, Tensor? "
          "dropout_mask, bool is_causal, float? scale, bool enable_gqa) -> Tensor",
          variants="internal", vjp=_attention_gradient,
          node="ScaledDotProductFlashAttentionForCpuBackward0")
def attention(query, key, value, attn_mask, dropout_mask, is_causal, scale, enable_gqa):
    """softmax(query key^T scale + mask) value, dropped weights scaled by `dropout_mask`."""
    q, k, v = _operands(query, key, value, enable_gqa)
    p = _attention_weights(_scores(q, k, attn_mask, is_causal, scale))
    if dropout_mask is not None:
        p = p * L.cast(dropout_mask, p.dtype)
    return L.cast(L.dot(p, v), query.dtype)


def _check(query, key, value, attn_mask, is_causal, enable_gqa):
    if query.dtype is not key.dtype or query.dtype is not value.dtype:
        raise RuntimeError("Expected query, key, and value to have the same dtype, but got "
                           f"query.dtype: {query.dtype} key.dtype: {key.dtype} and value.dtype: "
                           f"{value.dtype} instead.")
    if query.ndim < 2 or key.ndim < 2 or value.ndim < 2:
        raise RuntimeError("Expected query, key, and value to all be  at least 2 dimensional, but "
                           f"got query.dim: {query.ndim}, key.dim: {key.ndim} and value.dim: "
                           f"{value.ndim} instead.")
    if attn_mask is not None:
        if attn_mask.dtype is not T.bool and attn_mask.dtype is not query.dtype \
                and attn_mask.dtype is not T.float32:
            raise RuntimeError("Expected attn_mask dtype to be bool or float or to match query "
                               f"dtype, but got attn_mask.dtype: {attn_mask.dtype} and  "
                               f"query.dtype: {query.dtype} instead.")
        if is_causal:
            raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be "
                               "set when is_causal=True")
    if enable_gqa and (query.shape[-3] % key.shape[-3] or query.shape[-3] % value.shape[-3]):
        raise RuntimeError("Number of heads in key and value must divide the number of heads in "
                           "query")


@composite("nn")
def scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False,
                                 scale=None, enable_gqa=False):
    """softmax(query key^T * scale + mask) value.

    Args:
        query, key, value: (..., H, L, E), (..., H, S, E), (..., H, S, V), floating.
        attn_mask: broadcasts to (..., L, S): bool (True takes part) or added to the scores.
        dropout_p: probability of dropping a weight, whether training or not.
        is_causal: position i attends to positions up to i.
        scale: default ``1 / sqrt(E)``.
        enable_gqa: key and value may have fewer heads, each used by several of query's.

    Returns: (..., H, L, V).
    """
    _check(query, key, value, attn_mask, is_causal, enable_gqa)
    mask = None
    if dropout_p > 0.0:
        lead = broadcast_shapes(query.shape[:-2], key.shape[:-2] if not enable_gqa else ())
        mask = T.dropout_mask(query.new_empty((*lead, query.shape[-2], key.shape[-2])), dropout_p)
    return T._attention(query, key, value, attn_mask, mask, is_causal, scale, enable_gqa)


# ------------------------------------------------------------------------------- multi-head
def _need(condition, message, kind=AssertionError):
    if not condition:
        raise kind(message)


def _is_batched(query, key, value, key_padding_mask, attn_mask, num_heads):
    """Shapes of the three operands and masks agree; has query a batch dimension?"""
    if query.ndim not in (2, 3):
        raise AssertionError("query should be unbatched 2D or batched 3D tensor but received "
                             f"{query.ndim}-D query tensor")
    batched = query.ndim == 3
    what = f"For {'batched (3-D)' if batched else 'unbatched (2-D)'} `query`, expected "
    _need(key.ndim == value.ndim == query.ndim,
          f"{what}`key` and `value` to be {query.ndim}-D but found {key.ndim}-D and {value.ndim}-D "
          "tensors respectively")
    if key_padding_mask is not None:
        _need(key_padding_mask.ndim == query.ndim - 1,
              f"{what}`key_padding_mask` to be `None` or {query.ndim - 1}-D but found "
              f"{key_padding_mask.ndim}-D tensor instead")
    if attn_mask is not None:
        _need(attn_mask.ndim in (2, 3), f"{what}`attn_mask` to be `None`, 2-D or 3-D but found "
              f"{attn_mask.ndim}-D tensor instead")
        if not batched and attn_mask.ndim == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            _need(tuple(attn_mask.shape) == expected,
                  f"Expected `attn_mask` shape to be {expected} but got {tuple(attn_mask.shape)}")
    return batched


@composite("nn", name="_none_or_dtype")
def none_or_dtype(input):
    """The dtype of a mask that may be None."""
    return None if input is None else input.dtype


@composite("nn", name="_canonical_mask")
def canonical_mask(mask, mask_name, other_type, other_name, target_type, check_other=True):
    """A mask as numbers to add: True becomes minus infinity."""
    if mask is None:
        return None
    floating = mask.is_floating_point()
    if mask.dtype is not T.bool and not floating:
        raise AssertionError(f"only bool and floating types of {mask_name} are supported")
    if check_other and other_type is not None and mask.dtype is not other_type:
        warnings.warn(f"Support for mismatched {mask_name} and {other_name} is deprecated. Use "
                      "same type for both instead.", stacklevel=4)
    if floating:
        return mask
    return T.zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)


def _projected(query, key, value, packed, separate, bias):
    """query, key and value times their input weights."""
    size = query.shape[-1]
    weights = separate if packed is None else packed.split([size, size, size])
    biases = (None,) * 3 if bias is None else bias.split([size, size, size])
    if packed is not None and key is value:
        if query is key:
            joined = T.nn.linear(query, packed, bias)
            return [joined[..., i * size:(i + 1) * size] for i in range(3)]
        rest = T.nn.linear(key, packed[size:], None if bias is None else bias[size:])
        return [T.nn.linear(query, weights[0], biases[0]), rest[..., :size], rest[..., size:]]
    operands = (query, key, value)
    return [T.nn.linear(*args) for args in zip(operands, weights, biases, strict=True)]


def _check_weights(query, key, value, embed_dim, num_heads, packed, separate):
    size = query.shape[-1]
    _need(size == embed_dim, f"was expecting embedding dimension of {embed_dim}, but got {size}")
    _need(size // num_heads * num_heads == size,
          f"embed_dim {size} not divisible by num_heads {num_heads}")
    if packed is None:
        _need(key.shape[:2] == value.shape[:2], f"key's sequence and batch dims {key.shape[:2]} do "
                                                "not "
              f"match value's {value.shape[:2]}")
        for name, w in zip("qkv", separate, strict=True):
            _need(w is not None, f"use_separate_proj_weight is True but {name}_proj_weight is None")
    else:
        _need(key.shape == value.shape, f"key shape {key.shape} does not match value shape "
                                        f"{value.shape}")


def _full_attention_mask(attn_mask, tgt_len, src_len, batch, num_heads):
    """attn_mask with a dimension for batch and heads in front."""
    if attn_mask is None:
        return None
    if attn_mask.ndim == 2:
        expected, what, found = (tgt_len, src_len), "2D", attn_mask.unsqueeze(0)
    elif attn_mask.ndim == 3:
        expected, what, found = (batch * num_heads, tgt_len, src_len), "3D", attn_mask
    else:
        raise RuntimeError(f"attn_mask's dimension {attn_mask.ndim} is not supported")
    if tuple(attn_mask.shape) != expected:
        raise RuntimeError(f"The shape of the {what} attn_mask is {attn_mask.shape}, but should be "
                           f"{expected}.")
    return found


def _extended(k, v, attn_mask, padding, extra_k, extra_v):
    """One more position in keys, values and masks (dimension of positions: 1)."""
    return (T.cat([k, extra_k], 1), T.cat([v, extra_v], 1),
            None if attn_mask is None else T.nn.pad(attn_mask, (0, 1)),
            None if padding is None else T.nn.pad(padding, (0, 1)))


def _split_heads(x, batch, num_heads):
    """(length, batch, heads * size) to (batch * heads, length, size)."""
    length = x.shape[0]
    return x.reshape(length, batch * num_heads, x.shape[2] // num_heads).transpose(0, 1)


def _with_weights(q, k, v, mask, dropout_p):
    """(output, attention weights) of heads in the first dimension."""
    scaled, keys = q * math.sqrt(1.0 / q.shape[-1]), k.transpose(-2, -1)
    scores = T.bmm(scaled, keys) if mask is None else T.baddbmm(mask, scaled, keys)
    weights = T.softmax(scores, -1)
    if dropout_p > 0.0:
        weights = T.nn.dropout(weights, dropout_p)
    return T.bmm(weights, v), weights


def _without_weights(q, k, v, mask, dropout_p, is_causal, batch, num_heads):
    if mask is not None:
        mask = mask.unsqueeze(0) if mask.shape[0] == 1 else \
            mask.reshape(batch, num_heads, -1, k.shape[1])
    q, k, v = (x.reshape(batch, num_heads, *x.shape[1:]) for x in (q, k, v))
    out = T.nn.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal)
    return out.reshape(batch * num_heads, *out.shape[2:])


@composite("nn", wide=True)
def multi_head_attention_forward(
        query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k,
        bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias, training=True,
        key_padding_mask=None, need_weights=True, attn_mask=None, use_separate_proj_weight=False,
        q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None, static_v=None,
        average_attn_weights=True, is_causal=False):
    """nn.MultiheadAttention as a function of its parameters.

    Args:
        query, key, value: (L, N, E), (S, N, E), (S, N, E), or without N.
        in_proj_weight: (3 E, E), or three weights with `use_separate_proj_weight`.
        key_padding_mask: (N, S), attn_mask: (L, S) or (N heads, L, S): bool (True is left out) or
            added.

    Returns: (output (L, N, E), weights (N, L, S), averaged over heads if asked; None without
        `need_weights`).
    """
    batched = _is_batched(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        grown = {id(x): x.unsqueeze(1) for x in (query, key, value)}  # equal operands stay one
        query, key, value = (grown[id(x)] for x in (query, key, value))
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    tgt_len, batch, size = query.shape
    src_len = key.shape[0]
    other = T.nn._none_or_dtype(attn_mask)
    key_padding_mask = T.nn._canonical_mask(key_padding_mask, "key_padding_mask", other,
                                            "attn_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = T.nn._canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        is_causal = is_causal and key_padding_mask is None
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    packed = None if use_separate_proj_weight else in_proj_weight
    _need(use_separate_proj_weight or packed is not None,
          "use_separate_proj_weight is False but in_proj_weight is None")
    _check_weights(query, key, value, embed_dim_to_check, num_heads, packed, separate)
    q, k, v = _projected(query, key, value, packed, separate, in_proj_bias)
    attn_mask = _full_attention_mask(attn_mask, tgt_len, src_len, batch, num_heads)
    q, k, v = (_split_heads(x, batch, num_heads) if static is None else static
               for x, static in ((q, None), (k, static_k), (v, static_v)))
    _need((bias_k is None) == (bias_v is None), "bias_k and bias_v must be set together")
    if bias_k is not None:
        _need(static_k is None and static_v is None, "bias cannot be added to static key or value.")
        extra = (_split_heads(b.expand(1, batch, size), batch, num_heads) for b in (bias_k, bias_v))
        k, v, attn_mask, key_padding_mask = _extended(k, v, attn_mask, key_padding_mask, *extra)
    if add_zero_attn:
        zero = k.new_zeros((k.shape[0], 1, k.shape[2]))
        k, v, attn_mask, key_padding_mask = _extended(k, v, attn_mask, key_padding_mask, zero, zero)
    mask = _merged(attn_mask, key_padding_mask, batch, num_heads, k.shape[1])
    dropout_p = dropout_p if training else 0.0
    if need_weights:
        _need(not (is_causal and mask is None), "FIXME: is_causal not implemented for need_weights")
        out, weights = _with_weights(q, k, v, mask, dropout_p)
    else:
        out = _without_weights(q, k, v, mask, dropout_p, is_causal, batch, num_heads)
    out = T.nn.linear(out.transpose(0, 1).reshape(tgt_len, batch, size), out_proj_weight,
                      out_proj_bias)
    out = out if batched else out.squeeze(1)
    if not need_weights:
        return out, None
    weights = weights.reshape(batch, num_heads, tgt_len, k.shape[1])
    weights = weights.mean(1) if average_attn_weights else weights
    return out, weights if batched else weights.squeeze(0)


def _merged(attn_mask, padding, batch, num_heads, src_len):
    """Both masks added, (batch * heads or 1, L or 1, S)."""
    if padding is None:
        return attn_mask
    if tuple(padding.shape) != (batch, src_len):
        raise AssertionError(f"expecting key_padding_mask shape of {(batch, src_len)}, but got "
                             f"{padding.shape}")
    spread = padding.reshape(batch, 1, 1, src_len).expand(-1, num_heads, -1, -1)
    spread = spread.reshape(batch * num_heads, 1, src_len)
    return spread if attn_mask is None else attn_mask + spread
