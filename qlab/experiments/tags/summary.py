"""The results of a recording of tags as text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["summary"]


def summary(results: Mapping[str, Any]) -> str:
    """Return the summary of a recording, a few aligned lines for each tagger."""
    if "error" in results:
        return f"no results: {results['error']}"
    rows = [("run file", results["run_file"])] if "run_file" in results else []
    rows.append(("recorded", f"{results['duration_s']:.6g} s"))
    for name, found in results["taggers"].items():
        rows.append((name, f"{sum(line['count'] for line in found['lines'].values()):,} tags"))
        for number, line in found["lines"].items():
            rate = "" if line["rate_hz"] is None else f"   {line['rate_hz']:,.1f} /s"
            rows.append((f"  line {number}", f"{line['count']:,}{rate}"))
    for each in results.get("coincidences", ()):
        start, stop = each["lines"]
        chance = f", {each['accidentals']:,.1f} by chance"
        text = f"{each['count']:,} within {each['window_ps']:g} ps{chance}"
        rows.append((f"lines {start} and {stop}", text))
    sync = results.get("sync")
    if sync is not None:
        rows.append(("offset", f"{sync['offset_ps']:,.1f} +- {sync['offset_std_ps']:.1f} ps"))
        rate = f"{sync['frequency_ratio_minus_1']:.6e} +- {sync['frequency_std']:.1e}"
        rows.append(("frequency ratio - 1", rate))
        rows.append(("pairs", f"{sync['pairs']:,}, jitter {sync['residual_rms_ps']:,.0f} ps"))
    elif len(results["taggers"]) == 2:
        rows.append(("common time", "not found"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)
