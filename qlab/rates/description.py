"""The description of a link for predictions: a TOML file, a published link, or a station."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path as FilePath
from typing import Any

from protocols.bb84.finite_key import PROTOCOLS, Detectors, Security
from protocols.bb84.prediction.counts import Detections, Pulses, Settings
from protocols.bb84.prediction.finite import Case, EpsPerBit
from protocols.bb84.prediction.leak import FrameLimit, LeakModel, ScaledLeak
from protocols.bb84.prediction.link import DetectorLink, YieldLink
from protocols.bb84.prediction.senders import (
    EntangledPairs,
    OneDecoy,
    Sender,
    SinglePhotons,
    TwoDecoys,
)
from protocols.bb84.settings import dyadic
from qlab.errors import StationError, UsageError
from qlab.experiments.bb84.options import Bb84Options
from qlab.experiments.bb84.plan import described_link
from qlab.station import StationFile, read_table, setting
from qlab.station.source import Source, near_miss, parse_toml
from qlab.station.tables import read_dataclass

__all__ = [
    "Description",
    "changed",
    "describe",
    "file_document",
    "published",
    "published_document",
    "station_document",
]

Document = dict[str, Any]

_MODELS: dict[str, type[YieldLink] | type[DetectorLink]] = {
    "yields": YieldLink,
    "detectors": DetectorLink,
}


@dataclass(frozen=True, kw_only=True)
class _Protocol:
    name: str = setting("two-decoy", doc="The protocol.", choices=PROTOCOLS)
    weakest: float = setting(
        2e-4, doc="Mean photon number of the weakest of three intensities.", low=0.0, high=0.05
    )
    emission: float = setting(
        1.0, doc="Probability that a pulse has its single photon.", low=0.0, high=1.0
    )
    alice_share: float = setting(
        0.5, doc="Share of the loss between the source of pairs and Alice.", low=0.0, high=1.0
    )

    def sender(self, name: str) -> Sender:
        if name == "one-decoy":
            return OneDecoy()
        if name == "two-decoy":
            return TwoDecoys(self.weakest)
        if name == "single-photon":
            return SinglePhotons(self.emission)
        return EntangledPairs(self.alice_share)


@dataclass(frozen=True, kw_only=True)
class _Settings:
    intensities: tuple[float, ...] = setting((), doc="Mean photon numbers, strongest first.")
    probabilities: tuple[float, ...] = setting((), doc="Their probabilities.")
    p_z: tuple[float, ...] = setting((), doc="Alice's and Bob's probability of the key basis.")
    sifting: float = setting(
        1.0, doc="Share of pulses with equal bases in asymptotic rates.", low=1e-3, high=1.0
    )


@dataclass(frozen=True, kw_only=True)
class _Block:
    detections: float = setting(0.0, doc="Detections in the key basis.", low=1.0, high=1e15)
    pulses: float = setting(0.0, doc="Pulses sent.", low=1.0, high=1e18)
    seconds: float = setting(0.0, doc="Seconds of light.", low=1e-9, high=1e10)

    def __post_init__(self) -> None:
        if sum(size > 0 for size in (self.detections, self.pulses, self.seconds)) != 1:
            raise ValueError("a block has detections, pulses or seconds: one of the three")


@dataclass(frozen=True, kw_only=True)
class _Correction:
    efficiency: float = setting(
        1.16, doc="Bits disclosed over n h(QBER), at every QBER.", low=1.0, high=10.0
    )
    frame: int = setting(
        0, doc="Bits of a frame of one-way correction at its limit.", low=0, high=1 << 30
    )
    failures: float = setting(1e-3, doc="Share of failing frames.", low=1e-15, high=0.4)

    @property
    def leak(self) -> LeakModel:
        return FrameLimit(self.frame, self.failures) if self.frame else ScaledLeak(self.efficiency)


@dataclass(frozen=True, kw_only=True)
class _Security:
    eps_sec: float = setting(1e-9, doc="Secrecy parameter.", low=1e-50, high=0.1)
    eps_cor: float = setting(1e-15, doc="Correctness parameter.", low=1e-30, high=0.1)
    eps_sec_per_bit: float = setting(
        0.0, doc="Secrecy parameter per secret bit, in place of eps_sec.", low=0.0, high=0.1
    )
    variable_length: bool = setting(False, doc="Whether the length follows from the counts.")

    @property
    def parameters(self) -> Security | EpsPerBit:
        if self.eps_sec_per_bit:
            return EpsPerBit(self.eps_sec_per_bit, self.eps_cor)
        return Security(self.eps_sec, self.eps_cor)


_TABLES = {
    "protocol": _Protocol,
    "settings": _Settings,
    "block": _Block,
    "correction": _Correction,
    "security": _Security,
    "detectors": Detectors,
}


@dataclass(frozen=True)
class Description:
    """A link and what is done with it.

    Attributes
    ----------
    title : str
    link : YieldLink or DetectorLink
    protocol, settings, correction, security
        The tables of these names.
    block : Detections or Pulses
        10 million detections in the key basis where nothing is said.
    detectors : Detectors or None
        How far Bob's detectors may differ.
    document : mapping
        What was read, with all changes.
    """

    title: str
    link: YieldLink | DetectorLink
    protocol: _Protocol
    settings: _Settings
    correction: _Correction
    security: _Security
    block: Detections | Pulses
    detectors: Detectors | None
    document: Mapping[str, Any]

    def case(self, protocol: str, block: Detections | Pulses) -> Case:
        """Return the case to predict.

        Raises
        ------
        ParameterError
            No proof covers it.
        """
        return Case(
            self.link,
            self.protocol.sender(protocol),
            block,
            self.correction.leak,
            self.security.parameters,
            self.security.variable_length,
            self.detectors,
        )

    def distance_km(self, loss_db: float) -> float:
        """Return the length of fibre with which the link has this loss."""
        return (loss_db - self.link.excess_loss_db) / self.link.attenuation_db_per_km

    def held(self, protocol: str) -> Settings:
        """Return the settings of the stations.

        Raises
        ------
        UsageError
            The description does not have them for this protocol.
        ParameterError
            They are out of range, or not the protocol's.
        """
        said = self.settings
        intensities, probabilities = said.intensities, said.probabilities
        if protocol == "single-photon" and not intensities:
            intensities = (self.protocol.emission,)
        if len(intensities) == 1 and not probabilities:
            probabilities = (1.0,)
        missing = [
            name
            for name, value in (
                ("intensities", intensities),
                ("probabilities", probabilities),
                ("p_z", said.p_z),
            )
            if not value
        ]
        if missing:
            raise UsageError(
                f"{self.title} has no {' and no '.join(missing)} for {protocol}",
                remedy=f"give --{missing[0].replace('_', '-')}, or leave out --no-optimise",
            )
        p_z = said.p_z * 2 if len(said.p_z) == 1 else said.p_z
        if len(p_z) != 2:
            raise UsageError("p_z has one value, or Alice's and Bob's", remedy="such as 0.9,0.8")
        return Settings(intensities, probabilities, (p_z[0], p_z[1]))


def describe(document: Document, source: Source) -> Description:
    """Read a description.

    Raises
    ------
    StationError
        Naming file, line, key and remedy.
    """
    for key in document:
        if key not in ("title", "link", *_TABLES):
            source.unknown_key((key,), ("title", "link", *_TABLES))
    tables: dict[str, Any] = {
        name: read_dataclass(source, (name,), document.get(name, {}), kind)
        for name, kind in _TABLES.items()
        if name in document or name not in ("block", "detectors")
    }
    link = _link(source, document)
    block = tables.pop("block", None)
    size: Detections | Pulses = Detections(1e7)
    if isinstance(block, _Block):
        pulses = block.pulses or block.seconds * link.slot_rate_hz
        if not block.detections and pulses < 1:
            raise source.error(("block",), "the time is shorter than a pulse")
        size = Detections(block.detections) if block.detections else Pulses(pulses)
    title = document.get("title", FilePath(source.name).stem)
    if not isinstance(title, str):
        raise source.error(("title",), "must be a text")
    return Description(
        title=title,
        link=link,
        block=size,
        detectors=tables.pop("detectors", None),
        document=document,
        **tables,
    )


def _link(source: Source, document: Document) -> YieldLink | DetectorLink:
    table = document.get("link")
    if not isinstance(table, dict):
        raise source.error(
            ("link",),
            "there is no table [link]",
            remedy="`qlab key rate --show` writes a whole one",
        )
    figures = dict(table)
    model = figures.pop("model", "detectors")
    if model not in _MODELS:
        raise source.error(
            ("link", "model"), f"there is no model {model!r}", remedy=f"one of {', '.join(_MODELS)}"
        )
    kind: type[YieldLink] | type[DetectorLink] = _MODELS[model]
    return read_dataclass(source, ("link",), figures, kind)


def published() -> list[str]:
    """Return the names of the published links."""
    folder = resources.files("qlab.rates.links")
    return sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".toml"))


def file_document(file: FilePath) -> tuple[Document, Source]:
    """Read a description's file.

    Raises
    ------
    StationError
        It cannot be read, or is not TOML.
    """
    try:
        text = file.read_bytes().decode("utf-8")
    except OSError as error:
        raise StationError(
            f"cannot be read: {error.strerror}",
            file=str(file),
            remedy="`qlab key rate --show > FILE` writes one",
        ) from None
    except UnicodeDecodeError as error:
        raise StationError(f"not UTF-8 text at byte {error.start}", file=str(file)) from None
    return parse_toml(text.replace("\r\n", "\n"), str(file))


def published_document(name: str) -> tuple[Document, Source]:
    """Read the description of a published link.

    Raises
    ------
    UsageError
        There is none of this name.
    """
    if name not in published():
        raise UsageError(f"there is no link {name!r}", remedy=near_miss(name, published()))
    text = (resources.files("qlab.rates.links") / f"{name}.toml").read_text(encoding="utf-8")
    return parse_toml(text, f"{name}.toml")


def station_document(station: StationFile) -> tuple[Document, Source]:
    """Describe a station by its table ``[bb84]``: what `qlab run bb84` plans by.

    Raises
    ------
    StationError
        For what is wrong in the table.
    """
    options = read_table(station, "bb84", Bb84Options)
    strong = dyadic(options.probabilities[0])
    document = {
        "title": station.name,
        "link": {"model": "detectors", **asdict(described_link(options))},
        "protocol": {"name": "one-decoy"},
        "settings": {
            "intensities": list(options.intensities),
            "probabilities": [float(strong), float(1 - strong)],
            "p_z": [float(dyadic(options.p_z_alice)), float(dyadic(options.p_z_bob))],
        },
        "block": {"pulses": float(options.counted_slots * options.pattern_repeats)},
        "security": {"eps_sec": options.eps_sec, "eps_cor": options.eps_cor},
    }
    return document, Source(station.source.name, {})


def changed(document: Document, source: Source, changes: Iterable[str]) -> tuple[Document, Source]:
    """Return a description with changes such as ``link.misalignment=0.02``.

    Raises
    ------
    UsageError
        A change is not TABLE.KEY=VALUE.
    """
    copy: Document = {
        key: dict(value) if isinstance(value, dict) else value for key, value in document.items()
    }
    said = list(changes)
    for change in said:
        place, equals, value = change.partition("=")
        table, dot, key = place.strip().partition(".")
        try:
            read = tomllib.loads(f"value = {value.strip()}")["value"]
        except tomllib.TOMLDecodeError:
            read, equals = None, ""
        if not (equals and dot and table and key and isinstance(copy.get(table, {}), dict)):
            raise UsageError(
                f"{change!r} is no change", remedy="such as --set link.misalignment=0.02"
            )
        copy.setdefault(table, {})[key] = read
    # What is wrong with a change stands on no line of the file.
    return copy, Source(f"{source.name} with --set", {}) if said else source
