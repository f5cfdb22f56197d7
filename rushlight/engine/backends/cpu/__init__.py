"""The CPU backend: loop nests to LLVM IR, compiled in process, run from a table by one native call.

Read `expressions.py` (one instruction), `lower.py` (a loop nest), `jit.py` (LLVM), `program.py`.
"""
