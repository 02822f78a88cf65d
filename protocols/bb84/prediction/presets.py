"""Links of published simulations, by name."""

from __future__ import annotations

from protocols.bb84.prediction.link import YieldLink

__all__ = ["GYS", "LIM_2014"]

GYS = YieldLink(
    efficiency=0.045,
    misalignment=0.033,
    background=1.7e-6,
    slot_rate_hz=2e6,
    attenuation_db_per_km=0.21,
)
"""Gobby, Yuan and Shields, Appl. Phys. Lett. 84, 3762 (2004), as in Ma et al. (2005), Table I."""

LIM_2014 = YieldLink(
    efficiency=0.1,
    misalignment=5e-3,
    background=2 * 6e-7,
    afterpulse_probability=0.04,
    slot_rate_hz=1e9,
    attenuation_db_per_km=0.2,
)
"""The simulation of Lim et al., Phys. Rev. A 89, 022307 (2014), Sec. IV.

The paper's rates are per pulse: the slot rate is not from there.
"""
