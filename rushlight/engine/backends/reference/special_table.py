"""Everything behind the `special` primitive, by name: functions of arrays of one dtype."""

import numpy as np

from . import special, special_bessel, special_gamma, special_polynomials


def _in_float64(function):
    """The result in the operands' dtype of a function that works on float64 arrays."""

    def rule(*arrays):
        wide = [np.asarray(a, np.float64) for a in arrays]
        return np.asarray(function(*wide)).astype(arrays[0].dtype)

    return rule


TABLE: dict = {**special.TABLE, "gcd": np.gcd, "lcm": np.lcm}
for _module in (special_bessel, special_gamma, special_polynomials):
    TABLE.update({name: _in_float64(function) for name, function in _module.TABLE.items()})
