"""The whole link: what joins the simulated devices of a bench."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.detectors import Diode, Registration
from drivers.simulated.plant.fibre import Fibre, db
from drivers.simulated.plant.kernels import normal_pair, stream_key
from drivers.simulated.plant.modulators import Electrode
from drivers.simulated.plant.optics import AliceOptics
from drivers.simulated.plant.oscillators import NoisyOscillator
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.plant.pulses import Diodes, Light, expected_clicks
from drivers.simulated.plant.receiver import Piece, Receiver
from drivers.simulated.plant.tagger import TaggerLines
from drivers.simulated.plant.timing import SlotGrid, Timeline
from drivers.simulated.plant.truth import LinkTruth
from drivers.simulated.terminals import (
    Attenuation,
    BiasPoint,
    Detector,
    EdgeInput,
    EventSource,
    LightSource,
    Oscillator,
    PowerProbe,
    VoltageInput,
)
from drivers.simulated.time import BenchTime

__all__ = ["LinkPlant"]

_SPREADS = 10.0
_MEMORY_NS = 10_000_000_000


class Marker:
    """A line of a generator's block marker to Bob's tagger (an `EdgeInput`)."""

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send = send

    def edge(self, t_ns: int) -> None:
        """Send one rising edge."""
        self._send(t_ns)


class LinkPlant:
    """A link for phase-encoded BB84, from Alice's laser to Bob's time tagger.

    Its attributes are the terminals that devices are built with. A setting holds
    for the light that passes that component afterwards. What Alice's generator
    starts, waveforms and the marker, starts with the next slot, since its clock
    is that of the slots; Bob's starts at the moment that it is told, on his own clock if
    he has one.

    Times of settings may lie in the future. They must not lie before a time up to
    which `tags` has already given edges: what has been told stays told, and the
    setting then holds from there on. A waveform's array is not copied and must not
    change while it plays. One thread at a time.

    Parameters
    ----------
    parameters : LinkParameters
        Its figures.
    seed : int
        Seed of everything random in it, not negative.
    time : BenchTime
        The bench's clock.
    threads : int, optional
        Threads that simulate; by default one a processor. Results do not depend on it.

    Raises
    ------
    ValueError
        If a slot is not a whole number of picoseconds, or so short that jitter
        mixes neighbouring pulses.
    """

    laser: LightSource
    intensity: VoltageInput
    bias: BiasPoint
    phase_alice: VoltageInput
    phase_bob: VoltageInput
    monitor: PowerProbe
    attenuators: list[Attenuation]
    detectors: tuple[Detector, Detector]
    marker: EdgeInput
    bob_marker: EdgeInput
    tags: EventSource
    reference: Oscillator
    bob_reference: Oscillator
    tagger_oscillator: Oscillator

    def __init__(
        self,
        parameters: LinkParameters,
        seed: int,
        time: BenchTime,
        *,
        threads: int | None = None,
    ) -> None:
        p = self.parameters = parameters
        self._seed = seed
        self._time = time
        self._fibre = Fibre(p, seed)
        self._rubidium = NoisyOscillator(p.reference, (seed, 20))
        self._grid = SlotGrid(p.slot_rate_hz, self._rubidium, self._fibre)
        self._alice = AliceOptics(p, seed, self._grid, self._changed)
        own = p.bob_reference
        self._bob_clock = self._rubidium if own is None else NoisyOscillator(own, (seed, 22))
        self._bob = Electrode(self._grid.at_bob, self._bob_shows_ps, self._changed)
        self._diodes = tuple(
            Diode(p, n, self._grid.at_bob, self._changed, self._counted) for n in (0, 1)
        )
        spreads = [diode.spread_ps(self._fibre.spread_ps()) for diode in self._diodes]
        self._early_ps = _SPREADS * max(spreads)
        if 2.0 * self._early_ps > self._grid.slot_ps:
            raise ValueError("a slot is at least twenty standard deviations of the arrival times")
        self._spreads_ps = spreads
        dead_ps = [round(dead_ns * 1000) for dead_ns in p.dead_time_ns]
        self._delays_ps = [round(delay_ns * 1000) for delay_ns in p.detector_delay_ns]
        decay_ps = p.afterpulse_decay_ns * 1000.0
        self._receiver = Receiver(
            seed,
            self._grid,
            self._piece_at,
            (
                Registration(dead_ps[0], decay_ps, stream_key(seed, 13)),
                Registration(dead_ps[1], decay_ps, stream_key(seed, 14)),
            ),
            self._early_ps - min(self._delays_ps),
            threads,
        )
        self._lines = TaggerLines(self._receiver.start, self._receiver.stop, self._advance)
        self._triggered: list[Callable[[int], None]] = []
        self._rubidium.on_steer(lambda t_ns: self._changed(self._grid.at_alice(t_ns)))

        self.laser = self._alice.laser
        self.intensity = self._alice.intensity
        self.bias = self._alice.bias
        self.phase_alice = self._alice.phase
        self.monitor = self._alice.monitor
        self.attenuators = list(self._alice.attenuators)
        self.phase_bob = self._bob
        self.detectors = (self._diodes[0], self._diodes[1])
        self.marker = Marker(self._mark)
        self.bob_marker = Marker(self._mark_bob)
        self.tags = self._lines
        self.reference = self._rubidium
        self.bob_reference = self._bob_clock
        self.tagger_oscillator = NoisyOscillator(p.tagger_oscillator, (seed, 21))

    def on_marker_at_bob(self, trigger: Callable[[int], None]) -> None:
        """Call `trigger` with the bench time in ns of every marker's arrival at Bob's.

        It is called when the marker is sent, with the later time: a generator armed
        on its external trigger plays from then on.
        """
        self._triggered.append(trigger)

    def truth(self, t_ns: int | None = None) -> LinkTruth:
        """Return what is really the case at `t_ns`, by default now."""
        t_ns = self._time.now_ns() if t_ns is None else t_ns
        p, slot, later = self.parameters, self._grid.at_alice(t_ns), self._grid.at_bob(t_ns)
        first, second = self._diodes
        return LinkTruth(
            peak_photons=self._alice.peak_photons(slot),
            floor=self._alice.floor,
            null_v=self._alice.bias.null_v(t_ns),
            bias_v=self._alice.bias.applied_v(slot, t_ns),
            intensity_v_pi_v=p.intensity_v_pi_v,
            channel_transmission=self._fibre.transmission(t_ns),
            receiver_transmission=db(p.receiver_loss_db),
            efficiency=(first.efficiency(later), second.efficiency(later)),
            dark_hz=(first.dark_hz(later), second.dark_hz(later)),
            afterpulse=(first.afterpulse(later), second.afterpulse(later)),
            phase_rad=self._fibre.phase_rad(t_ns),
            visibility=p.visibility,
            delay_ps=self._fibre.delay_ps(t_ns),
        )

    def _timelines(self) -> tuple[Timeline[Any], ...]:
        first, second = self._diodes
        return (
            *self._alice.timelines(),
            self._bob.drive,
            first.overvoltage_v,
            first.celsius,
            second.overvoltage_v,
            second.celsius,
        )

    def _changed(self, slot: int) -> None:
        self._receiver.changed(slot)
        if self._receiver.done_ns is None:
            self._forget(self._time.now_ns())

    def _forget(self, t_ns: int) -> None:
        """Drop settings that were over long before `t_ns`: they hold whole waveforms."""
        slot = self._grid.at_bob(t_ns - _MEMORY_NS)
        for timeline in self._timelines():
            timeline.forget(slot)

    def _advance(self, until_ns: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        clicks = self._receiver.advance(until_ns)
        self._forget(until_ns)
        return clicks

    def _piece_at(self, slot: int, end: int) -> Piece:
        changes = (timeline.change_after(slot) for timeline in self._timelines())
        end = min([end, *(change for change in changes if change is not None)])
        t_ns = self._grid.start_ns(slot)
        first, second = self._diodes
        passes_ps = self._grid.passes_bob_ps(slot)
        early_ps = round(self._early_ps)
        return Piece(
            first=slot,
            end=end,
            origin_ps=(
                passes_ps + self._delays_ps[0] - early_ps,
                passes_ps + self._delays_ps[1] - early_ps,
            ),
            slot_ps=self._grid.slot_ps * (1.0 - self._rubidium.frequency(t_ns)),
            records=(
                self._alice.intensity.drive.at(slot).codes,
                self._alice.phase.drive.at(slot).codes,
                self._bob.drive.at(slot).codes,
            ),
            light=self._light(slot, t_ns),
            diodes=Diodes(
                first.efficiency(slot),
                second.efficiency(slot),
                first.dark_hz(slot) * 1e-12,
                second.dark_hz(slot) * 1e-12,
                self._spreads_ps[0],
                self._spreads_ps[1],
                float(early_ps),
            ),
            afterpulse=(first.afterpulse(slot), second.afterpulse(slot)),
        )

    def _light(self, slot: int, t_ns: int) -> Light:
        p, slot_ps = self.parameters, self._grid.slot_ps
        intensity, largest = self._alice.modulation(slot, t_ns)
        pulse_ps = slot * slot_ps + slot_ps // 2
        turn = self._fibre.phase_rad(t_ns) / (2.0 * math.pi)
        alice = self._alice.phase.drive.at(slot).playing(
            pulse_ps, slot_ps, 0.5 / p.phase_alice_v_pi_v, turn
        )
        bob = self._bob.drive.at(slot).playing(
            *self._on_bobs_clock(slot, t_ns), 0.5 / p.phase_bob_v_pi_v, 0.0
        )
        photons = self._alice.peak_photons(slot) * self._fibre.transmission(t_ns)
        photons *= db(p.receiver_loss_db)
        efficient = max(diode.efficiency(slot) for diode in self._diodes)
        return Light(
            intensity,
            alice,
            bob,
            photons,
            self._alice.floor,
            p.visibility,
            photons * largest * efficient,
        )

    def _bob_shows_ps(self, t_ns: int) -> int:
        """Return what the clock of Bob's generator shows."""
        return t_ns * 1000 + round(self._bob_clock.phase_s(t_ns) * 1e12)

    def _on_bobs_clock(self, slot: int, t_ns: int) -> tuple[int, float]:
        """Return when the pulse that begins at `t_ns` passes Bob's modulator, and a slot's length.

        Both are what the clock of Bob's generator shows.
        """
        slot_ps = self._grid.slot_ps
        if self._bob_clock is self._rubidium:
            return slot * slot_ps + slot_ps // 2 + self._fibre.delay_ps(t_ns), slot_ps
        passes_ps = self._grid.passes_bob_ps(slot)
        passes_ns = passes_ps // 1000
        shown_ps = passes_ps + round(self._bob_clock.phase_s(passes_ns) * 1e12)
        fast = 1.0 + self._bob_clock.frequency(passes_ns)
        return shown_ps, slot_ps * fast / (1.0 + self._rubidium.frequency(t_ns))

    def _mark_bob(self, t_ns: int) -> None:
        wide, _ = normal_pair(stream_key(self._seed, 23, t_ns), stream_key(self._seed, 24, t_ns))
        jitter_ps = round(wide * self.parameters.marker_jitter_ps)
        delay_ps = round(self.parameters.bob_marker_delay_ns * 1000)
        self._lines.marker(t_ns * 1000 + delay_ps + jitter_ps)

    def _mark(self, t_ns: int) -> None:
        slot = self._grid.at_alice(t_ns)
        leaves_ps = self._grid.bench_ps(slot * self._grid.slot_ps)
        arrives_ps = leaves_ps + self._fibre.delay_ps(leaves_ps // 1000)
        arrives_ps += round(self.parameters.marker_delay_ns * 1000)
        wide, _ = normal_pair(stream_key(self._seed, 15, slot), stream_key(self._seed, 16, slot))
        self._lines.marker(arrives_ps + round(wide * self.parameters.marker_jitter_ps))
        for trigger in self._triggered:
            trigger(-(-arrives_ps // 1000))

    def _counted(self, detector: int, from_ns: int, to_ns: int) -> int:
        """Count clicks: those that were simulated, or else a Poisson number about the mean."""
        simulated = self._lines.clicks(detector, from_ns, to_ns)
        if simulated is not None:
            return simulated
        slot, end = self._grid.at_bob(from_ns), self._grid.at_bob(to_ns)
        expected = 0.0
        while slot < end:
            piece = self._piece_at(slot, end)
            slots = piece.end - slot
            key = stream_key(self._seed, 17, slot)
            means = expected_clicks(piece.records, piece.light, piece.diodes, slots, key)
            expected += self._mean_clicks(detector, slots, means[detector], piece)
            slot = piece.end
        seed = np.random.SeedSequence((self._seed, 18, detector, max(from_ns, 0), max(to_ns, 0)))
        return int(np.random.Generator(np.random.PCG64(seed)).poisson(expected))

    def _mean_clicks(self, detector: int, slots: int, light: float, piece: Piece) -> float:
        """Return the mean number of clicks in a piece, given that of light per slot.

        After a click the dead time passes and then 1/r on average; of light, which
        comes in pulses, it takes the slots that begin within it.
        """
        dead = self.parameters.dead_time_ns[detector] * 1e3 / self._grid.slot_ps
        lost = dead - 0.5 if dead == round(dead) else math.floor(dead)
        dark = (piece.diodes.dark_0, piece.diodes.dark_1)[detector] * piece.slot_ps
        rate = light + dark
        if rate == 0.0:
            return 0.0
        pause = (light * max(lost, 0.0) + dark * dead) / rate
        rate /= 1.0 - piece.afterpulse[detector]
        return slots * rate / (1.0 + rate * pause)
