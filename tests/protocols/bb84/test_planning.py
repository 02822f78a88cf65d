import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from bb84_bench import P_Z, SOURCE
from hypothesis import given
from hypothesis import strategies as st

from protocols.bb84.agreement import Agreement, check_acceptance, check_sizes
from protocols.bb84.channel import Channel, live_fraction
from protocols.bb84.finite_key import (
    PROTOCOLS,
    Analysis,
    Counts,
    Detectors,
    KeyCounts,
    Security,
    Source,
    analyse,
    binary_entropy,
)
from protocols.bb84.planning import expected_counts, plan_length, plan_measurement
from protocols.bb84.settings import dyadic
from protocols.errors import InsecureError, ParameterError

SECURITY = Security(1e-9, 1e-15)
CHANNEL = Channel(0.2 * 10**-0.5, 0.013, 2e-6, 0.005, 100e-9, 20e-9, 1e-6, 0.3e-9)
SLOTS = 40_000_000


def expect(channel: Channel = CHANNEL) -> Counts:
    return expected_counts(SOURCE, P_Z, SLOTS, channel)


def with_qber(qber: float) -> Channel:
    """Return the bench's channel with a misalignment that gives `qber`."""
    low, high = 0.0, qber
    for _ in range(40):
        middle = (low + high) / 2
        found = expect(replace(CHANNEL, misalignment=middle))
        low, high = (low, middle) if sum(found.m_z) > qber * sum(found.n_z) else (middle, high)
    return replace(CHANNEL, misalignment=high)


def sample(rng: np.random.Generator, expected: Counts, agreement: Agreement) -> Counts:
    """Draw a block's counts and cut them at random to the agreed sizes."""
    drawn = []
    for n, m, size in (
        (expected.n_z, expected.m_z, agreement.n_z),
        (expected.n_x, expected.m_x, agreement.n_x),
    ):
        kinds = [rng.poisson(mean) for mean in (n[0] - m[0], m[0], n[1] - m[1], m[1])]
        assert sum(kinds) >= size
        kept = rng.multivariate_hypergeometric(kinds, size)
        drawn += [
            (int(kept[0] + kept[1]), int(kept[2] + kept[3])),
            (int(kept[1]), int(kept[3])),
        ]
    return Counts(n_z=drawn[0], n_x=drawn[2], m_z=drawn[1], m_x=drawn[3])


def block(found: Counts, leak: int, agreement: Agreement) -> KeyCounts:
    """Return counts at an agreement's conditions, ready for the analysis."""
    n_z, n_x, m_z, m_x = (
        tuple(map(int, tally)) for tally in (found.n_z, found.n_x, found.m_z, found.m_x)
    )
    return KeyCounts(
        agreement.protocol,
        SOURCE.intensities,
        SOURCE.probabilities,
        n_z,
        n_x,
        m_z,
        m_x,
        leak,
        agreement.security.eps_sec,
        agreement.security.eps_cor,
        agreement.tag_bits,
    )


@pytest.mark.parametrize("qber", [0.010, 0.015, 0.020, 0.025])
def test_three_hundred_runs_all_give_the_agreed_key(qber: float) -> None:
    """Four thresholds at 5 standard deviations: a false alarm in 3e3 such tests, seed fixed."""
    expected = expect(with_qber(qber))
    agreement = plan_length(expected, SOURCE, SECURITY)
    rng = np.random.default_rng(round(1e6 * qber))
    for _ in range(300):
        found = sample(rng, expected, agreement)
        n = agreement.n_z
        # f of Cascade at such blocks is 1.05 with a spread of 0.015
        leak = round(rng.normal(1.05, 0.015) * n * binary_entropy(sum(found.m_z) / n))
        observed = analyse(block(found, leak, agreement))
        check_acceptance(agreement, observed)
        assert observed.length >= agreement.length


def test_the_default_bench_is_planned_with_useful_keys() -> None:
    expected = expect(with_qber(0.015))
    assert sum(expected.n_z) == pytest.approx(3.1e5, rel=0.1)
    assert sum(expected.n_x) == pytest.approx(5.7e4, rel=0.1)
    assert plan_length(expected, SOURCE, SECURITY).length > 50_000
    assert plan_length(expect(with_qber(0.025)), SOURCE, SECURITY).length > 10_000


def test_textbook_settings_give_no_key() -> None:
    """mu .5/.1 with probabilities .7/.3 and p_z .9 fail even at 1e8 pulses."""
    source = Source((0.5, 0.1), (dyadic(0.7), 1 - dyadic(0.7)))
    p_z = Fraction(230, 256)
    expected = expected_counts(source, (p_z, p_z), 10**8, with_qber(0.025))
    with pytest.raises(InsecureError, match="phase error rate"):
        plan_length(expected, source, SECURITY)


def test_the_model_agrees_with_counting() -> None:
    """Against slot-by-slot detectors with dead time, jitter, dark counts and afterpulses."""
    channel = replace(CHANNEL, afterpulse_probability=0.03, dark_probability=2e-5)
    slots, rng = 1_500_000, np.random.default_rng(11)
    mus = np.array(SOURCE.intensities)
    intensity = rng.integers(0, 2, slots)
    wrong = np.where(rng.random(slots) < 0.5, channel.misalignment, 0.5)  # equal bases or not
    share = channel.window_s / channel.period_s
    clicks = []
    for side in (1 - wrong, wrong):
        mean = mus[intensity] * channel.transmittance * side
        raw = rng.random(slots) < 1 - (1 - channel.dark_probability) * np.exp(-mean)
        jitter = rng.normal(0, channel.jitter_s / channel.period_s, slots)
        extra = set()
        kept, ready = [], -1e9
        for slot in range(slots):
            if (raw[slot] or slot in extra) and slot + jitter[slot] >= ready:
                kept.append(slot + jitter[slot])
                ready = slot + jitter[slot] + 10
                if rng.random() < channel.afterpulse_probability * share:
                    extra.add(slot + 10 + 1 + int(rng.exponential(30)))
        clicks.append(np.array(kept))
    time = np.concatenate(clicks)
    which = np.repeat([0, 1], [clicks[0].size, clicks[1].size])
    order = np.argsort(time)
    slot, time, which = np.round(time[order]).astype(int), time[order], which[order]
    starts = np.flatnonzero(np.diff(slot, prepend=-1))
    since = np.diff(time, prepend=-1e9)[starts]
    mask = np.bitwise_or.reduceat(1 << which, starts)
    alive = since >= 10
    slot, mask = slot[starts][alive], mask[alive]
    equal = wrong[slot] < 0.5
    always = (Fraction(1), Fraction(1))  # half of the slots have equal bases
    model = expected_counts(SOURCE, always, slots // 2, channel)
    for i in (0, 1):
        chosen = equal & (intensity[slot] == i)
        n = np.count_nonzero(chosen)
        m = np.count_nonzero(mask[chosen] == 2) + np.count_nonzero(mask[chosen] == 3) / 2
        # 4 standard deviations and 1 % for the evenly spread afterpulses
        assert n == pytest.approx(model.n_z[i], abs=4 * math.sqrt(n) + 0.01 * n)
        assert m == pytest.approx(model.m_z[i], abs=4 * math.sqrt(m) + 0.05 * m)


def test_a_click_blocks_whole_slots() -> None:
    still = replace(CHANNEL, jitter_s=0.0)
    assert live_fraction(0.01, replace(still, dead_time_s=0.0)) == 1
    assert live_fraction(0.01, replace(still, dead_time_s=1.05e-6)) == pytest.approx(1 / 1.1)
    # At ten whole periods the jitter of both clicks decides: half of the tenth slots.
    assert live_fraction(0.01, CHANNEL) == pytest.approx(1 / 1.095)


@given(st.floats(1, 6), st.floats(1.001, 2))
def test_more_margin_agrees_on_less(margin: float, factor: float) -> None:
    expected = expect()
    loose = plan_length(expected, SOURCE, SECURITY, margin)
    tight = plan_length(expected, SOURCE, SECURITY, margin * factor)
    assert tight.length <= loose.length
    assert tight.n_z <= loose.n_z and tight.phi_z_max >= loose.phi_z_max


AGREEMENT = plan_length(expect(), SOURCE, SECURITY)


def observed(agreement: Agreement, **changes: float) -> Analysis:
    """Return an analysis exactly at the thresholds, and changes to them."""
    worst = Analysis(
        protocol=agreement.protocol,
        length=agreement.length,
        reason=None,
        bounds={},
        proof="",
        assumptions=(),
        length_rule="fixed-length",
        s_z0_lower=agreement.s_z0_min,
        s_z1_lower=agreement.s_z1_min,
        phi_z=agreement.phi_z_max,
        leak_ec=agreement.leak_max,
    )
    return replace(worst, **changes)


def test_thresholds_are_met_exactly_or_not() -> None:
    check_acceptance(AGREEMENT, observed(AGREEMENT))
    check_sizes(AGREEMENT, AGREEMENT.n_z, AGREEMENT.n_x)
    for changes, reason in (
        ({"phi_z": AGREEMENT.phi_z_max * 1.001}, "phase error rate"),
        ({"s_z1_lower": AGREEMENT.s_z1_min * 0.999}, "single-photon"),
        ({"leak_ec": AGREEMENT.leak_max + 1}, "disclosed"),
        ({"length": AGREEMENT.length - 1}, "fewer than"),
    ):
        with pytest.raises(InsecureError, match=reason):
            check_acceptance(AGREEMENT, observed(AGREEMENT, **changes))
    vacuum = replace(AGREEMENT, s_z0_min=10.0)
    with pytest.raises(InsecureError, match="vacuum"):
        check_acceptance(vacuum, observed(vacuum, s_z0_lower=9.0))
    for short in ((AGREEMENT.n_z - 1, AGREEMENT.n_x), (AGREEMENT.n_z, AGREEMENT.n_x - 1)):
        with pytest.raises(InsecureError, match="fewer than"):
            check_sizes(AGREEMENT, *short)
    barren = replace(AGREEMENT, leak_max=10**9)
    with pytest.raises(InsecureError, match="no secret bit"):
        check_acceptance(barren, observed(barren))


@pytest.mark.parametrize(
    "changes",
    [
        {"n_z": 0},
        {"n_x": 0},
        {"leak_max": -1},
        {"s_z1_min": 0.0},
        {"s_z0_min": -1.0},
        {"phi_z_max": 0.5},
        {"phi_z_max": 0.0},
        {"s_z1_min": math.nan},
        {"tag_bits": 12},
        {"tag_bits": 136},
    ],
)
def test_impossible_agreements_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ParameterError):
        replace(AGREEMENT, **changes)


def test_impossible_channels_and_plans_are_refused() -> None:
    for changes in (
        {"transmittance": 1.1},
        {"misalignment": -0.1},
        {"window_s": 2e-7},
        {"dead_time_s": -1.0},
    ):
        with pytest.raises(ParameterError):
            replace(CHANNEL, **changes)
    with pytest.raises(ParameterError):
        plan_length(expect(), SOURCE, SECURITY, margin=0)
    with pytest.raises(ParameterError):
        plan_length(expect(), SOURCE, SECURITY, efficiency=0.9)
    few = expected_counts(SOURCE, P_Z, 100, CHANNEL)
    with pytest.raises(InsecureError, match="too few"):
        plan_length(few, SOURCE, SECURITY)
    with pytest.raises(InsecureError, match=r"no key can be expected|phase error"):
        plan_length(expect(replace(CHANNEL, misalignment=0.08)), SOURCE, SECURITY)


@pytest.mark.parametrize("slots", [1, 1000, 2_000_000])
def test_a_measurement_keeps_all_and_never_gives_a_key(slots: int) -> None:
    expected = expected_counts(SOURCE, P_Z, slots, CHANNEL)
    with pytest.raises(InsecureError):
        plan_length(expected, SOURCE, SECURITY)
    agreement = plan_measurement(expected, SECURITY)
    assert agreement.length <= 0
    for size, mean in ((agreement.n_z, sum(expected.n_z)), (agreement.n_x, sum(expected.n_x))):
        assert size >= mean + 5 * math.sqrt(mean)
    with pytest.raises(InsecureError, match="no secret bit"):
        check_acceptance(agreement, observed(AGREEMENT, s_z1_lower=1e9, phi_z=0.01, leak_ec=0))


def block_of(protocol: str) -> tuple[Source, Counts]:
    """Return a source and what is expected of a block, for any protocol."""
    if protocol in ("single-photon", "bbm92"):
        return Source((), ()), Counts((2e6,), (2e5,), (3e4,), (3e3,))
    if protocol == "one-decoy":
        return SOURCE, expect()
    source = Source((0.5, 0.1, 2e-4), (0.6, 0.25, 0.15))
    return source, expected_counts(source, P_Z, 100 * SLOTS, CHANNEL)


def drawn(rng: np.random.Generator, expected: Counts, agreement: Agreement) -> dict[str, Any]:
    """Draw a block's counts of any protocol and cut them at random to the agreed sizes."""
    found: dict[str, Any] = {}
    for basis, size in (("z", agreement.n_z), ("x", agreement.n_x)):
        n, m = getattr(expected, f"n_{basis}"), getattr(expected, f"m_{basis}")
        kinds = [rng.poisson(mean) for a, b in zip(n, m, strict=True) for mean in (a - b, b)]
        kept = rng.multivariate_hypergeometric(kinds, size, method="marginals")
        found[f"n_{basis}"] = tuple((kept[::2] + kept[1::2]).tolist())
        found[f"m_{basis}"] = tuple(kept[1::2].tolist())
    return found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_has_an_agreement_that_its_runs_meet(protocol: str) -> None:
    """At most nine thresholds at 5 standard deviations: a false alarm in 4e3, seed fixed."""
    source, expected = block_of(protocol)
    agreement = plan_length(expected, source, SECURITY, protocol=protocol)
    assert agreement.length > 10_000 and agreement.protocol == protocol
    rng = np.random.default_rng(4)
    for _ in range(100):
        found = drawn(rng, expected, agreement)
        leak = round(1.05 * agreement.n_z * binary_entropy(sum(found["m_z"]) / agreement.n_z))
        seen = analyse(
            KeyCounts(
                protocol,
                source.intensities,
                source.probabilities,
                **found,
                leak_ec=leak,
                tag_bits=agreement.tag_bits,
            )
        )
        check_acceptance(agreement, seen)
        assert seen.length >= agreement.length


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_agreed_length_is_the_formula_at_the_thresholds(protocol: str) -> None:
    source, expected = block_of(protocol)
    agreement = plan_length(expected, source, SECURITY, protocol=protocol)
    secret = agreement.s_z0_min + agreement.s_z1_min * (1 - binary_entropy(agreement.phi_z_max))
    cost = {
        "one-decoy": 6 * math.log2(19e9) + 2 * agreement.n_z.bit_length(),
        "two-decoy": 6 * math.log2(21e9),
    }.get(protocol, 2 * math.log2(1e9))
    charges = agreement.leak_max + cost + max(agreement.tag_bits, math.log2(2e15))
    assert agreement.length == math.floor(secret - charges)


def test_detectors_and_intervals_enter_the_agreement() -> None:
    source, expected = block_of("two-decoy")
    plain = plan_length(expected, source, SECURITY, protocol="two-decoy")
    differing = plan_length(
        expected,
        source,
        SECURITY,
        protocol="two-decoy",
        detectors=Detectors((0.199, 0.2)),
    )
    assert 0 < differing.length < plain.length
    assert "2408.17349" in differing.proof.citation
    bench = plan_length(expect(), SOURCE, SECURITY)
    unsure = Source(((0.495, 0.505), (0.149, 0.151)), SOURCE.probabilities)
    wide = plan_length(expect(), unsure, SECURITY)
    assert 0 < wide.length < bench.length
    with pytest.raises(ParameterError, match="no proof here"):
        replace(bench, detectors=Detectors((0.199, 0.2)))
