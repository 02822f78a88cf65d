"""The counts of a block in a JSON file that somebody wrote, read with care."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from protocols.bb84.finite_key import Detectors, KeyCounts, intensities_of
from protocols.errors import ParameterError
from qlab.errors import UsageError
from qlab.station.source import near_miss

__all__ = ["counts_from", "read_counts"]

_LARGEST_FILE = 1 << 16
_LONGEST_NUMBER = 40

_TALLIES = ("n_z", "n_x", "m_z", "m_x")
_NEEDED = ("protocol", *_TALLIES, "leak_ec", "eps_sec", "eps_cor")
_OPTIONAL = ("intensities", "probabilities", "tag_bits", "announced_bits", "detectors")

_REMEDIES = {
    "protocol": "one-decoy, two-decoy, single-photon or bbm92",
    "intensities": "mean photon numbers or [low, high], strictly descending; of three the first"
    " above the sum of the others; none for single-photon and bbm92",
    "probabilities": "one for each intensity, in the same order, with sum 1",
    "n_z": "detections in the key basis, one whole number for each intensity",
    "n_x": "detections in the test basis, one whole number for each intensity",
    "m_z": "errors among n_z, one whole number for each intensity, never above it",
    "m_x": "errors among n_x, one whole number for each intensity, never above it",
    "leak_ec": "the bits that reconciliation disclosed, a whole number",
    "eps_sec": "a probability such as 1e-9",
    "eps_cor": "a probability such as 1e-15",
    "tag_bits": "the length of the verification tag, a whole number",
    "announced_bits": "bits of the key made public otherwise, a whole number",
    "detectors": '{"efficiency": [low, high], "dark_probability": [low, high]}',
    "counts": "lists of equal lengths, one entry for each intensity",
}


def read_counts(
    path: Path, given: Mapping[str, Any] | None = None, assumed: Mapping[str, Any] | None = None
) -> KeyCounts:
    """Read the counts of a block.

    Parameters
    ----------
    path : Path
        A JSON object with the attributes of `KeyCounts` as keys. A number may stand for
        a list of one.
    given : mapping, optional
        Values that count instead of the file's.
    assumed : mapping, optional
        Values for what neither has.

    Raises
    ------
    UsageError
        The file cannot be read, or makes no sense; the message names the key.
    """
    try:
        if not path.is_file():
            kind = "a folder" if path.is_dir() else "no file to read from"
            raise UsageError(
                f"{path}: {kind if path.exists() else 'no such file'}",
                remedy="name a JSON file with the counts",
            )
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    if len(data) > _LARGEST_FILE:
        raise UsageError(
            f"{path}: above {_LARGEST_FILE} bytes", remedy="counts of one block are a short file"
        )
    facts = _parse(path, data)
    try:
        return counts_from({**(assumed or {}), **facts, **(given or {})})
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", remedy=error.remedy) from None


def counts_from(facts: Mapping[str, Any]) -> KeyCounts:
    """Make the counts of a block of what a JSON file has.

    Raises
    ------
    UsageError
        They make no sense; the message names the key.
    """
    known = (*_NEEDED, *_OPTIONAL)
    for key in facts:
        if key not in known:
            raise UsageError(f"{key}: unknown key", remedy=near_miss(key, known))
    for key in _NEEDED:
        if key not in facts:
            _refuse(key, "missing")
    protocol = facts["protocol"]
    if not isinstance(protocol, str):
        _refuse("protocol", "must be a word")
    try:
        if intensities_of(protocol):
            for key in ("intensities", "probabilities"):
                if key not in facts:
                    _refuse(key, "missing")
        return KeyCounts(
            protocol=protocol,
            intensities=tuple(
                _intensity(entry) for entry in _list("intensities", facts.get("intensities", []))
            ),
            probabilities=_numbers("probabilities", facts.get("probabilities", [])),
            n_z=_whole_numbers("n_z", facts["n_z"]),
            n_x=_whole_numbers("n_x", facts["n_x"]),
            m_z=_whole_numbers("m_z", facts["m_z"]),
            m_x=_whole_numbers("m_x", facts["m_x"]),
            leak_ec=_whole("leak_ec", facts["leak_ec"]),
            eps_sec=_number("eps_sec", facts["eps_sec"]),
            eps_cor=_number("eps_cor", facts["eps_cor"]),
            tag_bits=_whole("tag_bits", facts.get("tag_bits", 0)),
            announced_bits=_whole("announced_bits", facts.get("announced_bits", 0)),
            detectors=_detectors(facts.get("detectors")),
        )
    except ParameterError as error:
        key = str(error).partition(":")[0]
        raise UsageError(str(error), remedy=_REMEDIES.get(key, _REMEDIES["protocol"])) from None


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        facts = dict(pairs)
        if len(facts) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise UsageError(f"{path}: {twice}: given twice", remedy="each key stands once")
        return facts

    def short(text: str) -> int:
        if len(text) > _LONGEST_NUMBER:
            raise UsageError(f"{path}: a number has {len(text)} digits", remedy="use fewer")
        return int(text)

    def finite(text: str) -> NoReturn:
        raise UsageError(f"{path}: {text} is no number", remedy="every number is finite")

    try:
        facts = json.loads(
            data.decode(), object_pairs_hook=once, parse_int=short, parse_constant=finite
        )
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text in UTF-8", remedy="write JSON") from None
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{path}, line {error.lineno}: not valid JSON: {error.msg}", remedy="mend that line"
        ) from None
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply", remedy="write one flat object") from None
    if not isinstance(facts, dict):
        raise UsageError(
            f"{path}: not an object", remedy='write {"protocol": ..., "n_z": [...], ...}'
        )
    return facts


def _refuse(key: str, reason: str) -> NoReturn:
    raise UsageError(f"{key}: {reason}", remedy=_REMEDIES[key])


def _number(key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(key, f"{_shown(value)} is not a number")
    if not abs(value) < 1e300:
        _refuse(key, "too large")
    return float(value)


def _whole(key: str, value: Any) -> int:
    number = _number(key, value)
    if not number.is_integer() or abs(number) > 2**53:
        _refuse(key, f"{_shown(value)} is not a whole number that a count can be")
    return int(value)


def _list(key: str, value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _numbers(key: str, value: Any) -> tuple[float, ...]:
    return tuple(_number(key, entry) for entry in _list(key, value))


def _whole_numbers(key: str, value: Any) -> tuple[int, ...]:
    return tuple(_whole(key, entry) for entry in _list(key, value))


def _intensity(entry: Any) -> float | tuple[float, float]:
    if isinstance(entry, list):
        return _interval("intensities", entry)
    return _number("intensities", entry)


def _interval(key: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        _refuse(key, f"{_shown(value)} is not an interval [low, high]")
    return _number(key, value[0]), _number(key, value[1])


def _detectors(facts: Any) -> Detectors | None:
    if facts is None:
        return None
    known = ("efficiency", "dark_probability")
    if not isinstance(facts, dict) or "efficiency" not in facts:
        _refuse("detectors", "not an object with the lowest and highest efficiency")
    for key in facts:
        if key not in known:
            raise UsageError(f"detectors.{key}: unknown key", remedy=near_miss(key, known))
    return Detectors(
        _interval("detectors", facts["efficiency"]),
        _interval("detectors", facts.get("dark_probability", [0.0, 0.0])),
    )


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
