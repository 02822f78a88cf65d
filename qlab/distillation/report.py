"""A distillation's results as text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["distillation_summary"]


def distillation_summary(results: Mapping[str, Any]) -> str:
    """Return the summary of `qlab.distillation.sifted.Distilled.as_dict`."""
    efficiency = results["efficiency"]
    leak = f"{results['leak_ec_bits']:,} bits"
    if efficiency is not None:
        leak += f", efficiency {efficiency:.3f}"
    rows = [
        ("sifted bits", f"{results['bits']:,}"),
        ("errors", f"{results['errors']:,} ({results['qber']:.3%})"),
        ("reconciliation", results["reconciliation"] or "none"),
        ("leak", leak),
        ("verified", _verified(results)),
        ("secret bits", _secret(results)),
        (
            "throughput",
            _throughput(results),
        ),
        ("epsilon", f"{results['eps_sec']:g} secret, {results['eps_cor']:g} correct"),
        ("proof", f"{results['proof']}, {results['length_rule']}"),
    ]
    if results.get("key_id"):
        rows.insert(6, ("key", results["key_id"]))
    if results["sample_bits"]:
        sampled = f"{results['sample_bits']:,} bits disclosed, {results['sample_errors']:,} wrong"
        rows.insert(2, ("sample", sampled))
    if results.get("already_disclosed_bits"):
        rows.insert(5, ("told before", f"{results['already_disclosed_bits']:,} bits, charged"))
    rows += [("assumed" if i == 0 else "", text) for i, text in enumerate(results["assumptions"])]
    if _could_vary(results):
        rows.append(("advice", "--variable-length proves a length that follows from the counts"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _could_vary(results: Mapping[str, Any]) -> bool:
    """Return whether counts were taken for agreed, though a proof needs no agreement."""
    return (
        "runs" not in results
        and results["length_rule"] == "fixed-length"
        and results["protocol"] in ("two-decoy", "single-photon")
    )


def _verified(results: Mapping[str, Any]) -> str:
    if results["verified"] is None:
        return "not reached"
    left = f"{results['residual_errors']:,} errors left"
    return f"{'yes' if results['verified'] else 'NO'}, {left}"


def _throughput(results: Mapping[str, Any]) -> str:
    sifted, secret = results["throughput_bps"] / 1e6, results["secret_throughput_bps"] / 1e6
    return f"{sifted:,.2f} Mb/s sifted, {secret:,.2f} secret, in {results['seconds']:.3g} s"


def _secret(results: Mapping[str, Any]) -> str:
    if results["no_key"]:
        return f"none: {results['no_key']}"
    return f"{results['secret_bits']:,} with {results['amplification']}"
