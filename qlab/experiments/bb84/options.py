"""What `qlab run bb84` can be told: the table ``[bb84]`` of a station file."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.bb84.distillation import PhaseRandomisation
from protocols.privacy_amplification.choice import AMPLIFIERS
from protocols.reconciliation import choice
from qlab.station.tables import setting

__all__ = ["MOST_SLOTS", "SYNCS", "Bb84Options"]

#: A day at the highest slot rate, and far more than memory holds of one block.
MOST_SLOTS = 10**12
#: What gives Bob the slots: Alice's block marker on his tagger, or the photons alone.
SYNCS = ("marker", "photons")


@dataclass(frozen=True, kw_only=True)
class Bb84Options:
    """One-decoy BB84 with phase encoding.

    Facts about a station's hardware have no defaults: a wrong one could give a key that
    is none, or harm a detector.
    """

    side: str = setting(
        "both", doc="Whose instruments the station has.", choices=("both", "alice", "bob")
    )
    slot_rate_hz: float = setting(10e6, doc="Pulses per second.", unit="Hz", low=1e3, high=1e9)
    slots: int = setting(40_000_000, doc="Pulses of the whole run.", low=1, high=MOST_SLOTS)
    block_slots: int = setting(
        4_000_000, doc="Pulses of one uploaded pattern.", low=1000, high=64_000_000
    )
    samples_per_slot: int = setting(1, doc="Generator samples in one slot.", low=1, high=64)
    sync: str = setting("marker", doc="What gives Bob the slots.", choices=SYNCS)
    sync_slots: int = setting(
        65_536, doc="Pulses of each of a pattern's two public strings.", low=1000, high=16_000_000
    )
    sync_max_ppm: float = setting(
        50.0,
        doc="How far the two stations' clocks may be apart.",
        unit="ppm",
        low=0.01,
        high=1000.0,
    )
    pattern_repeats: int = setting(
        1, doc="Times that each pattern is sent; above 1 it is a demonstration.", low=1, high=1000
    )
    intensities: tuple[float, ...] = setting(
        (0.5, 0.15), doc="Mean photon numbers, strongest first.", low=0.0, high=10.0
    )
    probabilities: tuple[float, ...] = setting(
        (0.5, 0.5), doc="Probabilities of the intensities.", low=0.0, high=1.0
    )
    p_z_alice: float = setting(0.7, doc="Alice's probability of the key basis.", low=0.0, high=1.0)
    p_z_bob: float = setting(0.7, doc="Bob's probability of the key basis.", low=0.0, high=1.0)
    phase_randomisation: PhaseRandomisation = setting(
        doc="How the source's phase is randomised.",
    )
    eps_sec: float = setting(1e-9, doc="Secrecy parameter.", low=1e-30, high=0.1)
    eps_cor: float = setting(1e-15, doc="Correctness parameter.", low=1e-30, high=0.1)

    reconciliation: str = setting("auto", doc="How errors are corrected.", choices=choice.METHODS)
    amplification: str = setting(
        "toeplitz", doc="How the key is hashed.", choices=tuple(AMPLIFIERS)
    )

    wavelength_m: float = setting(1550e-9, doc="Laser wavelength.", unit="m", low=1e-6, high=2e-6)
    laser_power_dbm: float = setting(doc="Laser power.", unit="dBm", low=-30.0, high=30.0)
    laser_settle_s: float = setting(
        5.0, doc="Wait after switching on.", unit="s", low=0.0, high=3600.0
    )
    intensity_v_pi_v: float = setting(doc="Intensity modulator.", unit="V", low=0.1, high=20.0)
    phase_alice_v_pi_v: float = setting(doc="Phase modulator.", unit="V", low=0.1, high=20.0)
    phase_bob_v_pi_v: float = setting(doc="Bob's modulator.", unit="V", low=0.1, high=20.0)
    bias_point: str = setting(
        "null",
        doc="Where the bias controller holds the intensity modulator.",
        choices=("null", "peak", "quad+", "quad-"),
    )
    bias_timeout_s: float = setting(
        120.0, doc="Longest wait for the bias controller.", unit="s", low=0.0, high=3600.0
    )
    monitor_tap_ratio: float = setting(
        doc="Power at the meter over power at the attenuators.", low=1e-6, high=1.0
    )
    fixed_attenuation_db: float = setting(
        doc="Fixed attenuator behind the variable ones.", unit="dB", low=0.0, high=100.0
    )
    sender_insertion_db: float = setting(
        doc="Insertion losses between tap and output.", unit="dB", low=0.0, high=60.0
    )
    attenuator_step_db: float = setting(
        0.01, doc="Step of the attenuators.", unit="dB", low=1e-4, high=1.0
    )
    attenuator_highest_db: float = setting(
        doc="Highest setting of one attenuator.", unit="dB", low=1.0, high=100.0
    )
    intensity_uncertainty: float = setting(
        0.05, doc="Relative standard uncertainty of the mean photon numbers.", low=0.0, high=1.0
    )

    detector_bias_v: tuple[float, ...] = setting(
        doc="Bias of each detector.", unit="V", low=0.0, high=300.0
    )
    detector_temperature_c: float = setting(
        doc="Temperature of the detectors.", unit="degC", low=-120.0, high=60.0
    )
    detector_timeout_s: float = setting(
        600.0, doc="Longest wait for that temperature.", unit="s", low=0.0, high=7200.0
    )
    detector_lines: tuple[int, ...] = setting(
        (1, 2), doc="The tagger's lines of detectors 0 and 1.", low=0, high=64
    )
    marker_line: int = setting(3, doc="The tagger's line of the block marker.", low=0, high=64)
    dead_time_s: float = setting(
        doc="Longest dead time of the detectors.", unit="s", low=0.0, high=1e-3
    )
    window_s: float = setting(
        10e-9, doc="Width of the detection window in a slot.", unit="s", low=0.0, high=1e-3
    )
    slot_offset: int = setting(
        0, doc="Whole slots by which the light comes after the marker.", low=-(10**6), high=10**6
    )
    listen_margin_s: float = setting(
        0.02,
        doc="Time that the tagger listens before and after the light.",
        unit="s",
        low=0.001,
        high=60.0,
    )
    word_s: float = setting(
        1.0,
        doc="Time that Bob's word to send may take to Alice, where each has a station.",
        unit="s",
        low=0.0,
        high=600.0,
    )
    bob_trigger_delay_s: float = setting(
        0.0, doc="Delay of Bob's pattern behind his trigger.", unit="s", low=0.0, high=1.0
    )
    modulator_delay_s: float = setting(
        0.0,
        doc="From Bob's modulator to the tagger by detector 0, less the way of his own marker.",
        unit="s",
        low=-1e-3,
        high=1e-3,
    )
    modulator_guard_s: float = setting(
        5e-9,
        doc="Light this near to a step of Bob's modulator is left out, where clocks differ.",
        unit="s",
        low=0.0,
        high=1e-3,
    )
    reference_tolerance: float = setting(
        1e-9, doc="Allowed relative error of the reference on the counter.", low=0.0, high=1.0
    )

    link_loss_db: float = setting(doc="Expected loss of the fibre.", unit="dB", low=0.0, high=100.0)
    receiver_loss_db: float = setting(
        doc="Expected loss of the receiver.", unit="dB", low=0.0, high=60.0
    )
    detector_efficiency: float = setting(doc="Expected efficiency.", low=0.0, high=1.0)
    dark_rate_hz: float = setting(
        doc="Expected dark counts of one detector.", unit="Hz", low=0.0, high=1e7
    )
    detector_jitter_s: float = setting(
        1e-9, doc="Expected jitter with the tagger's tick.", unit="s", low=0.0, high=1e-6
    )
    afterpulse_probability: float = setting(0.005, doc="Expected afterpulses.", low=0.0, high=0.5)
    expected_qber: float = setting(
        doc="Error of the optics that the key length is planned for.", low=0.0, high=0.5
    )

    def __post_init__(self) -> None:
        levels = self.intensities
        if len(levels) != 2 or not levels[0] > levels[1] > 0:
            raise ValueError("intensities are two, the stronger first, both above 0")
        if len(self.probabilities) != 2 or abs(sum(self.probabilities) - 1) > 1 / 256:
            raise ValueError("probabilities are two with sum 1")
        for name in ("p_z_alice", "p_z_bob"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} lies between 0 and 1, not at an end")
        if len(self.detector_lines) != 2 or len(self.detector_bias_v) != 2:
            raise ValueError("detector_lines and detector_bias_v have one entry for each of two")
        if len({*self.detector_lines, self.marker_line}) != 3:
            raise ValueError("detector_lines and marker_line are three different lines")
        if not 0 < self.window_s <= 1 / self.slot_rate_hz:
            raise ValueError("window_s is above 0 and at most one slot")
        if self.sync == "photons" and 4 * self.modulator_guard_s >= 1 / self.slot_rate_hz:
            raise ValueError("modulator_guard_s is below a quarter of a slot")

    @property
    def shortest_pattern(self) -> int:
        """Slots of the shortest pattern of the run."""
        return min(self.block_slots, self.slots % self.block_slots or self.block_slots)

    @property
    def counted_slots(self) -> int:
        """Slots of the whole run whose detections can be kept: not public, of a known basis.

        Light near a step of a modulator that plays on a clock of its own is left out.
        """
        if self.sync == "marker":
            return self.slots
        patterns = -(-self.slots // self.block_slots)
        share = 1.0 - 2.0 * self.modulator_guard_s * self.slot_rate_hz
        return int((self.slots - patterns * self.public_slots) * share)

    @property
    def listen_after_s(self) -> float:
        """Time that the tagger listens on when the light is over, or late."""
        return self.listen_margin_s + (self.word_s if self.side == "bob" else 0.0)

    @property
    def public_slots(self) -> int:
        """Slots of every pattern that are public and no part of any key."""
        return 2 * self.sync_slots if self.sync == "photons" else 0
