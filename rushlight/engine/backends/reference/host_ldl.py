"""LDL factorization of symmetric or Hermitian indefinite matrices, and its solver.

Bunch, Kaufman 1977, lower triangle, in LAPACK's storage: D's 1x1 and 2x2 blocks and the multipliers
below them in one matrix; a negative pivot, twice, marks a 2x2 block.
"""

import numpy as np

from .host_linalg import _each, _refuse

TABLE: dict = {}
_ALPHA = (1 + np.sqrt(17)) / 8


def host_function(function):
    TABLE[function.__name__] = function
    return function


def _size(x):
    """LAPACK's cheap modulus."""
    return np.abs(x.real) + np.abs(x.imag)


def _pivot(a, k, conj):
    """(row to exchange with, width of the block) for column k; width 0: nothing to eliminate."""
    n = a.shape[0]
    here = np.abs(a[k, k].real) if conj is np.conj else _size(a[k, k])
    if k + 1 >= n:
        return k, 1 if here else 0
    column = _size(a[k + 1 :, k])
    i = k + 1 + int(np.argmax(column))
    largest = column[i - k - 1]
    if max(here, largest) == 0:
        return k, 0
    if here >= _ALPHA * largest:
        return k, 1
    row = max(_size(a[i, k:i]).max(initial=0), _size(a[i + 1 :, i]).max(initial=0))
    if here >= _ALPHA * largest * (largest / row):
        return k, 1
    own = np.abs(a[i, i].real) if conj is np.conj else _size(a[i, i])
    return (i, 1) if own >= _ALPHA * row else (i, 2)


def _exchange(a, j, p, conj):
    """Rows and columns j and p of the trailing lower triangle."""
    a[p + 1 :, [j, p]] = a[p + 1 :, [p, j]]
    between = slice(j + 1, p)
    a[between, j], a[p, between] = conj(a[p, between].copy()), conj(a[between, j].copy())
    a[p, j] = conj(a[p, j])
    a[j, j], a[p, p] = a[p, p], a[j, j]


def _factor(x, hermitian):
    a, n, k, info = np.array(x), x.shape[0], 0, 0
    conj = np.conj if hermitian and x.dtype.kind == "c" else (lambda v: v)
    pivots = np.zeros(n, np.int32)
    if conj is np.conj:
        np.fill_diagonal(a, np.diagonal(a).real.copy())
    while k < n:
        p, width = _pivot(a, k, conj)
        if width == 0:
            info, pivots[k] = info or k + 1, k + 1
            k += 1
            continue
        j = k + width - 1
        if p != j:
            _exchange(a, j, p, conj)
            if width == 2:
                a[[j, p], k] = a[[p, j], k]
        rest = slice(j + 1, n)
        block = a[k : j + 1, k : j + 1].copy()
        if width == 2:
            block[0, 1] = conj(block[1, 0])
        old = a[rest, k : j + 1].copy()
        scaled = np.linalg.solve(block.T, old.T).T if old.size else old
        a[rest, rest] -= np.tril(scaled @ conj(old).T)
        a[rest, k : j + 1] = scaled
        pivots[k : j + 1] = p + 1 if width == 1 else -(p + 1)
        k += width
    return a, pivots, info


@host_function
def ldl(x, hermitian, check):
    """(LD, pivots, info)."""
    batch = x.shape[:-2]
    outs = (np.empty_like(x), np.zeros(x.shape[:-1], np.int32), np.zeros(batch, np.int32))
    found = _each(lambda m: _factor(m, hermitian), [x], outs)
    if check and np.any(found[2]):
        _refuse("torch.linalg.ldl_factor", found[2], "D[{0},{0}] is zero")
    return (np.tril(found[0]), *found[1:])


def _blocks(pivots):
    k = 0
    while k < len(pivots):
        width = 1 if pivots[k] > 0 else 2
        yield k, width, abs(int(pivots[k])) - 1
        k += width


def _solve(ld, pivots, b, hermitian):
    x, n = np.array(b), ld.shape[0]
    conj = np.conj if hermitian and ld.dtype.kind == "c" else (lambda v: v)
    blocks = list(_blocks(pivots))
    for k, width, p in blocks:
        j = k + width - 1
        x[[j, p]] = x[[p, j]]
        x[j + 1 :] -= ld[j + 1 :, k : j + 1] @ x[k : j + 1]
        block = ld[k : j + 1, k : j + 1].copy()
        if width == 2:
            block[0, 1] = conj(block[1, 0])
        x[k : j + 1] = np.linalg.solve(block, x[k : j + 1])
    for k, width, p in reversed(blocks):
        j = k + width - 1
        if j + 1 < n:
            x[k : j + 1] -= conj(ld[j + 1 :, k : j + 1]).T @ x[j + 1 :]
        x[[j, p]] = x[[p, j]]
    return (x,)


@host_function
def ldl_solve(ld, pivots, b, hermitian):
    outs = (np.empty_like(b),)
    for place in np.ndindex(ld.shape[:-2]):
        outs[0][place] = _solve(ld[place], pivots[place], b[place], hermitian)[0]
    return outs
