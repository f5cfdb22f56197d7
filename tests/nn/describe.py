"""What a module is and computes, as plain data that can be compared and recorded."""

SEED = 1234
KEPT = 4  # values kept of each tensor


def summary(tensor):
    """Shape, sum and first values of a tensor, to six digits."""
    values = tensor.detach().double().reshape(-1).tolist()
    kept = [float(f"{v:.6g}") for v in (sum(values), *values[:KEPT])]
    return {"shape": list(tensor.shape), "sum, first": kept}


def leaves(T, value):
    """The tensors in a result, in order."""
    if isinstance(value, T.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in leaves(T, item)]
    return []


def describe(T, sample):
    """The module of a sample: its repr, outputs, gradients, and its state after one call."""
    T.manual_seed(SEED)
    module = sample.make(T)
    result = {"repr": repr(module)}
    args, kwargs = sample.inputs(T), sample.kwargs(T)
    for training in (True, False):
        module.train(training)
        T.manual_seed(SEED)
        with T.set_grad_enabled(training):
            outputs = leaves(T, module(*args, **kwargs))
        mode = "train" if training else "eval"
        result[mode] = [summary(t) for t in outputs]
        if training:
            result["repr after"] = repr(module)
            result["gradients"] = gradients(T, module, outputs)
            result["state"] = {k: summary(v) for k, v in module.state_dict().items()}
    return result


def gradients(T, module, outputs):
    """Sums of the parameters' gradients, for the sum of squares of all outputs."""
    parameters = dict(module.named_parameters())
    wanted = [t for t in outputs if t.requires_grad]
    if not parameters or not wanted:
        return {}
    loss = sum((t * t).sum() for t in wanted)
    found = T.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {k: None if g is None else summary(g) for k, g in zip(parameters, found, strict=True)}
