"""Light through the link: from roles and random bits to each block's detections."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Literal

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
from protocols.bb84.settings import AliceSettings, alice_phase, bob_phase
from qlab.context import RunContext
from qlab.experiments.bb84.detection import Block
from qlab.experiments.bb84.located import located
from qlab.experiments.bb84.options import Bb84Options
from qlab.experiments.bb84.patterns import BlockPlan, played_slots, sent
from qlab.experiments.bb84.source import LevelTable, intensity_levels, phase_levels

__all__ = ["Acquisition"]

#: Records shorter than any generator's minimum are filled up to this length.
_SHORT_RECORD = 64
#: An instrument that is on its way is asked this often.
_POLL_S = 0.5
#: A detector this near to its temperature is ready.
_TEMPERATURE_TOLERANCE_K = 0.5


class Acquisition:
    """Sets up the bench, sends blocks and collects their detections.

    Instruments come from the station by role: ``laser``, ``intensity``,
    ``phase_alice``, ``phase_bob``, ``generator_alice``, ``bias``,
    ``monitor``, ``attenuators``, ``detectors``, ``tagger``, ``reference``,
    ``counter``; and ``generator_bob`` where it is not triggered by Alice's marker.
    """

    def __init__(self, ctx: RunContext, options: Bb84Options) -> None:
        self._ctx = ctx
        self._options = options
        self._role = ctx.station.role
        self._intensity = intensity_levels(options.intensities, options.intensity_v_pi_v)
        self._phase_alice = phase_levels(options.phase_alice_v_pi_v, 4)
        self._phase_bob = phase_levels(options.phase_bob_v_pi_v, 2)
        self._own_clock = options.sync == "photons"
        self.live_s = 0.0

    def prepare(self) -> MeanPhotonNumber:
        """Bring every instrument to its working point; the light is on afterwards."""
        self._check_memory()
        self._check_reference()
        self._set_detectors()
        self._set_generators()
        return self._set_light()

    def prepare_sender(self) -> MeanPhotonNumber:
        """Bring Alice's instruments to their working point; the light is on afterwards."""
        self._check_memory()
        self._check_reference()
        self._set_generators()
        return self._set_light()

    def prepare_receiver(self) -> None:
        """Bring Bob's instruments to their working point."""
        self._check_memory()
        self._set_detectors()
        self._set_generators()
        self._hold_bright()

    def _check_memory(self) -> None:
        options = self._options
        generators = [] if options.side == "bob" else [("generator_alice", options.block_slots)]
        if self._own_clock and options.side != "alice":
            generators.append(("generator_bob", played_slots(options, options.block_slots)))
        for role, slots in generators:
            samples = slots * options.samples_per_slot
            generator = self._role(role)
            if samples > generator.memory_samples:
                raise MisuseError(
                    f"a block of {samples} samples does not fit its memory of "
                    f"{generator.memory_samples}",
                    remedy="lower block_slots in [bb84]"
                    + (", or word_s and listen_margin_s" if role == "generator_bob" else ""),
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
        if self._options.side != "alice":
            self._role("phase_bob").trigger_delay_s = self._options.bob_trigger_delay_s

    def _channels(self) -> list[tuple[str, LevelTable]]:
        """Return the generators' channels of this side."""
        alice = [("intensity", self._intensity), ("phase_alice", self._phase_alice)]
        bob = [("phase_bob", self._phase_bob)]
        return {"alice": alice, "bob": bob}.get(self._options.side, alice + bob)

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
            channel.play_once_on(self._trigger_of(role))
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
            self.load_alice(plan.index, plan.alice)
            self.load_bob(plan.index, plan.bob_basis)
        return self.receive(plan.index, plan.slots, plan.bob_basis, self.trigger)

    def load_alice(self, index: int, settings: AliceSettings) -> None:
        """Load Alice's settings of a pattern into her generator, with its public strings."""
        settings = sent(self._options, index, settings)
        self._load("intensity", index, self._intensity, settings.intensity)
        phase = alice_phase(settings.bit, settings.basis)
        self._load("phase_alice", index, self._phase_alice, phase)

    def load_bob(self, index: int, basis: NDArray[np.uint8]) -> None:
        """Load Bob's bases of a pattern into his generator, which waits for its trigger."""
        self._load("phase_bob", index, self._phase_bob, bob_phase(basis))

    def _load(self, role: str, index: int, table: LevelTable, symbols: NDArray[np.uint8]) -> None:
        channel = self._role(role)
        channel.load(f"block{index}", table.record(symbols, self._options.samples_per_slot))
        channel.play_once_on(self._trigger_of(role))

    def _trigger_of(self, role: str) -> Literal["software", "external"]:
        """Return what starts a channel: Alice's marker starts Bob's, where it reaches him."""
        return "external" if role == "phase_bob" and not self._own_clock else "software"

    def trigger(self) -> None:
        """Send the pattern that is loaded."""
        self._role("generator_alice").trigger()

    def receive(
        self, index: int, slots: int, basis: NDArray[np.uint8], trigger: Callable[[], None]
    ) -> Block:
        """Listen, have a pattern sent by `trigger`, and return Bob's detections."""
        ticks, lines = self._play(slots, trigger)
        tick_s = self._role("tagger").tick_s
        return located(self._options, tick_s, index, slots, basis, ticks, lines)

    def _play(
        self, slots: int, trigger: Callable[[], None]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        light_s = slots / self._options.slot_rate_hz
        before_s, after_s = self._options.listen_margin_s, self._options.listen_after_s
        tagger = self._role("tagger")
        tagger.start(before_s + light_s + after_s)
        self._ctx.clock.sleep(before_s)  # on another line the trigger may overtake the start
        if self._own_clock:
            self._role("generator_bob").trigger()
        trigger()
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
