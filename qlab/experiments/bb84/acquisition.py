"""Light through the link: from roles and random bits to each block's detections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
from numpy.typing import NDArray

from calibration.mean_photon_number import (
    MeanPhotonNumber,
    SenderPath,
    set_mean_photon_number,
)
from calibration.settling import wait_until_settled
from drivers.core.errors import InstrumentFaultError, MisuseError
from drivers.roles import DetectorControl
from protocols.bb84.settings import (
    AliceSettings,
    alice_entropy_bytes,
    alice_phase,
    alice_settings,
    bob_entropy_bytes,
    bob_phase,
    bob_settings,
    dyadic,
)
from protocols.bb84.sifting import Detections, detections
from protocols.bb84.slots import SlotGrid, estimate_delay, locate_clicks, phase_histogram
from protocols.entropy import Entropy
from protocols.errors import ParameterError
from qlab.context import RunContext
from qlab.errors import ExitCode, QlabError
from qlab.experiments.bb84.options import Bb84Options
from qlab.experiments.bb84.source import LevelTable, intensity_levels, phase_levels

__all__ = ["Acquisition", "Block", "BlockPlan", "NoSignalError", "block_plans", "detect"]

#: Records shorter than any generator's minimum are filled up to this length.
_SHORT_RECORD = 64
#: An instrument that is on its way is asked this often.
_POLL_S = 0.5
#: A detector this near to its temperature is ready.
_TEMPERATURE_TOLERANCE_K = 0.5
#: Bins of a slot in the search for the detectors' delays.
_DELAY_BINS = 50


@dataclass(frozen=True)
class BlockPlan:
    """One pattern before it is sent: settings of both parties for `slots` slots."""

    index: int
    slots: int
    alice: AliceSettings
    bob_basis: NDArray[np.uint8]


@dataclass(frozen=True)
class Block:
    """One pattern and what Bob detected of it."""

    plan: BlockPlan
    detections: Detections
    events: int
    delay_s: float


def block_plans(entropy: Entropy, options: Bb84Options) -> Iterator[BlockPlan]:
    """Draw each block's settings from the streams of Alice and Bob, one after another."""
    p_alice, p_bob = dyadic(options.p_z_alice), dyadic(options.p_z_bob)
    probabilities = [dyadic(p) for p in options.probabilities]
    left = options.slots
    index = 0
    while left > 0:
        slots = min(left, options.block_slots)
        need = alice_entropy_bytes(slots, p_alice, probabilities)
        alice = alice_settings(entropy.take("alice/settings", need), slots, p_alice, probabilities)
        basis = bob_settings(
            entropy.take("bob/settings", bob_entropy_bytes(slots, p_bob)), slots, p_bob
        )
        yield BlockPlan(index, slots, alice, basis)
        left -= slots
        index += 1


class Acquisition:
    """Sets up the bench, sends blocks and collects their detections.

    Instruments come from the station by role: ``laser``, ``intensity``,
    ``phase_alice``, ``phase_bob``, ``generator_alice``, ``bias``,
    ``monitor``, ``attenuators``, ``detectors``, ``tagger``, ``reference``,
    ``counter``.
    """

    def __init__(self, ctx: RunContext, options: Bb84Options) -> None:
        self._ctx = ctx
        self._options = options
        self._role = ctx.station.role
        self._intensity = intensity_levels(options.intensities, options.intensity_v_pi_v)
        self._phase_alice = phase_levels(options.phase_alice_v_pi_v, 4)
        self._phase_bob = phase_levels(options.phase_bob_v_pi_v, 2)
        self.live_s = 0.0

    def prepare(self) -> MeanPhotonNumber:
        """Bring every instrument to its working point; the light is on afterwards."""
        self._check_memory()
        self._check_reference()
        self._set_detectors()
        self._set_generators()
        return self._set_light()

    def _check_memory(self) -> None:
        samples = self._options.block_slots * self._options.samples_per_slot
        generator = self._role("generator_alice")
        if samples > generator.memory_samples:
            raise MisuseError(
                f"a block of {samples} samples does not fit its memory of "
                f"{generator.memory_samples}",
                remedy="lower block_slots in [bb84]",
                instrument=generator.path,
            )

    def _check_reference(self) -> None:
        if not self._role("reference").locked:
            raise InstrumentFaultError(
                "the frequency standard is not locked",
                remedy="let it warm up; `qlab instrument get` shows its state",
                instrument=self._role("reference").path,
            )
        nominal_hz = 10e6
        error = self._role("counter").frequency_hz(1) / nominal_hz - 1.0
        self._ctx.note(f"reference on the counter: {error:+.3e}")
        if not abs(error) <= self._options.reference_tolerance:
            raise InstrumentFaultError(
                f"the reference is {error:+.2e} off on the counter, "
                f"{self._options.reference_tolerance:g} is allowed",
                remedy="check the counter's time base and the reference's lock",
                instrument=self._role("counter").path,
            )

    def _set_detectors(self) -> None:
        options = self._options
        for detector, bias_v in zip(self._role("detectors"), options.detector_bias_v, strict=True):
            detector.temperature_c = options.detector_temperature_c
            detector.bias_v = bias_v
        self._ctx.progress.phase("detectors cool")
        wanted_c = options.detector_temperature_c
        for detector in self._role("detectors"):
            self._wait(
                partial(_is_at, detector, wanted_c),
                options.detector_timeout_s,
                detector.path,
                f"not at {wanted_c:g} degC",
                "check the cooler; `qlab instrument get` shows the temperature",
            )

    def _set_generators(self) -> None:
        rate = self._options.slot_rate_hz * self._options.samples_per_slot
        for role, table in self._channels():
            channel = self._role(role)
            channel.output = False
            channel.sample_rate_hz = rate
            channel.amplitude_vpp = table.amplitude_vpp
            channel.offset_v = table.offset_v
        self._role("phase_bob").trigger_delay_s = self._options.bob_trigger_delay_s

    def _channels(self) -> list[tuple[str, LevelTable]]:
        return [
            ("intensity", self._intensity),
            ("phase_alice", self._phase_alice),
            ("phase_bob", self._phase_bob),
        ]

    def _set_light(self) -> MeanPhotonNumber:
        options, clock = self._options, self._ctx.clock
        for attenuator in self._role("attenuators"):
            attenuator.wavelength_m = options.wavelength_m
            attenuator.attenuation_db = options.attenuator_highest_db
            attenuator.output = True
        wait_until_settled(self._role("attenuators"), clock)
        monitor, laser = self._role("monitor"), self._role("laser")
        monitor.wavelength_m = options.wavelength_m
        laser.wavelength_m = options.wavelength_m
        laser.power_dbm = options.laser_power_dbm
        laser.output = True
        self._ctx.progress.phase("laser settles")
        clock.sleep(options.laser_settle_s)
        self._hold_bright()
        self._lock_bias()
        path = SenderPath(
            tap_ratio=options.monitor_tap_ratio,
            fixed_db=options.fixed_attenuation_db + options.sender_insertion_db,
            step_db=options.attenuator_step_db,
            highest_db=options.attenuator_highest_db,
            pulse_rate_hz=options.slot_rate_hz,
            wavelength_m=options.wavelength_m,
            relative_uncertainty=options.intensity_uncertainty,
        )
        found = set_mean_photon_number(
            options.intensities[0], path, self._role("attenuators"), monitor, clock
        )
        self._ctx.note(
            f"mean photon number {found.realised:.4f} +- {found.standard_uncertainty:.4f} "
            f"from {found.monitor_w:.4g} W at the monitor, attenuators at {found.settings_db} dB"
        )
        return found

    def _hold_bright(self) -> None:
        """Hold the strongest intensity, which is the first symbol, without a trigger."""
        for role, table in self._channels():
            channel = self._role(role)
            channel.load("bright", np.full(_SHORT_RECORD, table.codes[0], np.int16))
            channel.play_once_on("external" if role == "phase_bob" else "software")
            channel.output = True

    def _lock_bias(self) -> None:
        bias = self._role("bias")
        bias.mode = self._options.bias_point
        self._ctx.progress.phase("modulator bias locks")
        self._wait(
            lambda: bias.stable,
            self._options.bias_timeout_s,
            bias.path,
            "the bias is not stable",
            "check the light at its tap and the operating point",
        )

    def _wait(
        self, ready: Callable[[], bool], timeout_s: float, path: str, state: str, remedy: str
    ) -> None:
        """Wait until `ready`, and name the instrument at `path` if that takes too long."""
        clock = self._ctx.clock
        start = clock.now_ns()
        while not ready():
            if clock.now_ns() - start > timeout_s * 1e9:
                raise InstrumentFaultError(
                    f"{state} after {timeout_s:g} s", remedy=remedy, instrument=path
                )
            clock.sleep(_POLL_S)

    def send(self, plan: BlockPlan, *, loaded: bool = False) -> Block:
        """Send a block's pattern, after loading it if need be, and return Bob's detections."""
        if not loaded:
            self._load(plan)
        ticks, lines = self._play(plan)
        return detect(self._options, self._role("tagger").tick_s, plan, ticks, lines)

    def _load(self, plan: BlockPlan) -> None:
        samples = self._options.samples_per_slot
        name = f"block{plan.index}"
        phase = alice_phase(plan.alice.bit, plan.alice.basis)
        for role, table, symbols in (
            ("intensity", self._intensity, plan.alice.intensity),
            ("phase_alice", self._phase_alice, phase),
            ("phase_bob", self._phase_bob, bob_phase(plan.bob_basis)),
        ):
            channel = self._role(role)
            channel.load(name, table.record(symbols, samples))
            channel.play_once_on("external" if role == "phase_bob" else "software")

    def _play(self, plan: BlockPlan) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        light_s = plan.slots / self._options.slot_rate_hz
        margin_s = self._options.listen_margin_s
        tagger = self._role("tagger")
        tagger.start(margin_s + light_s + margin_s)
        self._ctx.clock.sleep(margin_s)  # on another line the trigger may overtake the start
        self._role("generator_alice").trigger()
        ticks: list[NDArray[np.int64]] = [np.empty(0, np.int64)]
        lines: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)]
        with closing(tagger.collect(self._ctx.clock)) as stream:
            for stamps in stream:
                ticks.append(stamps.ticks)
                lines.append(stamps.channels)
                self._ctx.data.append("timestamps", stamps.ticks)
                self._ctx.data.append("detectors", stamps.channels)
        self.live_s += light_s
        times = np.concatenate(ticks)
        self._ctx.data.append("block_events", np.array([times.size], np.int64))
        return times, np.concatenate(lines)


def _is_at(detector: DetectorControl, wanted_c: float) -> bool:
    return abs(detector.temperature_c - wanted_c) <= _TEMPERATURE_TOLERANCE_K


def detect(
    options: Bb84Options,
    tick: Fraction,
    plan: BlockPlan,
    ticks: NDArray[np.int64],
    lines: NDArray[np.uint8],
) -> Block:
    """Place the events of one block in slots, with each detector's delay found in the data.

    The data give the delays from the marker within one slot; `slot_offset` gives the whole
    slots, and the second detector is taken within half a slot of the first.

    Parameters
    ----------
    tick : Fraction
        Length of the tagger's tick in seconds.

    Raises
    ------
    NoSignalError
        If there is not one marker, or the clicks do not follow the pulses.
    """
    if not ticks.size:
        raise NoSignalError(
            f"the tagger gave no time stamp of block {plan.index}",
            remedy="check that it is idle before the run, its cable and its lines",
        )
    markers = ticks[lines == options.marker_line]
    if markers.size != 1:
        raise NoSignalError(
            f"block {plan.index}: {markers.size} markers on the tagger's line "
            f"{options.marker_line} instead of one",
            remedy="check the sync output of Alice's generator and its cable",
        )
    marker = int(markers[0])
    period = 1 / Fraction(options.slot_rate_hz)
    first, second = (
        _delay(ticks[lines == line], marker, tick, period, line) for line in options.detector_lines
    )
    second += period * round((first - second) / period)
    whole = options.slot_offset * period
    window = Fraction(round(options.window_s * 1e12), 10**12)
    grid = SlotGrid(tick, period, window, (first + whole, second + whole))
    channels = (options.detector_lines[0], options.detector_lines[1])
    clicks = locate_clicks(ticks, lines, marker, grid, channels)
    dead_time = Fraction(round(options.dead_time_s * 1e12), 10**12)
    found = detections(clicks, plan.slots, dead_time)
    return Block(plan, found, int(ticks.size), float((first + second) / 2 + whole))


def _delay(
    ticks: NDArray[np.int64], marker: int, tick: Fraction, period: Fraction, line: int
) -> Fraction:
    """Return the delay from the marker, less than one slot, in whole picoseconds."""
    histogram = phase_histogram(ticks, marker, tick, period, _DELAY_BINS)
    try:
        delay_s, _ = estimate_delay(histogram, float(period))
    except ParameterError as error:
        raise NoSignalError(
            f"detector on line {line}: {error}",
            remedy="check bias, attenuation, delays and that the detectors are on",
        ) from None
    return Fraction(round(delay_s * 1e12), 10**12)


class NoSignalError(QlabError):
    """The detections do not follow the pulses."""

    exit_code = ExitCode.INSTRUMENT
