"""The results of a BB84 run as text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["summary"]


def summary(results: Mapping[str, Any]) -> str:
    """Return the summary of a BB84 run, a few aligned lines."""
    if "error" in results:
        return f"no results: {results['error']}"
    rows = [
        *([("run file", results["run_file"])] if "run_file" in results else []),
        ("pulses", f"{results['slots']:,} in {results['live_s']:.3g} s of light"),
        *_mean_photon_number(results),
        *_detections(results),
        (
            "sifted bits",
            f"{results['sifted_bits']:,} (z {sum(results['n_z']):,}, x {sum(results['n_x']):,})",
        ),
    ]
    rows += [(f"QBER {basis}", _qber(results, basis)) for basis in "zx"]
    rows += _sync(results)
    if results["leak_ec_bits"] is not None:
        efficiency = results["efficiency"]
        shown = "no errors" if efficiency is None else f"efficiency {efficiency:.3f}"
        rows.append(("leak", f"{results['leak_ec_bits']:,} bits, {shown}"))
    if results["bounds"] is not None:
        rows.append(("single photons", _single_photons(results["bounds"])))
        if "phi_z" in results["bounds"]:
            rows.append(("phase error", f"<= {results['bounds']['phi_z']:.2%}"))
    rows.append(("secret bits", _secret(results)))
    if "secret_rate_bps" in results:
        rate, elapsed_s = results["secret_rate_bps"], results["elapsed_s"]
        rows.append(("secret rate", f"{rate:,.0f} bit/s over {elapsed_s:.3g} s"))
    rows.append(("epsilon", f"{results['eps_sec']:g} secret, {results['eps_cor']:g} correct"))
    rows.append(("proof", f"{results['proof']}, {results['length_rule']}"))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {text}" for name, text in rows]
    lines += [
        f"{'assumed' if i == 0 else '':<{width}}  {text}"
        for i, text in enumerate(results["assumptions"])
    ]
    return "\n".join(lines)


def _mean_photon_number(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return one row, or none of data that were analysed anew."""
    if "mean_photon_number" not in results:
        return []
    found, u = results["mean_photon_number"], results["mean_photon_number_u"]
    return [("mean photon number", f"{found:.4f} +- {u:.4f}")]


def _detections(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return one row, or none of a run of Alice's station, which detects nothing."""
    if results["double_clicks"] is None:
        return []
    text = (
        f"{results['detections']:,} ({results['double_clicks']:,} double; "
        f"{results['dropped_dead_time']:,} dropped in dead time, "
        f"{results['dropped_outside']:,} outside the window)"
    )
    return [("detections", text)]


def _sync(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return one row of Bob's slots, if photons gave them, else none."""
    if "string_bits" not in results:
        return []
    text = (
        f"by photons; clocks {results['frequency_ratio_minus_1'] * 1e6:+.5f} ppm apart; "
        f"{results['string_error_rate']:.2%} of {results['string_bits']:,} public bits wrong; "
        f"by chance {results['false_alarm_probability']:.0e}"
    )
    return [("slots", text)]


def _single_photons(bounds: Mapping[str, float]) -> str:
    signs = {"s_z0_lower": ">=", "s_z1_lower": ">=", "s_x1_lower": ">=", "v_x1_upper": "<="}
    parts = [
        f"{name.rpartition('_')[0]} {sign} {bounds[name]:,.0f}"
        for name, sign in signs.items()
        if name in bounds
    ]
    return ", ".join(parts) or "not bounded"


def _qber(results: Mapping[str, Any], basis: str) -> str:
    total = results[f"qber_{basis}"]
    if total is None:
        return "not known"
    parts = [
        f"{mu:g}: {rate:.2%}"
        for mu, rate in zip(
            results["intensities"], results[f"qber_{basis}_by_intensity"], strict=True
        )
        if rate is not None
    ]
    return f"{total:.2%} (at {', '.join(parts)})"


def _secret(results: Mapping[str, Any]) -> str:
    if results["no_key"]:
        return f"none: {results['no_key']}"
    note = "" if results["fit_for_use"] else " (simulated: not fit for use)"
    return f"{results['secret_bits']:,}{note}"
