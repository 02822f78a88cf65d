"""What a run should count, and the agreement that follows from it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from protocols.authentication.polynomial import tag_bits
from protocols.bb84.agreement import Agreement
from protocols.bb84.channel import Channel, blocked_slots, response
from protocols.bb84.finite_key import (
    Counts,
    Detectors,
    Security,
    Source,
    binary_entropy,
    bound_at,
    choose_proof,
    least_bounds,
)
from protocols.bb84.prediction.response import coherent, mixture
from protocols.errors import InsecureError, ParameterError

__all__ = [
    "expected_counts",
    "plan_length",
    "plan_measurement",
]


def expected_counts(
    source: Source, p_z: tuple[Fraction, Fraction], slots: int, channel: Channel
) -> Counts:
    """Return the expected counts of a block of `slots`, by `protocols.bb84.channel.response`.

    Parameters
    ----------
    source : Source
    p_z : two Fractions
        Alice's and Bob's probability of the key basis.
    slots : int
    channel : Channel
    """
    lights = [coherent(mu) for mu in source.nominal]
    probabilities = [float(p) for p in source.probabilities]
    answer = response(channel, mixture(lights, probabilities), blocked_slots(channel))
    found = [answer.to(light) for light in lights]
    gains, errors = (
        [slots * p * each[which] for p, each in zip(probabilities, found, strict=True)]
        for which in (0, 1)
    )
    alice, bob = map(float, p_z)
    z, x = alice * bob, (1 - alice) * (1 - bob)
    return Counts(
        n_z=_scaled(gains, z), n_x=_scaled(gains, x), m_z=_scaled(errors, z), m_x=_scaled(errors, x)
    )


def _scaled(values: Sequence[float], factor: float) -> tuple[float, ...]:
    return tuple(value * factor for value in values)


def _steps(expected: Counts) -> Iterator[Counts]:
    """Yield the expectation with each independent deviation at one standard deviation.

    Detections are multinomial, their sum being fixed: between every two intensities i, j
    an independent sqrt(n_i n_j / n) moves. Errors are independent Poisson numbers.
    """
    for name in ("n_z", "n_x"):
        means = getattr(expected, name)
        for i, j in itertools.combinations(range(len(means)), 2):
            moved = list(means)
            step = math.sqrt(means[i] * means[j] / sum(means))
            moved[i] -= step
            moved[j] += step
            yield _with(expected, name, moved)
    for name in ("m_z", "m_x"):
        for i, mean in enumerate(getattr(expected, name)):
            moved = list(getattr(expected, name))
            moved[i] += math.sqrt(mean)
            yield _with(expected, name, moved)


def _with(expected: Counts, name: str, values: list[float]) -> Counts:
    """Replace one tally, with no more errors than detections."""
    tallies = {key: getattr(expected, key) for key in ("n_z", "n_x", "m_z", "m_x")}
    tallies[name] = tuple(max(0.0, value) for value in values)
    for basis in ("z", "x"):
        pairs = zip(tallies[f"m_{basis}"], tallies[f"n_{basis}"], strict=True)
        tallies[f"m_{basis}"] = tuple(min(m, n) for m, n in pairs)
    return Counts(**tallies)


def plan_length(
    expected: Counts,
    source: Source,
    security: Security,
    margin: float = 5.0,
    efficiency: float = 1.1,
    protocol: str = "one-decoy",
    detectors: Detectors | None = None,
) -> Agreement:
    """Set sizes and thresholds so that a run as expected is accepted.

    Every size and threshold lies `margin` standard deviations of the counting statistics
    on the safe side of its expectation, so that each is missed with about the normal
    distribution's one-sided probability (3e-7 at 5).

    Parameters
    ----------
    expected : Counts
    source : Source
    security : Security
    margin : float
        Standard deviations, positive.
    efficiency : float
        Reconciliation efficiency to allow for, at least 1.
    protocol : str
        One of `protocols.bb84.finite_key.PROTOCOLS`.
    detectors : Detectors, optional
        How far Bob's detectors may differ; without it they are assumed to be alike.

    Returns
    -------
    Agreement
        With a positive length.

    Raises
    ------
    InsecureError
        No key can be expected with this margin.
    ParameterError
        `margin` or `efficiency` is out of its range.
    """
    if margin <= 0 or efficiency < 1:
        raise ParameterError("the margin must be positive, the efficiency at least 1")
    total_z, total_x = sum(expected.n_z), sum(expected.n_x)
    n_z = math.floor(total_z - margin * math.sqrt(total_z))
    n_x = math.floor(total_x - margin * math.sqrt(total_x))
    if n_z < 1 or n_x < 1:
        raise InsecureError("too few detections are expected for any key")
    z, x = n_z / total_z, n_x / total_x
    mean = Counts(
        n_z=_scaled(expected.n_z, z),
        n_x=_scaled(expected.n_x, x),
        m_z=_scaled(expected.m_z, z),
        m_x=_scaled(expected.m_x, x),
    )
    proof = choose_proof(protocol, security.eps_sec, False, detectors)

    bound_at(proof, source.nominal, [float(p) for p in source.probabilities], mean)  # may refuse
    centre = least_bounds(proof, source, mean)
    steps = [least_bounds(proof, source, moved) for moved in _steps(mean)]
    s_z0, s_z1, phi = (
        centre[i] + sign * margin * math.hypot(*(step[i] - centre[i] for step in steps))
        for i, sign in enumerate((-1, -1, 1))
    )
    errors = sum(mean.m_z)
    worst = min(0.5, (errors + margin * math.sqrt(errors)) / n_z)
    if not (s_z1 > 0 and phi < 0.5):
        raise InsecureError("no key can be expected with this margin")
    agreement = Agreement(
        n_z,
        n_x,
        max(0.0, s_z0),
        s_z1,
        phi,
        math.ceil(efficiency * n_z * binary_entropy(worst)),
        tag_bits(n_z, security.eps_cor),
        security,
        protocol,
        detectors,
    )
    if agreement.length <= 0:
        raise InsecureError(f"no key can be expected: the thresholds leave {agreement.length} bits")
    return agreement


def plan_measurement(
    expected: Counts, security: Security, protocol: str = "one-decoy"
) -> Agreement:
    """Set sizes for a block that is only measured: too short, or too bad, for a key.

    Nothing that is detected is left out, and the thresholds leave no secret bit, so
    neither party makes a key of it.
    """

    def all_of(counts: tuple[float, ...]) -> int:
        return math.ceil(sum(counts) + 5 * math.sqrt(sum(counts))) + 1

    n_z = all_of(expected.n_z)
    tag = tag_bits(n_z, security.eps_cor)
    return Agreement(n_z, all_of(expected.n_x), 0.0, 1.0, 0.49, 0, tag, security, protocol)
