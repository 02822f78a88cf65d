"""The results of a fibre run as text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["summary"]


def summary(results: Mapping[str, Any]) -> str:
    """Return the summary of a run, a few aligned lines and a table."""
    if "error" in results:
        return f"no results: {results['error']}"
    promise = "every slip of one is found" if results["slips_guaranteed"] else "NO GUARANTEE"
    slips = ", ".join(f"{s['cycles']:+d} at gate {s['gate']}" for s in results["slips"][:6])
    more = len(results["slips"]) - 6
    rows = [
        *([("run file", results["run_file"])] if "run_file" in results else []),
        ("gates", f"{results['gates']:,} of {results['gate_s']:g} s"),
        ("uptime", f"{results['uptime']:.4%}{_losses(results)}"),
        ("slips", (slips or "none") + (f" and {more} more" if more > 0 else "")),
        ("counters differ by", f"{_sigma(results)}: {promise}"),
        ("not detectable", results["undetectable"]),
    ]
    if results["mean_offset"] is not None:
        rows.append(("mean offset", f"{results['mean_offset']:+.2e}"))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {text}" for name, text in rows]
    delivered, fibre = (results["stability"][which]["mdev"] for which in ("delivered", "fibre"))
    if delivered and fibre:
        free = dict(zip(fibre["tau"], fibre["dev"], strict=True))
        lines += ["", f"{'tau (s)':>9}  {'mdev, delivered':>15}  {'fibre alone':>11}"]
        lines += [
            f"{tau:>9g}  {dev:>15.2e}  {free.get(tau, float('nan')):>11.2e}"
            for tau, dev in zip(delivered["tau"], delivered["dev"], strict=True)
        ]
    return "\n".join(lines)


def _sigma(results: Mapping[str, Any]) -> str:
    if results["sigma_hz"] is None:
        return "what a hundred good gates would tell"
    return f"{results['sigma_hz']:.3f} Hz rms"


def _losses(results: Mapping[str, Any]) -> str:
    count = len(results["losses"])
    if not count:
        return ""
    longest = max(loss["gates"] for loss in results["losses"]) * results["gate_s"]
    times = "once" if count == 1 else f"{count} times"
    return f", no reading {times}, for {longest:g} s at most"
