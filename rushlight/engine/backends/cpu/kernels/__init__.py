"""Contractions: one register tile, and the loops around it.

Read `isa.py` (what a processor's vectors allow), `text.py` (functions with loops as LLVM text),
`tile.py` (the tile), `product.py` (matrix products), `pack.py` and `narrow.py` (copies before and
after).
"""
