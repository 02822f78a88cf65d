"""The run file: one HDF5 file in which everything a run depended on is kept.

`writer` records, `reader` gives back, `verify` and `seal` say whether the bytes
are those that were written, `inspect` sums up, `export` compares. The modules
are imported one by one; importing this package alone loads nothing heavy.
"""
