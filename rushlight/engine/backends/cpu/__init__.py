"""The CPU backend: loop nests to LLVM IR, compiled in process, run by one native call.

Read `expressions.py` (one instruction), `loops.py` and `folds.py`, `lower.py` (a loop nest),
`contract.py` (which steps are contractions), `cuts.py`, `products.py` and `convolve.py` (how they
are cut and what their kernels are told), `kernels/` (those), `jit.py` (LLVM), `pool.py` (helper
threads), `program.py`.
"""
