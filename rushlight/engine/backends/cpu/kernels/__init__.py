"""Contractions: one register tile, and the loops around it.

Read `isa.py` (what a processor's vectors allow), `text.py` (functions with loops as LLVM text),
`vectors.py`, `tile.py` (the tile), `blocked.py` (the loops around it), `product.py` and `dots.py`
(matrix products), `patches.py`, `convolution.py` and `winograd.py` (convolutions), `pack.py` and
`narrow.py` (copies before and after), `contraction.py` (all of a dtype as one object).
"""
