"""The CPU backend: loop nests to LLVM IR, compiled in process, run by one native call.

Read `expressions.py` (one instruction), `loops.py` and `folds.py`, `lower.py` (a loop nest),
`kernels/` and `contract.py` (matrix products), `jit.py` (LLVM), `program.py`.
"""
