"""Links of published simulations, and the default bench."""

from protocols.bb84.prediction.link import DetectorLink, YieldLink

# Ma et al. (2005), Table I, after Gobby, Yuan and Shields (2004)
GYS = YieldLink(
    efficiency=0.045,
    misalignment=0.033,
    background=1.7e-6,
    slot_rate_hz=2e6,
    attenuation_db_per_km=0.21,
)
# Lim et al. (2014), whose rates are per pulse: the slot rate is not from there
LIM_2014 = YieldLink(
    efficiency=0.1,
    misalignment=5e-3,
    background=2 * 6e-7,
    afterpulse_probability=0.04,
    slot_rate_hz=1e9,
)
BENCH = DetectorLink(
    detector_efficiency=0.2,
    misalignment=0.015,
    dark_rate_hz=200.0,
    window_s=10e-9,
    receiver_loss_db=3.0,
    afterpulse_probability=0.005,
    dead_time_s=1e-6,
    detector_jitter_s=1e-9,
    slot_rate_hz=10e6,
)
