"""What every way to run BB84 has in common: options, roles, and the account of the block."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from drivers.core.context import Kind
from drivers.core.registry import driver_class
from protocols.bb84.distillation import Distillation, Setup
from protocols.bb84.settings import dyadic
from protocols.entropy import Entropy
from protocols.secret import SecretBits
from qlab.context import KeyFacts, RunContext
from qlab.errors import StationError, UsageError
from qlab.experiments.bb84.options import MOST_SLOTS, Bb84Options
from qlab.experiments.bb84.photons import ASSUMED, doubts, joined_facts
from qlab.experiments.bb84.plan import agreed_plan
from qlab.station import StationFile, read_table

__all__ = ["SIDES", "PlannedBb84", "Side", "darken", "tagger_tick_s"]

#: Who takes part on each side, and how many detectors and attenuators play one role.
_ALICE = (
    "laser",
    "generator_alice",
    "intensity",
    "phase_alice",
    "bias",
    "monitor",
    "attenuators",
    "reference",
    "counter",
)
_BOB = ("phase_bob", "tagger", "detectors")
#: Who else does where Bob plays on a clock of his own.
_OWN_CLOCK = ("generator_bob",)
#: What each party's station plays.
SIDES = {"alice": _ALICE, "bob": (*_BOB, *_OWN_CLOCK)}
_ROLES = {"alice": _ALICE, "bob": _BOB, "both": (*_ALICE, *_BOB)}
_LISTS = {"attenuators": range(1, 9), "detectors": range(2, 3)}
#: Patterns, stamps and detections hold the raw key; so do the parties' random bytes.
_SECRET_ROLES = ("intensity", "phase_alice", "phase_bob", "tagger")
_DEMONSTRATION = "patterns were sent more than once: a demonstration"
#: What is a station's own business and need not be the same on both.
_OWN = (
    "side",
    "samples_per_slot",
    "wavelength_m",
    "laser_power_dbm",
    "laser_settle_s",
    "intensity_v_pi_v",
    "phase_alice_v_pi_v",
    "phase_bob_v_pi_v",
    "bias_point",
    "bias_timeout_s",
    "monitor_tap_ratio",
    "fixed_attenuation_db",
    "sender_insertion_db",
    "attenuator_step_db",
    "attenuator_highest_db",
    "intensity_uncertainty",
    "detector_bias_v",
    "detector_temperature_c",
    "detector_timeout_s",
    "detector_lines",
    "marker_line",
    "slot_offset",
    "listen_margin_s",
    "word_s",
    "bob_trigger_delay_s",
    "sync_max_ppm",
    "modulator_delay_s",
    "reference_tolerance",
)


class PlannedBb84:
    """One run, set up; see `qlab.experiments.interface.Experiment`."""

    name = "bb84"

    def __init__(self, station: StationFile, overrides: Mapping[str, Any]) -> None:
        options = read_table(station, self.name, Bb84Options)
        side = overrides.get("side", options.side)
        if options.side not in ("both", side):
            raise station.source.error(
                (self.name, "side"),
                f"this is the station of {options.side.capitalize()}",
                remedy=f"run it with --role {options.side}, or name the other station",
            )
        duration_s = overrides.get("duration_s")
        slots = options.slots if duration_s is None else _slots(duration_s, options)
        sync = overrides.get("sync") or options.sync
        try:
            self.options = dataclasses.replace(options, slots=slots, side=side, sync=sync)
        except ValueError as error:  # the file's own options are already found to fit
            raise station.source.error((self.name, "sync"), str(error)) from None
        if self.options.shortest_pattern <= self.options.public_slots:
            raise station.source.error(
                (self.name, "sync_slots"),
                f"a pattern of {self.options.shortest_pattern} slots has no room between two "
                f"public strings of {options.sync_slots}",
                remedy="choose sync_slots, block_slots and slots, or --duration, that leave some",
            )
        _check_roles(station, side, sync)
        played = (_instrument(station.roles.get(role)) for role in _SECRET_ROLES)
        self.secret_sources = frozenset(name for name in played if name)

    @property
    def side(self) -> str:
        """Whose instruments the station has."""
        return self.options.side

    @property
    def table(self) -> dict[str, Any]:
        """The options as resolved."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self.options).items()
        }

    @property
    def terms(self) -> dict[str, str]:
        """The options that both parties must have alike, as texts."""
        return {name: repr(value) for name, value in self.table.items() if name not in _OWN}

    def setup(self) -> tuple[Setup, str | None]:
        """Return `agreed_plan` of the options."""
        return agreed_plan(self.options)

    def _reason(self, found: Distillation, hopeless: str | None) -> str | None:
        """Return why there is no key."""
        if self.options.pattern_repeats > 1:
            return _DEMONSTRATION
        return hopeless or found.reason

    def _deposit(
        self, ctx: RunContext, key: SecretBits, found: KeyFacts, refill_bits: int = 0
    ) -> None:
        # Messages and results do not depend on the key itself: only this shows a
        # replay that the same key was made. Its source is a secret one.
        digest = hashlib.sha256(key.reveal()).digest()
        ctx.recorder.record("key", Kind.MESSAGE, digest)
        ctx.keys.deposit(key, found, refill_bits)

    def _account(
        self, found: Distillation, reason: str | None, blocks: list[dict[str, Any]], simulated: bool
    ) -> dict[str, Any]:
        options = self.options
        sync = self._sync(blocks)
        if reason and sync:
            reason += doubts(options, sync)
        return {
            "slots": sum(b["slots"] for b in blocks),
            "slot_rate_hz": options.slot_rate_hz,
            "intensities": list(options.intensities),
            "probabilities": [float(dyadic(p)) for p in options.probabilities],
            "detector_lines": list(options.detector_lines),
            "marker_line": options.marker_line,
            "blocks": blocks,
            "detections": sum(b.get("detections", 0) for b in blocks),
            "double_clicks": found.double_clicks,
            "dropped_dead_time": found.dropped_dead_time,
            "dropped_outside": found.dropped_outside,
            "sifted_bits": found.sifted_bits,
            "n_z": list(found.n_z),
            "n_x": list(found.n_x),
            "m_z": None if found.m_z is None else list(found.m_z),
            "m_x": None if found.m_x is None else list(found.m_x),
            "qber_z": found.qber_z,
            "qber_x": found.qber_x,
            "qber_z_by_intensity": list(found.qber_z_per_intensity),
            "qber_x_by_intensity": list(found.qber_x_per_intensity),
            "leak_ec_bits": found.leak_ec_bits,
            "efficiency": found.efficiency,
            "wire_bits_alice": found.wire_bits_alice,
            "wire_bits_bob": found.wire_bits_bob,
            "verified": found.verified,
            "bounds": dict(found.bounds) or None,
            "agreed_length": max(found.agreed_length, 0),
            "secret_bits": 0 if reason else found.secret_bits,
            "no_key": reason,
            "eps_sec": found.eps_sec,
            "eps_cor": found.eps_cor,
            "eps_auth": found.eps_auth,
            "net_secret_bits": 0 if reason else found.net_secret_bits,
            "protocol": found.protocol,
            "reconciliation": found.reconciliation,
            "amplification": found.amplification,
            "proof": found.proof,
            "length_rule": found.length_rule,
            "assumptions": [*found.assumptions, *self._assumed()],
            "demonstration": options.pattern_repeats > 1,
            "fit_for_use": reason is None and not simulated,
            **sync,
        }

    def _assumed(self) -> tuple[str, ...]:
        """Return what is assumed beyond the proof's own assumptions."""
        return ASSUMED if self.options.sync == "photons" else ()

    def _sync(self, blocks: list[dict[str, Any]]) -> dict[str, Any]:
        """Return how the slots were found, where that was not by the marker."""
        options = self.options
        if options.sync == "marker":
            return {}
        public = {"sync": "photons", "public_slots": options.public_slots * len(blocks)}
        return public | (joined_facts(blocks) if options.side != "alice" else {})


def darken(ctx: RunContext) -> None:
    """Bring the outputs to safety before the long computation, not only after it."""
    for step in ctx.station.to_safe_state():
        if step.cause is not None:
            raise step.cause


def _check_roles(station: StationFile, side: str, sync: str) -> None:
    """Raise StationError for a role that nobody plays, or too few or too many."""
    own = _OWN_CLOCK if sync == "photons" and side != "alice" else ()
    for role in (*_ROLES[side], *own):
        target = station.roles.get(role)
        if target is None:
            raise station.source.error(
                ("roles",), f"nothing plays the role {role!r}", remedy=f"add {role} = ..."
            )
        count = _LISTS.get(role)
        if isinstance(target, str) if count else not isinstance(target, str):
            wanted = "a list" if count else "one instrument or channel"
            raise station.source.error(("roles", role), f"must be {wanted}")
        if count and len(target) not in count:
            raise station.source.error(
                ("roles", role), f"has {len(target)} elements, not {count.start}"
            )


class Side:
    """One party's own streams of the run's entropy."""

    def __init__(self, party: str, entropy: Entropy) -> None:
        self._party = party
        self._entropy = entropy

    def take(self, stream: str, count: int) -> bytes:
        """Return the next bytes of the party's `stream`."""
        return self._entropy.take(f"{self._party}/{stream}", count)


def _instrument(target: str | tuple[str, ...] | None) -> str:
    return target.partition(".")[0] if isinstance(target, str) else ""


def _slots(duration_s: float, options: Bb84Options) -> int:
    """Return how many pulses fill a duration."""
    slots = duration_s * options.slot_rate_hz
    if not (math.isfinite(slots) and 0.5 <= slots <= MOST_SLOTS):
        raise UsageError(
            f"{duration_s:g} s are not 1 to {MOST_SLOTS:g} pulses of {options.slot_rate_hz:g} Hz",
            remedy="choose another --duration",
        )
    return max(1, round(slots))


def tagger_tick_s(station: StationFile) -> Fraction:
    """Return the tick of the station's tagger, which its driver declares."""
    name = _instrument(station.roles.get("tagger"))
    if name not in station.instruments:
        raise StationError(
            "nobody plays the role 'tagger'",
            file=station.source.name,
            key="roles",
            remedy='add a line such as: tagger = "INSTRUMENT"',
        )
    tick_s = getattr(driver_class(station.instruments[name].driver), "tick_s", None)
    if not isinstance(tick_s, Fraction):
        raise StationError(
            f"{name} is no time tagger", file=station.source.name, key="roles.tagger"
        )
    return tick_s
