"""The results of a counter log as text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["summary"]


def summary(results: Mapping[str, Any]) -> str:
    """Return the summary of a log, a few aligned lines for each counter."""
    if "error" in results:
        return f"no results: {results['error']}"
    rows = [("run file", results["run_file"])] if "run_file" in results else []
    for name, found in results["counters"].items():
        missing = f", {found['missing']:,} missing" if found["missing"] else ""
        rows.append((name, f"{found['readings']:,} readings{missing}"))
        if found["mean"] is not None:
            rows.append(("mean", _shown(found["mean"], results)))
        pairs = zip(found["oadev"]["tau"], found["oadev"]["dev"], strict=True)
        rows += [(f"OADEV {tau:g} s", f"{dev:.3g}") for tau, dev in pairs]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _shown(mean: float, results: Mapping[str, Any]) -> str:
    if results["quantity"] == "interval":
        return f"{mean:.12g} s"
    return f"{results['nominal_hz']:g} Hz x (1 {mean:+.4g})"
