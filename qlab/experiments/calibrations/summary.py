"""The results of a calibration as text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["summary"]

#: Units that are shown with a prefix.
_SHOWN = {"s": (1e9, "ns")}


def summary(results: Mapping[str, Any]) -> str:
    """Return the summary of a calibration."""
    if "error" in results:
        return f"no results: {results['error']}"
    rows = [("run file", results["run_file"])] if "run_file" in results else []
    scale, unit = _SHOWN.get(results["unit"], (1.0, ""))
    value, doubt = (results[key] * scale for key in ("value", "standard_uncertainty"))
    warmth = results["temperature_c"]
    rows += [
        ("found", f"{value:.5f} {unit}, standard uncertainty {doubt:.5f} {unit}".rstrip()),
        ("", results["quantity"]),
        ("readings", f"{results['readings']:,}"),
        ("date", f"{results['date']}, MJD {results['mjd']:.5f}"),
        ("at", results["connector"]),
        (
            "warmth",
            "not known" if warmth is None else f"{warmth:.2f} °C: {results['temperature_of']}",
        ),
    ]
    rows += [("with", f"{name}: {who}") for name, who in results["instruments"].items()]
    rows += [(name, _text(value)) for name, value in results["details"].items()]
    if results.get("utc_warning"):
        rows.append(("note", results["utc_warning"]))
    if "record" in results:
        rows.append(("record", results["record"]))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _text(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
