"""What the finite-key analysis starts from: source, security, counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from protocols.errors import ParameterError

__all__ = [
    "PROTOCOLS",
    "Counts",
    "Detectors",
    "Intensity",
    "KeyCounts",
    "Security",
    "Source",
    "intensities_of",
]

PROTOCOLS = ("one-decoy", "two-decoy", "single-photon", "bbm92")
"""The protocols that there is a proof for."""

Intensity = float | tuple[float, float]
"""A mean photon number, or the interval that it lies in."""

_MOST_PHOTONS = 100.0
_LEAST_PROBABILITY = 1e-9
_MOST_COUNTS = 2**53  # above, a float does not hold every integer


def intensities_of(protocol: str) -> int:
    """Return how many intensities a protocol's source has; 0 where it sends no pulses of light.

    Raises
    ------
    ParameterError
        The protocol is unknown.
    """
    numbers = dict(zip(PROTOCOLS, (2, 3, 0, 0), strict=True))
    if protocol not in numbers:
        raise ParameterError(f"unknown protocol {protocol!r}: known are {', '.join(PROTOCOLS)}")
    return numbers[protocol]


@dataclass(frozen=True)
class Source:
    """The intensities of Alice's source and how often she sends them.

    Attributes
    ----------
    intensities : tuple of float or (float, float)
        Two or three mean photon numbers at Alice's output, strictly descending. Each may be
        an interval (low, high) that it surely lies in. Of two the second must be positive,
        of three the first must exceed the sum of the others. None for single photons and
        pairs.
    probabilities : tuple of Fraction or float
        In the same order, positive, with sum 1.

    Raises
    ------
    ParameterError
        A value is out of its range.
    """

    intensities: tuple[Intensity, ...]
    probabilities: tuple[Fraction | float, ...]

    def __post_init__(self) -> None:
        if len(self.intensities) not in (0, 2, 3):
            raise ParameterError("intensities: one decoy needs two, two decoys need three")
        if len(self.probabilities) != len(self.intensities):
            raise ParameterError("probabilities: there must be one for each intensity")
        for low, high in self.box:
            if not 0 <= low <= high <= _MOST_PHOTONS:
                raise ParameterError(
                    f"intensities: {low:g} to {high:g} is no interval of mean photon numbers"
                )
        if self.intensities:
            self._check_order()
            self._check_probabilities()

    def _check_order(self) -> None:
        lows = [low for low, _ in self.box]
        highs = [high for _, high in self.box]
        if any(low <= high for low, high in zip(lows, highs[1:], strict=False)):
            raise ParameterError(
                "intensities: they must be strictly descending, and intervals must not meet"
            )
        if len(lows) == 2 and lows[1] <= 0:
            raise ParameterError("intensities: the weaker of two must be positive")
        if len(lows) == 3 and lows[0] - highs[1] - highs[2] <= 0:
            raise ParameterError(
                "intensities: of three the strongest must exceed the sum of the others"
            )

    def _check_probabilities(self) -> None:
        if not all(_LEAST_PROBABILITY <= p < 1 for p in self.probabilities):
            raise ParameterError("probabilities: each must lie between 0 and 1, and not below 1e-9")
        if not abs(sum(map(float, self.probabilities)) - 1) <= 1e-9:
            raise ParameterError(
                f"probabilities: their sum is {float(sum(self.probabilities)):g}, not 1"
            )

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """Every intensity as an interval, of no width where it is a number."""
        return tuple(mu if isinstance(mu, tuple) else (mu, mu) for mu in self.intensities)

    @property
    def nominal(self) -> tuple[float, ...]:
        """The middles of the intervals."""
        return tuple((low + high) / 2 for low, high in self.box)


@dataclass(frozen=True)
class Security:
    """The security parameters of one block: secrecy and correctness, each below 1."""

    eps_sec: float = 1e-9
    eps_cor: float = 1e-15

    def __post_init__(self) -> None:
        for name, eps in (("eps_sec", self.eps_sec), ("eps_cor", self.eps_cor)):
            if not 1e-100 <= eps < 1:
                raise ParameterError(f"{name}: it must be at least 1e-100 and below 1, not {eps:g}")


@dataclass(frozen=True)
class Counts:
    """What was counted in one block, per intensity in the source's order.

    Expected counts may be fractional.

    Attributes
    ----------
    n_z, n_x : tuple of numbers
        Detections with both parties in z, and in x.
    m_z, m_x : tuple of numbers
        Errors among them.

    Raises
    ------
    ParameterError
        Lengths differ, or errors exceed detections.
    """

    n_z: tuple[float, ...]
    n_x: tuple[float, ...]
    m_z: tuple[float, ...]
    m_x: tuple[float, ...]

    def __post_init__(self) -> None:
        for n, m, basis in ((self.n_z, self.m_z, "z"), (self.n_x, self.m_x, "x")):
            if not len(n) == len(m) == len(self.n_z) > 0:
                raise ParameterError(
                    "counts: n_z, n_x, m_z and m_x have one entry for each intensity"
                )
            for detections, errors in zip(n, m, strict=True):
                if not 0 <= errors <= detections <= _MOST_COUNTS:
                    raise ParameterError(
                        f"m_{basis}: {errors} errors in {detections} detections: impossible"
                    )


@dataclass(frozen=True)
class Detectors:
    """How far Bob's detectors may differ from each other.

    Attributes
    ----------
    efficiency : two floats
        Lowest and highest detection efficiency of either detector, in either basis and in
        every mode of the light (time, frequency, polarisation, place).
    dark_probability : two floats
        Lowest and highest probability of a dark count of either detector in one slot.

    Raises
    ------
    ParameterError
        These are no intervals of probabilities.
    """

    efficiency: tuple[float, float]
    dark_probability: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        low, high = self.efficiency
        if not 0 < low <= high <= 1:
            raise ParameterError(
                "detectors: the lowest and highest efficiency are above 0 and at most 1"
            )
        low, high = self.dark_probability
        if not 0 <= low <= high < 1:
            raise ParameterError(
                "detectors: the lowest and highest dark count probability are from 0 to below 1"
            )

    @property
    def alike(self) -> bool:
        """Whether no difference is allowed for."""
        return (
            self.efficiency[0] == self.efficiency[1]
            and self.dark_probability[0] == self.dark_probability[1]
        )


@dataclass(frozen=True)
class KeyCounts:
    """One block, ready for `analyse`.

    Attributes
    ----------
    protocol : str
        One of `PROTOCOLS`.
    intensities, probabilities : tuple
        As in `Source`; empty for single photons and pairs.
    n_z, n_x, m_z, m_x : tuple of int
        As in `Counts`, one entry for each intensity; one entry where there are none.
    leak_ec : int
        Bits that reconciliation disclosed about Alice's key.
    eps_sec, eps_cor : float
        As in `Security`.
    tag_bits : int
        Length of the verification tag; 0 takes log2(2/eps_cor), the least that a proof
        allows.
    announced_bits : int
        Bits about the key that were made public beyond reconciliation, tag and what the
        proof charges by itself.
    detectors : Detectors, optional
        How far Bob's detectors may differ; without it they are assumed to be alike.

    Raises
    ------
    ParameterError
        A value is out of its range, or contradicts another.
    """

    protocol: str
    intensities: tuple[Intensity, ...]
    probabilities: tuple[Fraction | float, ...]
    n_z: tuple[int, ...]
    n_x: tuple[int, ...]
    m_z: tuple[int, ...]
    m_x: tuple[int, ...]
    leak_ec: int
    eps_sec: float = 1e-9
    eps_cor: float = 1e-15
    tag_bits: int = 0
    announced_bits: int = 0
    detectors: Detectors | None = None

    def __post_init__(self) -> None:
        kinds = intensities_of(self.protocol)
        if len(self.intensities) != kinds:
            raise ParameterError(
                f"intensities: {self.protocol} takes {kinds or 'none'}, not {len(self.intensities)}"
            )
        for name, entries in self._tallies():
            if len(entries) != (kinds or 1):
                raise ParameterError(
                    f"{name}: {self.protocol} has {kinds or 1} entries, not {len(entries)}"
                )
        for name, bits in (
            ("leak_ec", self.leak_ec),
            ("tag_bits", self.tag_bits),
            ("announced_bits", self.announced_bits),
        ):
            if not 0 <= bits <= _MOST_COUNTS:
                raise ParameterError(f"{name}: a number of bits from 0 to 2**53, not {bits}")
        Source(self.intensities, self.probabilities)  # each checks itself
        Security(self.eps_sec, self.eps_cor)
        Counts(self.n_z, self.n_x, self.m_z, self.m_x)

    def _tallies(self) -> Sequence[tuple[str, tuple[int, ...]]]:
        return ("n_z", self.n_z), ("n_x", self.n_x), ("m_z", self.m_z), ("m_x", self.m_x)

    @property
    def source(self) -> Source:
        """The source."""
        return Source(self.intensities, self.probabilities)

    @property
    def security(self) -> Security:
        """The security parameters."""
        return Security(self.eps_sec, self.eps_cor)

    @property
    def counts(self) -> Counts:
        """The counts."""
        return Counts(self.n_z, self.n_x, self.m_z, self.m_x)
