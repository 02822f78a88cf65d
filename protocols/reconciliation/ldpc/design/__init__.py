"""How our codes came about: recipe of degrees and its threshold, protograph, shifts, table.

``python -m protocols.reconciliation.ldpc.design 16384 > tables/16384.toml`` makes a table
anew, bit for bit.
"""
