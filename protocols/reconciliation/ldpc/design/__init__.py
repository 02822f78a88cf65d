"""How our codes came about: degrees, protograph, shifts; see `python -m` of this package."""
