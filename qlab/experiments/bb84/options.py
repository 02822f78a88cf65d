"""What `qlab run bb84` can be told: the table ``[bb84]`` of a station file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Bb84Options"]


def _option(default: Any, doc: str, *, unit: str = "", **limits: Any) -> Any:
    return field(default=default, metadata={"doc": doc, "unit": unit, **limits})


@dataclass(frozen=True, kw_only=True)
class Bb84Options:
    """One-decoy BB84 with phase encoding; the defaults are the default bench's."""

    slot_rate_hz: float = _option(10e6, "Pulses per second.", unit="Hz", low=1e3, high=1e9)
    slots: int = _option(40_000_000, "Pulses of the whole run.", low=1, high=10**12)
    block_slots: int = _option(
        4_000_000, "Pulses of one uploaded pattern.", low=1000, high=64_000_000
    )
    samples_per_slot: int = _option(1, "Generator samples in one slot.", low=1, high=64)
    pattern_repeats: int = _option(
        1, "Times that each pattern is sent; above 1 it is a demonstration.", low=1, high=1000
    )
    intensities: tuple[float, ...] = _option(
        (0.5, 0.15), "Mean photon numbers, strongest first.", low=0.0, high=10.0
    )
    probabilities: tuple[float, ...] = _option(
        (0.5, 0.5), "Probabilities of the intensities.", low=0.0, high=1.0
    )
    p_z_alice: float = _option(0.7, "Alice's probability of the key basis.", low=0.0, high=1.0)
    p_z_bob: float = _option(0.7, "Bob's probability of the key basis.", low=0.0, high=1.0)
    phase_randomisation: str = _option(
        "modulated",
        "How the source's phase is randomised.",
        choices=("none", "gain-switched", "modulated"),
    )
    eps_sec: float = _option(1e-9, "Secrecy parameter.", low=1e-30, high=0.1)
    eps_cor: float = _option(1e-15, "Correctness parameter.", low=1e-30, high=0.1)

    wavelength_m: float = _option(1550e-9, "Laser wavelength.", unit="m", low=1e-6, high=2e-6)
    laser_power_dbm: float = _option(10.0, "Laser power.", unit="dBm", low=-30.0, high=30.0)
    laser_settle_s: float = _option(5.0, "Wait after switching on.", unit="s", low=0.0, high=3600.0)
    intensity_v_pi_v: float = _option(4.5, "Intensity modulator.", unit="V", low=0.1, high=20.0)
    phase_alice_v_pi_v: float = _option(3.5, "Phase modulator.", unit="V", low=0.1, high=20.0)
    phase_bob_v_pi_v: float = _option(3.5, "Bob's modulator.", unit="V", low=0.1, high=20.0)
    bias_point: str = _option(
        "null", "Where the bias controller holds the intensity modulator.", choices=("null",)
    )
    bias_timeout_s: float = _option(
        120.0, "Longest wait for the bias controller.", unit="s", low=0.0, high=3600.0
    )
    monitor_tap_ratio: float = _option(
        0.1, "Power at the meter over power at the attenuators.", low=1e-6, high=1.0
    )
    fixed_attenuation_db: float = _option(
        30.0, "Fixed attenuator behind the variable ones.", unit="dB", low=0.0, high=100.0
    )
    sender_insertion_db: float = _option(
        0.0, "Insertion losses between tap and output.", unit="dB", low=0.0, high=60.0
    )
    attenuator_step_db: float = _option(
        0.01, "Step of the attenuators.", unit="dB", low=1e-4, high=1.0
    )
    attenuator_highest_db: float = _option(
        45.0, "Highest setting of one attenuator.", unit="dB", low=1.0, high=100.0
    )
    intensity_uncertainty: float = _option(
        0.05, "Relative standard uncertainty of the mean photon numbers.", low=0.0, high=1.0
    )

    detector_bias_v: tuple[float, ...] = _option(
        (63.0, 63.0), "Bias of each detector.", unit="V", low=0.0, high=300.0
    )
    detector_temperature_c: float = _option(
        -90.0, "Temperature of the detectors.", unit="degC", low=-120.0, high=60.0
    )
    detector_lines: tuple[int, ...] = _option(
        (1, 2), "The tagger's lines of detectors 0 and 1.", low=0, high=64
    )
    marker_line: int = _option(3, "The tagger's line of the block marker.", low=0, high=64)
    dead_time_s: float = _option(
        1e-6, "Longest dead time of the detectors.", unit="s", low=0.0, high=1e-3
    )
    window_s: float = _option(
        10e-9, "Width of the detection window in a slot.", unit="s", low=0.0, high=1e-3
    )
    bob_trigger_delay_s: float = _option(
        0.0, "Delay of Bob's pattern behind his trigger.", unit="s", low=0.0, high=1.0
    )
    reference_tolerance: float = _option(
        1e-9, "Allowed relative error of the reference on the counter.", low=0.0, high=1.0
    )

    link_loss_db: float = _option(
        2.1, "Expected loss of the fibre.", unit="dB", low=0.0, high=100.0
    )
    receiver_loss_db: float = _option(
        3.0, "Expected loss of the receiver.", unit="dB", low=0.0, high=60.0
    )
    detector_efficiency: float = _option(0.2, "Expected efficiency.", low=0.0, high=1.0)
    dark_rate_hz: float = _option(
        200.0, "Expected dark counts of one detector.", unit="Hz", low=0.0, high=1e7
    )
    afterpulse_probability: float = _option(0.005, "Expected afterpulses.", low=0.0, high=0.5)
    expected_qber: float = _option(
        0.015, "Error of the optics that the key length is planned for.", low=0.0, high=0.5
    )
