"""The slots of a pattern from Bob's photons alone: no clock and no marker comes from Alice.

Bob's generator and tagger share his own clock, and his generator marks on the tagger when it
begins to play his bases. See `protocols.bb84.unclocked` for what is found in the clicks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.bb84.sifting import detections
from protocols.bb84.unclocked import BasisRecord, Unclocked, place_clicks
from protocols.timetags.repetition.errors import NoRepetitionError, NoStringError
from qlab.experiments.bb84.detection import Block, NoSignalError
from qlab.experiments.bb84.options import Bb84Options
from qlab.experiments.bb84.patterns import frame

__all__ = ["ASSUMED", "detect_by_photons", "doubts", "joined_facts", "told"]

#: Probability with which chance may pass for a rate, a string, or the second string.
FALSE_ALARM = 1e-9
#: The strings' errors are out of order beyond twice what the optics should make, and this.
_WRONG = 0.02

#: What such a run adds to the assumptions of its key.
ASSUMED = (
    "public strings around every pattern are known to the eavesdropper and left out of all counts",
    "Bob's modulator plays on his own clock: two pulses within one of its steps share a basis",
)


def detect_by_photons(
    options: Bb84Options,
    tick: Fraction,
    index: int,
    slots: int,
    basis: NDArray[np.uint8],
    ticks: NDArray[np.int64],
    lines: NDArray[np.uint8],
) -> Block:
    """Place the events of one pattern in slots that are found in the events themselves.

    Parameters
    ----------
    tick : Fraction
        Length of the tagger's tick in seconds.
    index, slots : int
        Number and pulses of the pattern, with its public strings.
    basis : uint8 array
        What Bob's modulator plays from his own marker on.
    ticks, lines : arrays
        The events' times in ticks, and their lines.

    Raises
    ------
    NoSignalError
        If there is not one marker of Bob's, or period, phase or strings are not found.
    """
    own = ticks[lines == options.marker_line]
    if own.size != 1:
        raise NoSignalError(
            f"block {index}: {own.size} markers of Bob's generator on the tagger's line "
            f"{options.marker_line} instead of one",
            remedy="connect the sync output of Bob's own generator there, and not Alice's",
        )
    period = 1 / Fraction(options.slot_rate_hz)
    record = BasisRecord(
        start=int(own[0]) + _exact(options.modulator_delay_s) / tick,
        period=period / tick,
        guard=_exact(options.modulator_guard_s) / tick,
        basis=basis,
    )
    first, second = (ticks[lines == line] for line in options.detector_lines)
    around = frame(options, index, slots)
    try:
        found = place_clicks(
            (first, second),
            tick,
            period,
            _exact(options.window_s),
            around,
            record,
            options.sync_max_ppm,
            FALSE_ALARM,
        )
    except NoRepetitionError as error:
        raise NoSignalError(
            f"block {index}: {error}",
            remedy="check light, bias and detectors; slot_rate_hz; and sync_max_ppm against the "
            "two clocks",
        ) from None
    except NoStringError as error:
        raise NoSignalError(
            f"block {index}: {error}",
            remedy="check that both stations send and expect the same strings (sync_slots, "
            "block_slots), detector_lines, listen_margin_s and word_s, and modulator_delay_s; "
            "where much light is lost the strings must be longer; light near the modulator's "
            "steps moves with bob_trigger_delay_s",
        ) from None
    clicks = detections(found.clicks, around.slots, _exact(options.dead_time_s))
    ours = np.zeros(around.slots, np.uint8)
    ours[clicks.slot] = found.basis(clicks.slot, record)
    return Block(slots, clicks, ours, int(ticks.size), _facts(found, tick, period, options))


def _exact(time_s: float) -> Fraction:
    """Return a time in whole picoseconds."""
    return Fraction(round(time_s * 1e12), 10**12)


def _facts(
    found: Unclocked, tick: Fraction, period: Fraction, options: Bb84Options
) -> dict[str, Any]:
    tick_s, track = float(tick), found.track
    clicks = found.head.clicks + found.tail.clicks
    errors = found.head.errors + found.tail.errors
    width_s = math.hypot(track.pulse.spread, track.phase_std) * tick_s
    return {
        "frequency_ratio_minus_1": track.ratio_minus_1,
        "frequency_std": track.ratio_std,
        "frequency_drift_per_s": track.drift_per_slot * options.slot_rate_hz,
        "symbol_offset": found.head.offset,
        "false_alarm_probability": max(
            found.head.false_alarm_probability, found.tail.false_alarm_probability
        ),
        "phase_std_s": track.phase_std * tick_s,
        "jitter_s": track.pulse.spread * tick_s,
        "skew_s": found.skew * tick_s,
        "guarded": found.guarded,
        "string_bits": clicks,
        "string_errors": errors,
        "qber_penalty": _penalty(width_s, float(period), options.window_s),
    }


def _penalty(width_s: float, period_s: float, window_s: float) -> float:
    """Return the errors of clicks that lie in the window of a slot that is not theirs.

    They are that far from their own slot's centre, by the normal distribution of arrivals
    about the grid, and their bits are random.
    """
    return 0.5 * math.erfc((period_s - window_s / 2.0) / (math.sqrt(2.0) * width_s))


def told(facts: Mapping[str, Any]) -> str:
    """Return the facts of a block in one short line, for who watches the run."""
    text = f"{facts['detections']:,} detections"
    if "frequency_ratio_minus_1" not in facts:
        return text
    return f"{text}, clocks {facts['frequency_ratio_minus_1'] * 1e6:+.4f} ppm apart"


def joined_facts(blocks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the facts of a run from those of its blocks.

    The ratio is the mean of the blocks', weighted by their variances.
    """
    weights = [1.0 / (b["frequency_std"] * b["frequency_std"]) for b in blocks]
    pairs = zip(weights, blocks, strict=True)
    total = sum(weights)
    bits = sum(b["string_bits"] for b in blocks)
    errors = sum(b["string_errors"] for b in blocks)
    return {
        "frequency_ratio_minus_1": sum(w * b["frequency_ratio_minus_1"] for w, b in pairs) / total,
        "frequency_std": math.sqrt(1.0 / total),
        "symbol_offset": [b["symbol_offset"] for b in blocks],
        "false_alarm_probability": max(b["false_alarm_probability"] for b in blocks),
        "phase_std_s": math.sqrt(sum(b["phase_std_s"] ** 2 for b in blocks) / len(blocks)),
        "string_bits": bits,
        "string_errors": errors,
        "string_error_rate": errors / bits,
        "qber_penalty": max(b["qber_penalty"] for b in blocks),
    }


def doubts(options: Bb84Options, facts: Mapping[str, Any]) -> str:
    """Return what to add to the reason for no key, if the public strings tell of the slots.

    Where the strings have the errors that are expected of the optics, slots and bases are right,
    and it adds nothing.
    """
    bits, errors = facts.get("string_bits", 0), facts.get("string_errors", 0)
    usual = 2.0 * options.expected_qber + _WRONG
    if errors <= usual * bits + 5.0 * math.sqrt(usual * bits):
        return ""
    return (
        f"; {errors / bits:.1%} of the public strings' bits are wrong: slots or Bob's bases are "
        "not those that the light met (modulator_delay_s, modulator_guard_s), or the optics are "
        "out of order"
    )
