"""The figures of a simulated link; the defaults are the default bench.

Where no data sheet is named a figure is a bench assumption of the usual size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.simulated.plant.figures import OscillatorParameters

__all__ = ["LinkParameters"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkParameters:
    """One quantum link from Alice's laser to the time tagger at Bob's.

    Attributes
    ----------
    slot_rate_hz : float
        Pulses per second; the carver runs on Alice's 10 MHz reference. One slot
        must be a whole number of picoseconds.
    pulse_fwhm_ps : float
        Width of the Gaussian pulse that the carver cuts out of the steady laser
        light in every slot.
    carver_loss_db, intensity_loss_db, phase_alice_loss_db : float
        Insertion losses in Alice's station.
    intensity_v_pi_v, intensity_extinction_db, intensity_null_v : float
        Half-wave voltage, extinction ratio and the voltage of least light at time 0.
    intensity_null_drift_v_per_sqrt_s, intensity_null_relaxation_s : float
        The null wanders as a random walk of this rate, held near its start over
        times longer than the relaxation.
    bias_lock_lag_s : float
        A locked bias follows the drift this much later.
    bias_tap_ratio, monitor_tap_ratio : float
        Shares of the light that the bias controller's photodiode and the power
        meter see.
    phase_alice_v_pi_v, phase_bob_v_pi_v : float
        Half-wave voltages of the phase modulators.
    monitor_gain_error, monitor_noise_relative, monitor_noise_w : float
        The power meter reads high by the first (a calibration error well within
        the +-5 % of an InGaAs head), and has noise of the second times the power
        and of the third, per reading of one second; shorter readings are noisier.
    attenuator_insertion_db : tuple of float
        Losses of the two variable attenuators when set to 0 dB.
    attenuator_linearity_db : float
        Amplitude of the error between set and real attenuation, a wave over the
        setting with a period of 20 dB.
    fixed_attenuation_db : float
        The fixed attenuator at Alice's output.
    fibre_length_km, fibre_loss_db_per_km, fibre_group_index, connector_loss_db : float
        The quantum channel; the index 1.468 gives 4.90 us/km.
    fibre_dispersion_ps_per_nm_km, laser_linewidth_nm : float
        Their product with the length widens the pulse (standard deviations).
    fibre_delay_ps_per_km_k : float
        Thermal delay; 37 to 40 ps/km/K are published.
    fibre_temperature_drift_k_per_sqrt_s, fibre_temperature_relaxation_s : float
        How the fibre's mean temperature wanders.
    polarisation_drift_rad_per_sqrt_s, polarisation_relaxation_s : float
        How the polarisation turns before Bob's polariser, which passes cos^2.
    interferometer_phase_rad, interferometer_drift_rad_per_sqrt_s,
    interferometer_relaxation_s : float
        Phase of the pair of interferometers at time 0 and its drift. The
        relaxation stands for their temperature control.
    visibility : float
        Of the interference in the central peak.
    receiver_loss_db : float
        Bob's modulator and interferometer, with the half of the light that goes
        to the side peaks: those are counted as lost and make no clicks.
    marker_delay_ns : float
        Delay of the block marker at Bob's beyond that of the service fibre, which
        runs beside the quantum channel and is as long.
    bob_marker_delay_ns : float
        Delay of the marker of Bob's own generator to his tagger.
    marker_jitter_ps : float
        Standard deviation of either marker's edges.
    detector_efficiency, detector_overvoltage_v, detector_dark_hz : tuple of float
        Efficiency and dark count rate of each detector at its nominal voltage
        above breakdown, which is applied from the start, and at
        `detector_celsius`.
    detector_saturation_v : float
        Efficiency goes as 1 - exp(-V / this).
    detector_dark_overvoltage_v, detector_dark_doubling_k : float
        Dark counts go as exp(V / first) and double per the second.
    detector_celsius : float
        Temperature of the diodes at the start.
    dead_time_ns, jitter_ps, detector_delay_ns : tuple of float
        Of each detector; jitter is a standard deviation, delay that from Bob's
        modulator to the tagger.
    afterpulse_probability, afterpulse_decay_ns : float
        Probability, at the nominal overvoltage and in proportion to it, that a
        click is followed by another after the dead time, at an exponentially
        distributed time after its end.
    reference, tagger_oscillator : OscillatorParameters
        The 10 MHz reference of the bench and the tagger's own clock.
    bob_reference : OscillatorParameters, optional
        The clock of Bob's generator, and of what else is connected to it; without one he
        has the bench's reference.
    """

    slot_rate_hz: float = 10e6
    pulse_fwhm_ps: float = 500.0
    carver_loss_db: float = 4.0
    intensity_v_pi_v: float = 4.5
    intensity_extinction_db: float = 30.0
    intensity_loss_db: float = 4.0
    intensity_null_v: float = 1.2
    intensity_null_drift_v_per_sqrt_s: float = 1e-3
    intensity_null_relaxation_s: float = 7200.0
    bias_lock_lag_s: float = 1.0
    bias_tap_ratio: float = 0.01
    phase_alice_v_pi_v: float = 3.5
    phase_alice_loss_db: float = 3.0
    monitor_tap_ratio: float = 0.1
    monitor_gain_error: float = 0.01
    monitor_noise_relative: float = 5e-4
    monitor_noise_w: float = 20e-12
    attenuator_insertion_db: tuple[float, float] = (1.2, 1.2)
    attenuator_linearity_db: float = 0.02
    fixed_attenuation_db: float = 30.0
    fibre_length_km: float = 10.0
    fibre_loss_db_per_km: float = 0.2
    fibre_group_index: float = 1.468
    connector_loss_db: float = 0.3
    fibre_dispersion_ps_per_nm_km: float = 17.0
    laser_linewidth_nm: float = 0.01
    fibre_delay_ps_per_km_k: float = 38.0
    fibre_temperature_drift_k_per_sqrt_s: float = 2e-3
    fibre_temperature_relaxation_s: float = 20000.0
    polarisation_drift_rad_per_sqrt_s: float = 3e-3
    polarisation_relaxation_s: float = 3600.0
    interferometer_phase_rad: float = 0.0
    interferometer_drift_rad_per_sqrt_s: float = 7e-3
    interferometer_relaxation_s: float = 60.0
    visibility: float = 0.971
    receiver_loss_db: float = 3.0
    phase_bob_v_pi_v: float = 3.5
    marker_delay_ns: float = 12.0
    bob_marker_delay_ns: float = 5.0
    marker_jitter_ps: float = 20.0
    detector_efficiency: tuple[float, float] = (0.20, 0.20)
    detector_overvoltage_v: tuple[float, float] = (3.0, 3.0)
    detector_dark_hz: tuple[float, float] = (180.0, 220.0)
    detector_saturation_v: float = 6.0
    detector_dark_overvoltage_v: float = 1.5
    detector_dark_doubling_k: float = 10.0
    detector_celsius: float = -90.0
    dead_time_ns: tuple[float, float] = (1000.0, 1000.0)
    jitter_ps: tuple[float, float] = (80.0, 90.0)
    detector_delay_ns: tuple[float, float] = (18.3, 19.1)
    afterpulse_probability: float = 0.005
    afterpulse_decay_ns: float = 2000.0
    reference: OscillatorParameters = field(default=OscillatorParameters.preset("fs725"))
    tagger_oscillator: OscillatorParameters = field(default=OscillatorParameters.preset("crystal"))
    bob_reference: OscillatorParameters | None = None
