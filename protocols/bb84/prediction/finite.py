"""The key that a block over a described link should give."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from protocols.authentication.polynomial import tag_bits
from protocols.bb84.finite_key import (
    Counts,
    Detectors,
    Proof,
    Security,
    Source,
    announcement_charge,
    binary_entropy,
    bound_at,
    choose_proof,
    verification_charge,
)
from protocols.bb84.prediction.counts import (
    Detections,
    ExpectedCounts,
    Pulses,
    Settings,
    expected,
)
from protocols.bb84.prediction.leak import LeakModel
from protocols.bb84.prediction.link import Link
from protocols.bb84.prediction.senders import Sender
from protocols.errors import InsecureError, ParameterError

__all__ = ["Case", "EpsPerBit", "Prediction", "predict", "worth"]


@dataclass(frozen=True)
class EpsPerBit:
    """Security with an eps_sec that grows with the key, as papers' simulations have it.

    Attributes
    ----------
    eps_sec : float
        Per secret bit.
    eps_cor : float
        Of the block.
    """

    eps_sec: float
    eps_cor: float = 1e-15

    def __post_init__(self) -> None:
        Security(self.eps_sec, self.eps_cor)

    def of(self, length: float) -> Security:
        """Return the security parameters of a key of `length` bits."""
        return Security(min(self.eps_sec * max(length, 1.0), 0.5), self.eps_cor)


@dataclass(frozen=True)
class Case:
    """All that a prediction depends on, except loss and settings.

    Attributes
    ----------
    link : Link
    sender : Sender
        Which is also the choice of the protocol.
    block : Detections or Pulses
    leak : LeakModel
        Of error correction.
    security : Security or EpsPerBit
    variable_length : bool
        Whether the length follows from what was counted instead of being agreed before.
    detectors : Detectors, optional
        How far Bob's detectors may differ.
    """

    link: Link
    sender: Sender
    block: Detections | Pulses
    leak: LeakModel
    security: Security | EpsPerBit
    variable_length: bool = False
    detectors: Detectors | None = None

    def __post_init__(self) -> None:
        self.proof(self.security.eps_sec)  # raises where there is none

    def proof(self, eps_sec: float) -> Proof:
        """Return the proof that the length follows from."""
        return _proof(self.sender.protocol, eps_sec, self.variable_length, self.detectors)


_proof = lru_cache(maxsize=64)(choose_proof)


@dataclass(frozen=True)
class Prediction:
    """What is expected of a block.

    Attributes
    ----------
    loss_db : float
        Between the stations.
    settings : Settings
    counts : ExpectedCounts
    qber_z, qber_x : float
        Error rates; 1/2 where nothing is detected.
    leak_ec : float
        Bits that error correction discloses.
    security : Security
    bounds : mapping of str to float
        The bounds by name, as in `protocols.bb84.finite_key.Bounds`; empty without any.
    length : int
        Secret bits of the block, 0 without a key.
    rate : float
        Secret bits per pulse.
    rate_bps : float
        Secret bits per second of light.
    no_key : str
        Why there is none, empty where there is one.
    """

    loss_db: float
    settings: Settings
    counts: ExpectedCounts
    qber_z: float
    qber_x: float
    leak_ec: float
    security: Security
    bounds: Mapping[str, float]
    length: int
    rate: float
    rate_bps: float
    no_key: str


def predict(case: Case, loss_db: float, settings: Settings) -> Prediction:
    """Return what a block should give at a loss.

    The counts are the expected ones: half of all blocks do better. A run that agrees on its
    length before needs a margin (`protocols.bb84.planning.plan_length`).

    Raises
    ------
    ParameterError
        The settings are not the protocol's.
    """
    if len(settings.intensities) > 1:
        Source(settings.intensities, settings.probabilities)  # checks their order
    counts = _counts(case, loss_db, settings)
    leak = _leak(case, counts)
    reason, value = "", 0.0
    bounds: Mapping[str, float] = {}
    security = case.security if isinstance(case.security, Security) else case.security.of(1.0)
    try:
        value, security, bounds = _secret(case, counts, leak, settings, 1e-9)
        if value < 1:
            reason = f"the bound leaves no secret bit ({math.floor(value)})"
    except InsecureError as error:
        reason = str(error)
    length = 0 if reason else math.floor(value)
    rate = length / counts.pulses
    return Prediction(
        loss_db,
        settings,
        counts,
        _error_rate(counts.m_z, counts.n_z),
        _error_rate(counts.m_x, counts.n_x),
        leak,
        security,
        bounds,
        length,
        rate,
        rate * case.link.slot_rate_hz,
        reason,
    )


def worth(case: Case, loss_db: float, settings: Settings) -> float:
    """Return the secret bits per pulse beyond the first bit, not rounded, for a search to climb.

    Positive where there is a key, negative where the charges exceed what is proven, minus
    infinity where nothing is proven.
    """
    try:
        counts = _counts(case, loss_db, settings)
        value, _, _ = _secret(case, counts, _leak(case, counts), settings, 1e-2)
        return (value - 1) / counts.pulses
    except (InsecureError, ParameterError):  # also a block beyond what can be counted
        return -math.inf


def _counts(case: Case, loss_db: float, settings: Settings) -> ExpectedCounts:
    found = case.sender.answers(case.link, loss_db, settings)
    return expected(found, settings, case.block)


def _leak(case: Case, counts: ExpectedCounts) -> float:
    error = min(0.5, _error_rate(counts.m_z, counts.n_z))
    return sum(counts.n_z) * case.leak.efficiency(error) * binary_entropy(error)


def _secret(
    case: Case, counts: ExpectedCounts, leak: float, settings: Settings, tolerance: float
) -> tuple[float, Security, Mapping[str, float]]:
    """Return the secret bits, not rounded, with the security and the bounds.

    An eps_sec per bit is met within `tolerance`.

    Raises
    ------
    InsecureError
        Nothing can be proven.
    """
    seen = Counts(counts.n_z, counts.n_x, counts.m_z, counts.m_x)
    n_z = math.ceil(sum(counts.n_z))
    tag = tag_bits(n_z, case.security.eps_cor)
    decoys = len(settings.intensities) > 1
    levels = settings.intensities if decoys else ()
    probabilities = settings.probabilities if decoys else ()

    def secret(security: Security) -> tuple[float, Security, Mapping[str, float]]:
        proof = case.proof(security.eps_sec)
        bounds = bound_at(proof, levels, probabilities, seen)
        charges = (
            leak,
            announcement_charge(proof, len(levels), n_z),
            proof.secrecy_bits,
            verification_charge(security, tag),
        )
        return min(bounds.secret, n_z) - sum(charges), security, bounds.terms

    if isinstance(case.security, Security):
        return secret(case.security)
    # Down from a length too large by secants, which stay above the solution: the length is
    # a concave function of the one that eps_sec is for.
    length, found = float(n_z), secret(case.security.of(n_z))
    off = found[0] - length
    following = found[0]
    for _ in range(12):
        if found[0] < 1 or abs(off) <= tolerance * length:
            return found
        before, off_before, length = length, off, following
        found = secret(case.security.of(length))
        off = found[0] - length
        following = length - off * (length - before) / (off - off_before)
    raise InsecureError("no length of the key agrees with its eps_sec")


def _error_rate(errors: tuple[float, ...], detections: tuple[float, ...]) -> float:
    total = sum(detections)
    return sum(errors) / total if total > 0 else 0.5
