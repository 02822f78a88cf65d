"""The results of a clock run as text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["summary"]

_CHANGES = 12


def summary(results: Mapping[str, Any]) -> str:
    """Return the summary of a run: a few aligned lines for each site, and its history."""
    if "error" in results:
        return f"no results: {results['error']}"
    lines = [f"run file  {results['run_file']}"] if "run_file" in results else []
    for when in ("start", "end"):
        if f"{when}_mjd" in results:  # older runs have the start alone
            lines.append(f"{when:<8}  {results[f'{when}_utc']}, MJD {results[f'{when}_mjd']:.5f}")
        elif f"{when}_utc" in results:
            lines.append(f"{when:<8}  {results[f'{when}_utc']}")
    if results.get("utc_warning"):
        lines.append(f"note      {results['utc_warning']}")
    for number, site in enumerate(results["sites"]):
        lines += ["", f"site {number}: {site['clock']}", *_site(site)]
    return "\n".join(lines)


def _site(site: Mapping[str, Any]) -> list[str]:
    if not site["readings"]:
        return ["  no readings"]
    first = site["first_lock_s"]
    phase = site["phase_rms_s"]
    unused = f"{site['missing']} missing, {site['outliers']} outliers"
    since = "" if first is None else f", first after {first:.0f} s"
    rows = [
        ("readings", f"{site['readings']:,} ({unused})"),
        ("locked", f"{site['locked_share']:.2%} of the time{since}"),
        (
            "phase",
            "never locked"
            if phase is None
            else f"{phase * 1e9:.3g} ns rms while locked, as estimated",
        ),
        ("now", f"{site['state']}: {site['reason']}"),
        ("95 % bound", f"{site['bound_95_s'] * 1e9:.3g} ns"),
        ("steering", f"{site['steering']:+.4e}"),
        ("alarms", ", ".join(site["alarms"]) or "none"),
    ]
    lines = [f"  {name:<11} {text}" for name, text in rows]
    changes = site["changes"]
    lines += [_change(each) for each in changes[:_CHANGES]]
    if len(changes) > _CHANGES:
        lines.append(f"  and {len(changes) - _CHANGES} changes more")
    steered, free = (site["stability"][which]["tdev"] for which in ("steered", "free"))
    if steered and free:
        alone = dict(zip(free["tau"], free["dev"], strict=True))
        lines.append(f"  {'tau (s)':>9}  {'tdev, locked':>12}  {'left alone':>12}")
        lines += [
            f"  {tau:>9g}  {dev * 1e9:>9.4f} ns  {alone.get(tau, float('nan')) * 1e9:>9.4f} ns"
            for tau, dev in zip(steered["tau"], steered["dev"], strict=True)
        ]
    return lines


def _change(change: Mapping[str, Any]) -> str:
    noticed = ", ".join(change["noticed"]).replace("_", " ")
    said = f"{change['state']}: {change['reason']}" + (f" ({noticed})" if noticed else "")
    return f"  {change['t_s']:>10.0f} s  {said}"
