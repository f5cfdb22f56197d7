"""torch.* spellings of functions of torch.nn.functional (reductions as numbers, other orders)."""

from .record import T, composite

_REDUCTIONS = ("none", "mean", "sum")


def _how(reduction):
    """0, 1, 2: "none", "mean", "sum"."""
    return reduction if isinstance(reduction, str) else _REDUCTIONS[reduction]


@composite("function", name="binary_cross_entropy_with_logits")
def bce_with_logits(input, target, weight=None, pos_weight=None, reduction=1):
    """nn.functional.binary_cross_entropy_with_logits with its reduction as a number."""
    return T.nn.binary_cross_entropy_with_logits(input, target, weight, reduction=_how(reduction),
                                                 pos_weight=pos_weight)


@composite("function")
def kl_div(input, target, reduction=1, *, log_target=False):
    """nn.functional.kl_div with its reduction as a number."""
    return T.nn.kl_div(input, target, reduction=_how(reduction), log_target=log_target)


@composite("function")
def poisson_nll_loss(input, target, log_input, full, eps, reduction):
    """nn.functional.poisson_nll_loss with its reduction as a number."""
    return T.nn.poisson_nll_loss(input, target, log_input, full, None, eps, None, _how(reduction))


@composite("function")
def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction=1):
    """nn.functional.cosine_embedding_loss with its reduction as a number."""
    return T.nn.cosine_embedding_loss(input1, input2, target, margin, reduction=_how(reduction))


@composite("function")
def margin_ranking_loss(input1, input2, target, margin=0.0, reduction=1):
    """nn.functional.margin_ranking_loss with its reduction as a number."""
    return T.nn.margin_ranking_loss(input1, input2, target, margin, reduction=_how(reduction))


@composite("function")
def hinge_embedding_loss(input, target, margin=1.0, reduction=1):
    """nn.functional.hinge_embedding_loss with its reduction as a number."""
    return T.nn.hinge_embedding_loss(input, target, margin, reduction=_how(reduction))


@composite("function")
def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-06, swap=False,
                        reduction=1):
    """nn.functional.triplet_margin_loss with its reduction as a number."""
    return T.nn.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap,
                                    reduction=_how(reduction))


@composite("function")
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """Convolution, or its transpose, in one to three dimensions."""
    rank = weight.ndim - 2
    if not 1 <= rank <= 3:
        raise RuntimeError(f"expected a weight of 3 to 5 dimensions, got {weight.ndim}")
    if transposed:
        return getattr(T, f"conv_transpose{rank}d")(input, weight, bias, stride, padding,
                                                    output_padding,
                                                    groups, dilation)
    return getattr(T, f"conv{rank}d")(input, weight, bias, stride, padding, dilation, groups)


# ------------------------------------------------------------- normalization with statistics
def _rstd(values, dims, eps):
    return (values.var(dims, unbiased=False, keepdim=True) + eps).rsqrt()


@composite("function")
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """(layer_norm, mean, 1 / standard deviation)."""
    out = T.nn.layer_norm(input, normalized_shape, weight, bias, eps)
    dims = list(range(input.ndim - len(normalized_shape), input.ndim))
    return out, input.mean(dims, keepdim=True), _rstd(input, dims, eps)


@composite("function")
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """(group_norm, mean (N, group), 1 / standard deviation (N, group))."""
    out = T.group_norm(input, group, weight, bias, eps)
    rows = input.reshape(N, group, C // group * HxW)
    return out, rows.mean(2), _rstd(rows, [2], eps).squeeze(2)


@composite("function")
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """(batch_norm, mean, 1 / standard deviation); empty statistics when not training."""
    if not training:
        nothing = input.new_empty((0,))
        return T.batch_norm(input, weight, bias, running_mean, running_var, False, momentum, eps,
                            False), nothing, nothing
    dims = [d for d in range(input.ndim) if d != 1]
    mean, rstd = input.mean(dims), _rstd(input, dims, eps).reshape(-1)
    out = T.batch_norm(input, weight, bias, running_mean, running_var, True, momentum, eps, False)
    return out, mean, rstd
