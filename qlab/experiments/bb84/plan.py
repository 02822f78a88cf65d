"""What both parties agree on before there is light; each computes it from the options."""

from __future__ import annotations

import math

from protocols.bb84.distillation import Setup
from protocols.bb84.finite_key import Security, Source
from protocols.bb84.planning import expected_counts, plan_length, plan_measurement
from protocols.bb84.prediction.link import DetectorLink
from protocols.bb84.settings import dyadic
from protocols.errors import InsecureError
from protocols.reconciliation import choice
from protocols.reconciliation.interface import Estimate
from qlab.experiments.bb84.options import Bb84Options

__all__ = ["agreed_plan", "described_link"]


def described_link(options: Bb84Options) -> DetectorLink:
    """Return the link that a run is planned by, but for the loss between the stations."""
    return DetectorLink(
        detector_efficiency=options.detector_efficiency,
        misalignment=options.expected_qber,
        dark_rate_hz=options.dark_rate_hz,
        window_s=options.window_s,
        receiver_loss_db=options.receiver_loss_db,
        afterpulse_probability=options.afterpulse_probability,
        dead_time_s=options.dead_time_s,
        detector_jitter_s=options.detector_jitter_s,
        slot_rate_hz=options.slot_rate_hz,
    )


def agreed_plan(options: Bb84Options) -> tuple[Setup, str | None]:
    """Plan the block and agree on sizes, thresholds and length, before any light.

    What "auto" stands for is agreed on, too: the length allows for what that discloses.
    Returns also why no key can be expected, if so: then the run is a measurement.
    """
    p1 = dyadic(options.probabilities[0])
    source = Source((options.intensities[0], options.intensities[1]), (p1, 1 - p1))
    security = Security(options.eps_sec, options.eps_cor)
    channel = described_link(options).channel(options.link_loss_db)
    p_z = (dyadic(options.p_z_alice), dyadic(options.p_z_bob))
    slots = options.counted_slots * options.pattern_repeats
    expected = expected_counts(source, p_z, slots, channel)
    test = Estimate(round(sum(expected.m_x)), math.ceil(sum(expected.n_x)))
    size = round(sum(expected.n_z))
    method = choice.choose(options.reconciliation, size, test)
    hopeless = None
    try:
        efficiency = choice.allowance(method, size)
        agreement = plan_length(expected, source, security, efficiency=efficiency)
    except InsecureError as error:
        agreement, hopeless = plan_measurement(expected, security), str(error)
    setup = Setup(
        source,
        agreement,
        options.phase_randomisation,
        method,
        options.amplification,
    )
    return setup, hopeless
