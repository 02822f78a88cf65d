"""Curves of the key rate over loss: finite ones for a protocol and a block, asymptotic ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.optimize import minimize_scalar

from protocols.bb84.finite_key import FIXED_LENGTH, VARIABLE_LENGTH
from protocols.bb84.prediction.asymptotic import (
    Asymptotic,
    infinite_decoys,
    largest,
    vacuum_weak,
)
from protocols.bb84.prediction.counts import Detections, Pulses
from protocols.bb84.prediction.finite import Prediction
from protocols.bb84.prediction.optimum import FARTHEST_DB, BestSettings, HeldSettings
from qlab.errors import UsageError
from qlab.rates.description import Description

__all__ = [
    "DECOYS",
    "Curve",
    "Point",
    "amount",
    "asymptotic_curve",
    "finite_curve",
    "repeaterless_bound",
]

#: The asymptotic rates that there are.
DECOYS = ("infinite", "vacuum-weak")

_BRIGHTEST = 2.0
_WEAK_DECOY = 0.05
_MA = "Ma, Qi, Zhao, Lo 2005 (Phys. Rev. A 72, 012326)"


@dataclass(frozen=True)
class Point:
    """One loss of a curve.

    Attributes
    ----------
    loss_db : float
        Between the stations.
    distance_km : float
        Over the described fibre; below 0 for less than its excess loss.
    rate : float
        Secret bits per pulse, 0 without a key.
    rate_bps : float
        Secret bits per second of light.
    qber : float
        Of the key basis.
    seconds : float or None
        Of light in a block; None of an asymptotic rate.
    settings : mapping
        What the stations choose, by name; empty where it was to be chosen and there is no
        key.
    facts : mapping
        All else, by the names that JSON has.
    """

    loss_db: float
    distance_km: float
    rate: float
    rate_bps: float
    qber: float
    seconds: float | None
    settings: Mapping[str, Any]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Curve:
    """Rates over loss.

    Attributes
    ----------
    label : str
        What the curve is, for a person.
    points : sequence of Point
        In ascending order of loss.
    reach : Point or None
        At the largest loss with a key; None if there is no key without any loss.
    edge : callable
        Computes points with a key ever closer to that loss, for a picture.
    facts : mapping
        What the points share, by the names that JSON has.
    """

    label: str
    points: Sequence[Point]
    reach: Point | None
    edge: Callable[[], Sequence[Point]]
    facts: Mapping[str, Any]


def finite_curve(
    described: Description,
    protocol: str,
    block: Detections | Pulses,
    losses_db: Sequence[float],
    optimise: bool,
    step: Callable[[], None],
) -> Curve:
    """Predict the keys of finite blocks.

    Parameters
    ----------
    described : Description
    protocol : str
    block : Detections or Pulses
    losses_db : sequence of float
        In ascending order.
    optimise : bool
        Whether to look for the best settings at each loss, instead of those described.
    step : callable
        Called after each loss.

    Raises
    ------
    UsageError
        The settings are to be held, and are not described.
    ParameterError
        No proof covers the case, or a setting is out of range.
    """
    case = described.case(protocol, block)
    held = None if optimise else described.held(protocol)

    def begin() -> BestSettings | HeldSettings:
        return BestSettings(case) if held is None else HeldSettings(case, held)

    sweep, points = begin(), []
    for loss_db in losses_db:
        points.append(_finite(described, sweep.at(loss_db), optimise))
        step()
    reach = sweep.reach()

    def edge() -> list[Point]:
        again = begin()
        found = map(again.at, _closer_to(reach.loss_db if reach else 0.0))
        return [_finite(described, one, optimise) for one in found if one.length]

    proof = case.proof(case.security.eps_sec)
    rule = VARIABLE_LENGTH if case.variable_length else FIXED_LENGTH
    return Curve(
        f"{protocol}, {amount(block.count)} {block.unit}",
        points,
        None if reach is None else _finite(described, reach, optimise),
        edge,
        {
            "protocol": protocol,
            "block": {block.unit: block.count},
            "optimised": optimise,
            "proof": proof.citation,
            "length_rule": rule,
            "assumptions": proof.assumptions,
        },
    )


def asymptotic_curve(
    described: Description,
    decoys: str,
    losses_db: Sequence[float],
    optimise: bool,
    step: Callable[[], None],
) -> Curve:
    """Predict the rates of blocks without end.

    Parameters
    ----------
    described : Description
        The weak decoy is the second of its intensities, or 0.05.
    decoys : str
        One of `DECOYS`.
    losses_db, optimise, step
        As for `finite_curve`; only the signal's intensity is looked for.

    Raises
    ------
    UsageError
        The intensities are to be held, and are not described.
    """
    levels = described.settings.intensities
    if not (optimise or levels):
        raise UsageError(
            f"{described.title} has no intensities",
            remedy="give --intensities, or leave out --no-optimise",
        )
    nu = levels[1] if len(levels) > 1 else _WEAK_DECOY
    link, sifting, leak = described.link, described.settings.sifting, described.correction.leak

    def at(loss_db: float, mu: float) -> Asymptotic:
        if decoys == "infinite":
            return infinite_decoys(link, loss_db, mu, leak, sifting)
        return vacuum_weak(link, loss_db, mu, nu, leak, sifting)

    def found(loss_db: float) -> Asymptotic:
        if not optimise:
            return at(loss_db, levels[0])
        dimmest = nu * 1.001 if decoys == "vacuum-weak" else 1e-3
        best = minimize_scalar(
            lambda mu: -at(loss_db, mu).rate, bounds=(dimmest, _BRIGHTEST), method="bounded"
        )
        return at(loss_db, float(best.x))

    def point(loss_db: float) -> Point:
        one = found(loss_db)
        rate = max(0.0, one.rate)
        weak = [nu, 0.0] if decoys == "vacuum-weak" else []
        known = {"intensities": [one.mu, *weak]} if rate or not optimise else {}
        facts = {"gain": one.gain, "y_1": one.y_1, "e_1": one.e_1}
        facts |= {"efficiency": leak.efficiency(one.qber)}
        return Point(
            loss_db,
            described.distance_km(loss_db),
            rate,
            rate * link.slot_rate_hz,
            one.qber,
            None,
            known,
            facts,
        )

    points = []
    for loss_db in losses_db:
        points.append(point(loss_db))
        step()
    last_db = max((one.loss_db for one in points if one.rate), default=0.0)
    end_db = largest(lambda loss_db: found(loss_db).rate, last_db, FARTHEST_DB, 2.0)

    def edge() -> list[Point]:
        return [point(loss_db) for loss_db in _closer_to(end_db or 0.0)]

    name = "infinite decoys" if decoys == "infinite" else "vacuum and a weak decoy"
    return Curve(
        f"asymptotic, {name}",
        points,
        None if end_db is None else point(end_db),
        edge,
        {"asymptotic": decoys, "optimised": optimise, "sifting": sifting, "proof": _MA},
    )


def _closer_to(end_db: float) -> list[float]:
    """Return losses that halve the way to an end, from 3 dB before."""
    return [end_db - way for way in (3 * 0.5**i for i in range(9)) if way <= end_db]


def amount(count: float) -> str:
    """Return a number in few characters, such as 1e7 or 25000."""
    return f"{count:.4g}".replace("e+0", "e").replace("e+", "e")


def repeaterless_bound(loss_db: float) -> float:
    """Return −log2(1 − eta), the most secret bits per pulse that a fibre can give.

    Pirandola, Laurenza, Ottaviani and Banchi, Nat. Commun. 8, 15043 (2017); infinite
    without loss.
    """
    lost = -math.expm1(-loss_db / 10 * math.log(10))
    return -math.log2(lost) if lost > 0 else math.inf


def _finite(described: Description, found: Prediction, optimise: bool) -> Point:
    counts, chosen = found.counts, found.settings
    known = bool(found.length) or not optimise
    settings = {
        "intensities": list(chosen.intensities),
        "probabilities": list(chosen.probabilities),
        "p_z": list(chosen.p_z),
    }
    counted = {
        "pulses": counts.pulses,
        "n_z": list(counts.n_z),
        "n_x": list(counts.n_x),
        "m_z": list(counts.m_z),
        "m_x": list(counts.m_x),
        "qber_x": found.qber_x,
        "leak_ec_bits": found.leak_ec,
        "efficiency": described.correction.leak.efficiency(min(0.5, found.qber_z)),
        "eps_sec": found.security.eps_sec,
        "eps_cor": found.security.eps_cor,
        "bounds": dict(found.bounds),
    }
    return Point(
        found.loss_db,
        described.distance_km(found.loss_db),
        found.rate,
        found.rate_bps,
        found.qber_z,
        counts.pulses / described.link.slot_rate_hz if known else None,
        settings if known else {},
        {
            "secret_bits": found.length,
            "no_key": found.no_key or None,
            **(counted if known else {}),
        },
    )
