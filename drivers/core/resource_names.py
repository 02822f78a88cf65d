"""VISA resource names: how they are written out and compared."""

from __future__ import annotations

from pyvisa import rname

__all__ = ["canonical", "written"]


def written(name: str) -> str:
    """Return a resource name as VISA writes it, all parts given, USB ids in hexadecimal.

    Raises
    ------
    pyvisa.rname.InvalidResourceName
        If it is no resource name.
    """
    parsed = rname.ResourceName.from_string(name)
    for part in ("manufacturer_id", "model_code"):
        if hasattr(parsed, part):
            try:
                setattr(parsed, part, f"0x{int(getattr(parsed, part), 0):04X}")
            except ValueError:
                raise rname.InvalidResourceName(f"{name}: {part} is no number") from None
    return str(parsed)


def canonical(name: str) -> str:
    """Return a resource name in the one form in which names are compared.

    Raises
    ------
    pyvisa.rname.InvalidResourceName
        If it is no resource name.
    """
    return written(name) if "/" in name else written(name.upper()).upper()
