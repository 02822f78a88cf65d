"""Senders: what each protocol sends, how a link answers, and what there is to choose.

A sender maps its settings to a point without bounds, so that a search can go anywhere:
each coordinate is the logit of a probability, or of a place between two limits. Both
stations' p_z are one coordinate: of all pairs with the same share of key detections,
equal ones leave the most for the test basis. It is at least `LEAST_P_Z`: below, a block of
given detections would be bought with hundreds of test detections for each of the key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, Protocol

from protocols.bb84.prediction.counts import Answers, Settings
from protocols.bb84.prediction.entangled import coincidences
from protocols.bb84.prediction.link import Link
from protocols.bb84.prediction.response import Light, coherent, mixture, single_photons
from protocols.errors import ParameterError

__all__ = ["LEAST_P_Z", "EntangledPairs", "OneDecoy", "Sender", "SinglePhotons", "TwoDecoys"]

_BRIGHTEST = 2.0
"""Mean photon or pair number that no optimum comes near."""
LEAST_P_Z = 0.05
"""The least probability of the key basis that a search goes to."""
_BASES = (0.08, 0.3, 0.6, 0.85, 0.95)
"""Probabilities of the key basis to begin with: the shorter the block, the smaller."""


class Sender(Protocol):
    """What predictions ask of a sender."""

    @property
    def protocol(self) -> str:
        """The name of the protocol, as the finite-key analysis has it."""

    @property
    def starts(self) -> tuple[Settings, ...]:
        """A coarse grid of settings, for a search to begin with the best of them."""

    def answers(self, link: Link, loss_db: float, settings: Settings) -> Answers:
        """Return what each intensity gives per pulse when the bases are equal."""

    def point(self, settings: Settings) -> list[float]:
        """Return the settings' place in the space that is searched."""

    def settings(self, point: Sequence[float]) -> Settings:
        """Return the settings at a place."""


@dataclass(frozen=True)
class OneDecoy:
    """A laser of random phase with two intensities."""

    protocol: ClassVar[str] = "one-decoy"
    starts: ClassVar[tuple[Settings, ...]] = tuple(
        Settings((mu, mu * ratio), (p, 1 - p), (p_z, p_z))
        for mu, ratio, p, p_z in product((0.3, 0.5), (0.12, 0.25, 0.4), (0.25, 0.6, 0.85), _BASES)
    )

    def answers(self, link: Link, loss_db: float, settings: Settings) -> Answers:
        """Return what each intensity gives per pulse when the bases are equal."""
        _check(self, settings, 2)
        return _coherent_answers(link, loss_db, settings)

    def point(self, settings: Settings) -> list[float]:
        """Return the settings' place in the space that is searched."""
        strong, weak = settings.intensities
        return [
            _logit(strong / _BRIGHTEST),
            _logit(weak / strong),
            _logit(settings.probabilities[0]),
            _from_basis(settings.p_z[0]),
        ]

    def settings(self, point: Sequence[float]) -> Settings:
        """Return the settings at a place."""
        brightness, ratio, p = map(_share, point[:3])
        p_z = _to_basis(point[3])
        strong = _BRIGHTEST * brightness
        return Settings((strong, strong * ratio), (p, 1 - p), (p_z, p_z))


@dataclass(frozen=True)
class TwoDecoys:
    """A laser of random phase with three intensities.

    Attributes
    ----------
    weakest : float
        Mean photon number of the last intensity, what the modulator lets through; the
        others lie above it with mu1 > mu2 + mu3.
    """

    weakest: float = 2e-4
    protocol: ClassVar[str] = "two-decoy"

    def __post_init__(self) -> None:
        if not 0 <= self.weakest <= 0.05:
            raise ParameterError("the weakest intensity lies from 0 to 0.05")

    @property
    def starts(self) -> tuple[Settings, ...]:
        """A coarse grid of settings, for a search to begin with the best of them."""
        return tuple(
            Settings(
                (mu, (mu - 2 * self.weakest) * ratio + self.weakest, self.weakest),
                (p, (1 - p) * 0.65, (1 - p) * 0.35),
                (p_z, p_z),
            )
            for mu, ratio, p, p_z in product((0.3, 0.5), (0.25, 0.5), (0.25, 0.6, 0.85), _BASES)
        )

    def answers(self, link: Link, loss_db: float, settings: Settings) -> Answers:
        """Return what each intensity gives per pulse when the bases are equal."""
        _check(self, settings, 3)
        return _coherent_answers(link, loss_db, settings)

    def point(self, settings: Settings) -> list[float]:
        """Return the settings' place in the space that is searched."""
        strong, weak, weakest = settings.intensities
        p1, p2, _ = settings.probabilities
        return [
            _logit((strong - 2 * weakest) / _BRIGHTEST),
            _logit((weak - weakest) / (strong - 2 * weakest)),
            _logit(p1),
            _logit(p2 / (1 - p1)),
            _from_basis(settings.p_z[0]),
        ]

    def settings(self, point: Sequence[float]) -> Settings:
        """Return the settings at a place."""
        brightness, ratio, p1, p2 = map(_share, point[:4])
        p_z = _to_basis(point[4])
        span = _BRIGHTEST * brightness
        levels = (span + 2 * self.weakest, span * ratio + self.weakest, self.weakest)
        return Settings(levels, (p1, (1 - p1) * p2, (1 - p1) * (1 - p2)), (p_z, p_z))


@dataclass(frozen=True)
class SinglePhotons:
    """A source of single photons; nothing is said of pulses with more.

    Attributes
    ----------
    emission : float
        Probability that a pulse has its photon, at Alice's output.
    """

    emission: float = 1.0
    protocol: ClassVar[str] = "single-photon"

    def __post_init__(self) -> None:
        if not 0 < self.emission <= 1:
            raise ParameterError("a pulse has its photon with a probability above 0, up to 1")

    @property
    def starts(self) -> tuple[Settings, ...]:
        """A coarse grid of settings, for a search to begin with the best of them."""
        return tuple(Settings((self.emission,), (1.0,), (p_z, p_z)) for p_z in _BASES)

    def answers(self, link: Link, loss_db: float, settings: Settings) -> Answers:
        """Return what each pulse gives when the bases are equal."""
        _check(self, settings, 1)
        if settings.intensities[0] > 1:
            raise ParameterError("a pulse has its photon with a probability of at most 1")
        light = single_photons(settings.intensities[0])
        return _answers(link, loss_db, [light], (1.0,))

    def point(self, settings: Settings) -> list[float]:
        """Return the settings' place in the space that is searched."""
        return [_from_basis(settings.p_z[0])]

    def settings(self, point: Sequence[float]) -> Settings:
        """Return the settings at a place."""
        p_z = _to_basis(point[0])
        return Settings((self.emission,), (1.0,), (p_z, p_z))


@dataclass(frozen=True)
class EntangledPairs:
    """A source of entangled pairs by down-conversion, between two equal receivers.

    Attributes
    ----------
    alice_share : float
        Share of the loss in dB on Alice's side: 0 with the source beside her, 1/2 in the
        middle.
    """

    alice_share: float = 0.5
    protocol: ClassVar[str] = "bbm92"
    starts: ClassVar[tuple[Settings, ...]] = tuple(
        Settings((mean,), (1.0,), (p_z, p_z)) for mean, p_z in product((0.02, 0.1), _BASES)
    )

    def __post_init__(self) -> None:
        if not 0 <= self.alice_share <= 1:
            raise ParameterError("a share of the loss lies from 0 to 1")

    def answers(self, link: Link, loss_db: float, settings: Settings) -> Answers:
        """Return what each pulse gives when the bases are equal."""
        _check(self, settings, 1)
        _check_loss(loss_db)
        gain, wrong = coincidences(link, loss_db, settings.intensities[0], self.alice_share)
        return Answers((gain,), (wrong,))

    def point(self, settings: Settings) -> list[float]:
        """Return the settings' place in the space that is searched."""
        return [_logit(settings.intensities[0] / _BRIGHTEST), _from_basis(settings.p_z[0])]

    def settings(self, point: Sequence[float]) -> Settings:
        """Return the settings at a place."""
        p_z = _to_basis(point[1])
        return Settings((_BRIGHTEST * _share(point[0]),), (1.0,), (p_z, p_z))


def _coherent_answers(link: Link, loss_db: float, settings: Settings) -> Answers:
    lights = [coherent(mu) for mu in settings.intensities]
    return _answers(link, loss_db, lights, settings.probabilities)


def _answers(
    link: Link, loss_db: float, lights: Sequence[Light], probabilities: Sequence[float]
) -> Answers:
    _check_loss(loss_db)
    response = link.response(loss_db, mixture(lights, probabilities))
    found = [response.to(light) for light in lights]
    return Answers(tuple(gain for gain, _ in found), tuple(wrong for _, wrong in found))


def _check(sender: Sender, settings: Settings, count: int) -> None:
    if len(settings.intensities) != count:
        raise ParameterError(f"{sender.protocol} has {count} intensities")


def _check_loss(loss_db: float) -> None:
    if not 0 <= loss_db < math.inf:
        raise ParameterError(f"a loss is not negative, as {loss_db:g} dB would be")


def _logit(share: float) -> float:
    share = min(max(share, 1e-9), 1 - 1e-9)
    return math.log(share / (1 - share))


def _from_basis(p_z: float) -> float:
    return _logit((p_z - LEAST_P_Z) / (1 - LEAST_P_Z))


def _to_basis(logit: float) -> float:
    return LEAST_P_Z + (1 - LEAST_P_Z) * _share(logit)


def _share(logit: float) -> float:
    return 1 / (1 + math.exp(-min(max(logit, -20.0), 20.0)))
