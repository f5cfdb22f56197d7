"""Python's operators on tensors, from a table."""

BINARY = dict(
    add="add",
    sub="sub",
    mul="mul",
    truediv="div",
    floordiv="floor_divide",
    mod="remainder",
    pow="pow",
    matmul="matmul",
)
BITWISE = {
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
}
COMPARE = ("eq", "ne", "lt", "le", "gt", "ge")
COMMUTES = ("add", "mul", "and", "or", "xor")


def _guarded(function):
    """A binary operator that lets Python try the other operand's on foreign types."""

    def operator(self, other):
        try:
            return function(self, other)
        except TypeError:
            if _foreign(other):
                return NotImplemented
            raise

    return operator


def _foreign(other):
    return not isinstance(other, int | float | complex) and not hasattr(other, "_meta")


def install_operators(Tensor, functions):
    """Set the dunder methods whose operators exist in `functions`."""
    for name, target in {**BINARY, **BITWISE}.items():
        if target not in functions:
            continue
        function = functions[target]
        setattr(Tensor, f"__{name}__", _guarded(function))
        if name in COMMUTES:
            setattr(Tensor, f"__r{name}__", function)
        inplace = getattr(Tensor, target + "_", None)
        if inplace is not None and name != "matmul":
            setattr(Tensor, f"__i{name}__", inplace)
    _install_reflected(Tensor, functions)
    for name in COMPARE:
        if name in functions:
            setattr(Tensor, f"__{name}__", _guarded(functions[name]))
    for name, target in (
        ("neg", "neg"),
        ("abs", "abs"),
        ("invert", "bitwise_not"),
        ("pos", "positive"),
    ):
        if target in functions:
            setattr(Tensor, f"__{name}__", functions[target])


def _install_reflected(Tensor, f):
    def rsub(self, other):
        return f["rsub"](self, other)

    def rtruediv(self, other):
        return f["mul"](f["reciprocal"](self), other)

    def rpow(self, other):
        return f["pow"](other, self)

    def rmatmul(self, other):
        return f["matmul"](other, self)

    def swapped(name):
        return lambda self, other: f[name](other, self)

    Tensor.__rsub__, Tensor.__rtruediv__ = rsub, rtruediv
    Tensor.__rpow__, Tensor.__rmatmul__ = rpow, rmatmul
    Tensor.__rdiv__ = rtruediv
    Tensor.__rfloordiv__, Tensor.__rmod__ = swapped("floor_divide"), swapped("remainder")
    Tensor.__rlshift__ = swapped("bitwise_left_shift")
    Tensor.__rrshift__ = swapped("bitwise_right_shift")
