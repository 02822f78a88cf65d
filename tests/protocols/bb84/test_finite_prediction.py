"""Finite keys of described links: published rates, bounds that must hold, and counting."""

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prediction_links import BENCH, GYS, LIM_2014

from protocols.bb84.finite_key import Detectors, KeyCounts, Security, analyse, binary_entropy
from protocols.bb84.prediction.asymptotic import infinite_decoys
from protocols.bb84.prediction.counts import Detections, Pulses, Settings, expected
from protocols.bb84.prediction.finite import Case, EpsPerBit, predict, worth
from protocols.bb84.prediction.leak import ScaledLeak
from protocols.bb84.prediction.optimum import BestSettings, HeldSettings
from protocols.bb84.prediction.response import coherent
from protocols.bb84.prediction.senders import EntangledPairs, OneDecoy, SinglePhotons, TwoDecoys
from protocols.errors import ParameterError

LEAK, SECURITY = ScaledLeak(1.16), Security(1e-9, 1e-15)
SENDERS = (OneDecoy(), TwoDecoys(), SinglePhotons(0.3), EntangledPairs())
NAMES = [sender.protocol for sender in SENDERS]
ONE, TWO, PHOTON, PAIRS = (
    Settings((0.45, 0.14), (0.65, 0.35), (0.8, 0.8)),
    Settings((0.46, 0.22, 2e-4), (0.4, 0.4, 0.2), (0.8, 0.8)),
    Settings((0.3,), (1.0,), (0.8, 0.8)),
    Settings((0.1,), (1.0,), (0.8, 0.8)),
)
PAIRED = list(zip(SENDERS, (ONE, TWO, PHOTON, PAIRS), strict=True))


def lim_case(n_z: float) -> Case:
    return Case(LIM_2014, TwoDecoys(2e-4), Detections(n_z), LEAK, EpsPerBit(1e-15, 1e-15))


def bench_case(sender, n_z: float) -> Case:
    return Case(BENCH, sender, Detections(n_z), LEAK, SECURITY)


def best(case: Case, loss_db: float):
    return BestSettings(case).at(loss_db)


def test_lim_s_ratio_of_block_sizes() -> None:
    """At 100 km 1e9 gives "about 1.75" times the rate of 1e7 (Lim et al., 2014); 1.79 exactly."""
    short, long = (best(lim_case(n_z), 20.0) for n_z in (1e7, 1e9))
    assert long.rate / short.rate == pytest.approx(1.79, abs=0.01)
    assert long.rate / short.rate == pytest.approx(1.75, rel=0.03)
    for found in (short, long):
        assert found.security.eps_sec == pytest.approx(1e-15 * found.length, rel=1e-6)


@pytest.mark.parametrize("n_z", [1e5, 1e6, 1e7])
def test_one_decoy_beats_two_in_practical_blocks(n_z: float) -> None:
    """The finding of Rusca et al. (2018), on our bench at 12 dB."""
    one, two = (best(bench_case(s, n_z), 12.0) for s in (OneDecoy(), TwoDecoys()))
    assert one.rate > two.rate > 0


@pytest.mark.parametrize(("sender", "given_settings"), PAIRED, ids=NAMES)
@pytest.mark.parametrize("n_z", [3e6, 1e9])
def test_a_prediction_is_the_analysis_of_its_counts(sender, given_settings, n_z: float) -> None:
    """Rounded to whole counts, each of which moves the length by tens of bits."""
    found = predict(bench_case(sender, n_z), 5.0, given_settings)
    counts = found.counts
    assert sum(counts.n_z) == pytest.approx(n_z)
    decoys = len(given_settings.intensities) > 1
    whole = {
        name: tuple(map(round, getattr(counts, name))) for name in ("n_z", "n_x", "m_z", "m_x")
    }
    block = KeyCounts(
        sender.protocol,
        given_settings.intensities if decoys else (),
        given_settings.probabilities if decoys else (),
        **whole,
        leak_ec=round(found.leak_ec),
        tag_bits=128,
    )
    assert found.length == pytest.approx(analyse(block).length, rel=3e-4)
    assert found.rate == found.length / counts.pulses
    assert found.rate_bps == found.rate * 10e6
    assert worth(bench_case(sender, n_z), 5.0, given_settings) == pytest.approx(
        found.rate, rel=1e-5
    )


@pytest.mark.parametrize(("sender", "given_settings"), PAIRED, ids=NAMES)
@given(first=st.floats(0, 40), second=st.floats(0, 40), size=st.sampled_from([1e4, 1e6, 1e9]))
def test_rates_never_increase_with_loss(sender, given_settings, first, second, size) -> None:
    """Without dead time: with it, more loss can let more slots count."""
    for link in (LIM_2014, replace(BENCH, dead_time_s=0.0)):
        for block in (Detections(size), Pulses(size * 1e3)):
            case = Case(link, sender, block, LEAK, SECURITY)
            near, far = (predict(case, loss, given_settings) for loss in sorted((first, second)))
            assert far.rate <= near.rate * (1 + 1e-9) + 1 / near.counts.pulses


@pytest.mark.parametrize("sender", SENDERS, ids=NAMES)
def test_best_rates_fall_with_loss_down_to_the_reach(sender) -> None:
    case = bench_case(sender, 1e7)
    losses = [0.0, 0.5, 5.0, 20.0, 29.0, 70.0]
    search = BestSettings(case)
    found = [search.at(loss) for loss in losses]
    rates = [prediction.rate for prediction in found]
    assert all(far < near or far == 0 for near, far in pairwise(rates))
    edge = search.reach()
    assert edge.length > 0
    assert [rate > 0 for rate in rates] == [loss <= edge.loss_db for loss in losses]


@cache
def sampled(sender, block):
    case = Case(BENCH, sender, block, LEAK, SECURITY)
    return case, {loss: best(case, loss) for loss in (0.0, 12.0, 22.0)}


@pytest.mark.parametrize("sender", SENDERS, ids=NAMES)
@pytest.mark.parametrize("block", [Detections(1e5), Pulses(1e10)], ids=["detections", "pulses"])
def test_no_random_setting_is_better_than_the_best(sender, block) -> None:
    """500 anywhere and 500 close to the best; also with the stations' p_z different."""
    case, bests = sampled(sender, block)
    rng = np.random.default_rng(42)
    for loss, found in bests.items():
        middle = np.array(sender.point(found.settings))
        top = worth(case, loss, found.settings)
        assert top > 0
        for centre, spread in ((0.0, 2.0), (middle, 0.3)):
            for _ in range(500):
                tried = sender.settings(list(centre + spread * rng.normal(size=middle.size)))
                apart = replace(tried, p_z=(tried.p_z[0], float(rng.uniform(0.05, 0.95))))
                assert worth(case, loss, tried) <= top * (1 + 1e-4)
                assert worth(case, loss, apart) <= top * (1 + 1e-4)


def with_vacuum(link, loss: float, mu: float) -> float:
    """Return the asymptotic rate that counts vacuum detections as secret too.

    Lo, quant-ph/0503004: they enter the finite key, which so can exceed the rate without.
    """
    plain = infinite_decoys(link, loss, mu, LEAK)
    vacuum = link.response(loss, coherent(mu)).to_photons(0)[0] * math.exp(-mu)
    return plain.rate + vacuum


@settings(max_examples=60)
@given(
    loss=st.floats(0, 30),
    size=st.sampled_from([1e5, 1e7, 1e10, 1e13]),
    mu=st.floats(0.1, 1),
    ratio=st.floats(0.05, 0.9),
    p=st.floats(0.05, 0.95),
    p_z=st.floats(0.05, 0.95),
)
def test_finite_keys_stay_below_asymptotic_ones(loss, size, mu, ratio, p, p_z) -> None:
    """The rate of a mixture is below that of its best part: the leak is concave in errors."""
    plain = replace(BENCH, afterpulse_probability=0.0, dead_time_s=0.0)  # same for all light
    chosen = (
        Settings((mu, mu * ratio), (p, 1 - p), (p_z, p_z)),
        Settings((mu + 1e-3, mu * ratio, 1e-4), (p, (1 - p) / 2, (1 - p) / 2), (p_z, p_z)),
        Settings((0.3,), (1.0,), (p_z, p_z)),
        Settings((mu / 4,), (1.0,), (p_z, p_z)),
    )
    for link in (plain, GYS):
        for sender, settings_ in zip(SENDERS, chosen, strict=True):
            found = predict(Case(link, sender, Detections(size), LEAK, SECURITY), loss, settings_)
            answers = sender.answers(link, loss, settings_)
            if len(settings_.intensities) > 1:
                limit = max(with_vacuum(link, loss, level) for level in settings_.intensities)
            else:
                error = answers.errors[0] / answers.gains[0]
                limit = answers.gains[0] * (1 - 2.16 * binary_entropy(error))
            assert found.rate <= max(0.0, limit) * (1 + 1e-9)


def test_long_blocks_come_close_to_the_asymptotic_rate() -> None:
    loss = GYS.loss_db(50)
    found = best(Case(GYS, TwoDecoys(0.0), Detections(1e14), LEAK, SECURITY), loss)
    limit = max(with_vacuum(GYS, loss, mu) for mu in np.linspace(0.3, 0.7, 41))
    assert 0.8 * limit < found.rate < limit


def test_counts_agree_with_counting() -> None:
    """Pulse by pulse over the yield model, 3e6 pulses, 12 counts.

    5.5 standard deviations: a false alarm in 2e6 such tests. The background is small enough
    that coincidences with photons, which the model counts twice among errors, do not show.
    """
    link = replace(LIM_2014, efficiency=0.3, misalignment=0.03, background=1e-4)
    chosen = Settings((0.6, 0.2, 0.05), (0.5, 0.3, 0.2), (0.7, 0.6))
    rng, pulses = np.random.default_rng(17), 3_000_000
    kind = rng.choice(3, pulses, p=chosen.probabilities)
    bases = [rng.random(pulses) < p for p in chosen.p_z]
    photons = rng.binomial(rng.poisson(np.array(chosen.intensities)[kind]), 0.3)
    seen = photons > 0
    clicks = seen | (rng.random(pulses) < 1e-4)
    wrong = rng.random(pulses) < np.where(seen, 0.03, 0.5)
    echo = clicks & (rng.random(pulses) < 0.04)
    echo_wrong = echo & (rng.random(pulses) < 0.5)
    n, m = clicks.astype(int) + echo, (clicks & wrong).astype(int) + echo_wrong
    model = expected(TwoDecoys().answers(link, 0.0, chosen), chosen, Pulses(pulses))
    for basis, agreed in (("z", bases[0] & bases[1]), ("x", ~(bases[0] | bases[1]))):
        for k in range(3):
            here = agreed & (kind == k)
            for name, counted in (("n", n[here].sum()), ("m", m[here].sum())):
                mean = getattr(model, f"{name}_{basis}")[k]
                # one click in 25 brings a second: the variance is up to 1.12 of a Poisson's
                assert counted == pytest.approx(mean, abs=5.5 * math.sqrt(1.12 * mean))


@pytest.mark.parametrize(("mean", "loss", "share"), [(0.2, 6.0, 0.5), (1.0, 3.0, 0.0)])
def test_pairs_agree_with_counting(mean: float, loss: float, share: float) -> None:
    """Photon by photon, double clicks a random bit; 5 standard deviations, 1 in 4e5 tests."""
    link = replace(LIM_2014, efficiency=0.7, misalignment=0.02, background=0.0)
    link = replace(link, afterpulse_probability=0.0)
    rng, pulses = np.random.default_rng(23), 2_000_000
    half = mean / 2
    # n + 1 equally likely splits of n pairs in two geometric modes
    modes = rng.geometric(1 / (1 + half), (2, pulses)) - 1
    etas = [0.7 * 10 ** (-loss * part / 10) for part in (share, 1 - share)]
    hits = [[rng.binomial(mode, eta) > 0 for mode in modes] for eta in etas]
    bits = [np.where(a & b, rng.random(pulses) < 0.5, b) for a, b in hits]
    both = (hits[0][0] | hits[0][1]) & (hits[1][0] | hits[1][1])
    wrong = both & ((bits[0] != bits[1]) ^ (rng.random(pulses) < 0.02))
    n, m = np.count_nonzero(both), np.count_nonzero(wrong)
    chosen = Settings((mean,), (1.0,), (0.5, 0.5))
    found = EntangledPairs(share).answers(link, loss, chosen)
    assert n == pytest.approx(found.gains[0] * pulses, abs=5 * math.sqrt(n))
    assert m == pytest.approx(found.errors[0] * pulses, abs=5 * math.sqrt(m))


@pytest.mark.parametrize("etas", [(0.3, 0.12), (0.9, 0.05)])
def test_pairs_are_the_sum_of_their_numbers(etas: tuple[float, float]) -> None:
    """The yields of Ma, Fung and Lo (2007) for n pairs, summed, are their closed form."""
    mean, e = 0.4, 0.02
    lam = mean / 2
    link = replace(LIM_2014, efficiency=1.0, misalignment=e, background=1e-3)
    link = replace(link, afterpulse_probability=0.0)
    losses = [-10 * math.log10(eta) for eta in etas]
    pairs = EntangledPairs(losses[0] / sum(losses))
    found = pairs.answers(link, sum(losses), Settings((mean,), (1.0,), (0.5, 0.5)))
    gain = wrong = 0.0
    a, b = etas
    for k in range(80):
        weight = (k + 1) * lam**k / (1 + lam) ** (k + 2)
        seen = (1 - 0.999 * (1 - a) ** k) * (1 - 0.999 * (1 - b) ** k)
        ladder = (1 - ((1 - a) * (1 - b)) ** (k + 1)) / (1 - (1 - a) * (1 - b))
        ladder -= ((1 - a) ** (k + 1) - (1 - b) ** (k + 1)) / (b - a)
        gain += weight * seen
        wrong += weight * (seen / 2 - (1 - 2 * e) / (k + 1) * ladder)
    assert found.gains[0] == pytest.approx(gain, rel=1e-9)
    assert found.errors[0] == pytest.approx(wrong, rel=1e-9)


@given(
    st.floats(0.01, 1.9), st.floats(0.01, 0.99), st.floats(0.01, 0.99), st.floats(0.01, 0.99),
    st.floats(0.06, 0.99),
)  # fmt: skip
def test_points_are_places_of_settings(mu, ratio, p, share, p_z) -> None:
    weak = 2e-4 + ratio * (mu - 4e-4)
    for sender, chosen in (
        (OneDecoy(), Settings((mu, mu * ratio), (p, 1 - p), (p_z, p_z))),
        (
            TwoDecoys(2e-4),
            Settings((mu, weak, 2e-4), (p, (1 - p) * share, (1 - p) * (1 - share)), (p_z, p_z)),
        ),
        (SinglePhotons(0.3), Settings((0.3,), (1.0,), (p_z, p_z))),
        (EntangledPairs(), Settings((mu,), (1.0,), (p_z, p_z))),
    ):
        back = sender.settings(sender.point(chosen))
        for name in ("intensities", "probabilities", "p_z"):
            assert getattr(back, name) == pytest.approx(getattr(chosen, name), rel=1e-6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=5))
def test_every_point_is_a_setting(point: list[float]) -> None:
    for sender, size in zip(SENDERS, (4, 5, 1, 2), strict=True):
        case = bench_case(sender, 1e6)
        assert worth(case, 10.0, sender.settings(point[:size])) < 1


def test_a_block_of_pulses_is_a_block_of_what_they_give() -> None:
    pulses = Case(BENCH, OneDecoy(), Pulses(1e9), LEAK, SECURITY)
    first = predict(pulses, 10.0, ONE)
    same = predict(replace(pulses, block=Detections(sum(first.counts.n_z))), 10.0, ONE)
    assert same.length == first.length > 0
    assert same.counts.pulses == pytest.approx(1e9)


@given(st.floats(0, 200), st.floats(0, 1), st.sampled_from([0.0, 1e-300, 1e-12, 0.5]))
def test_links_without_errors_are_no_contradiction(loss, share, misalignment) -> None:
    """Rounding leaves no negative errors, and no more errors than detections."""
    plain = replace(BENCH, dark_rate_hz=0.0, afterpulse_probability=0.0, misalignment=misalignment)
    yields = replace(GYS, background=0.0, misalignment=misalignment)
    for link in (plain, yields):
        for sender, chosen in PAIRED:
            found = sender.answers(link, loss * share, chosen)
            for gain, wrong in zip(found.gains, found.errors, strict=True):
                assert 0 <= wrong <= gain


def test_dead_time_and_afterpulses_cost() -> None:
    plain = replace(BENCH, dead_time_s=0.0, afterpulse_probability=0.0)
    rates = [
        predict(Case(link, OneDecoy(), Detections(1e7), LEAK, SECURITY), 3.0, ONE).rate
        for link in (
            plain,
            replace(plain, dead_time_s=1e-6),
            replace(plain, dead_time_s=1e-6, afterpulse_probability=0.03),
        )
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > rates[1] > rates[2] > 0


def test_stricter_security_and_detectors_that_differ_cost() -> None:
    case = bench_case(TwoDecoys(), 1e7)
    whole = predict(case, 10.0, TWO).length
    assert predict(replace(case, security=Security(1e-12, 1e-15)), 10.0, TWO).length < whole
    unequal = replace(case, detectors=Detectors((0.198, 0.2)))
    assert 0 < predict(unequal, 10.0, TWO).length < whole


def test_no_key_has_its_reason() -> None:
    case = bench_case(OneDecoy(), 1e3)
    assert BestSettings(case).reach() is None
    assert HeldSettings(case, ONE).reach() is None
    found = best(case, 10.0)
    assert (found.length, found.rate) == (0, 0.0)
    assert found.no_key
    short = predict(bench_case(OneDecoy(), 1e4), 30.0, ONE)
    assert short.no_key and not short.bounds


def test_fixed_settings_have_their_reach() -> None:
    case = Case(BENCH, OneDecoy(), Pulses(1e10), LEAK, SECURITY)
    held, best_held = HeldSettings(case, ONE).reach(), BestSettings(case).reach()
    assert min(held.length, best_held.length) > 0
    assert predict(case, held.loss_db + 0.01, ONE).length == 0
    assert held.loss_db < best_held.loss_db


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Settings((), (), (0.5, 0.5)),
        lambda: Settings((0.5, 0.5), (0.5, 0.5), (0.5, 0.5)),
        lambda: Settings((0.5, 0.1), (1.0,), (0.5, 0.5)),
        lambda: Settings((0.5, 0.1), (0.5, 0.6), (0.5, 0.5)),
        lambda: Settings((0.5, math.nan), (0.5, 0.5), (0.5, 0.5)),
        lambda: Settings((0.5, 0.1), (0.5, 0.5), (0.5, 1.0)),
        lambda: Detections(0),
        lambda: predict(bench_case(OneDecoy(), 1e17), 5.0, ONE),
        lambda: Detections(math.inf),
        lambda: Pulses(math.nan),
        lambda: EpsPerBit(0.0),
        lambda: TwoDecoys(0.2),
        lambda: SinglePhotons(0.0),
        lambda: EntangledPairs(1.5),
        lambda: OneDecoy().answers(BENCH, -1.0, ONE),
        lambda: OneDecoy().answers(BENCH, 1.0, TWO),
        lambda: TwoDecoys().answers(BENCH, math.nan, TWO),
        lambda: SinglePhotons().answers(BENCH, 1.0, Settings((1.2,), (1.0,), (0.5, 0.5))),
        lambda: EntangledPairs().answers(BENCH, -1.0, PAIRS),
        lambda: Case(BENCH, OneDecoy(), Pulses(1e9), LEAK, SECURITY, variable_length=True),
        lambda: predict(
            Case(BENCH, TwoDecoys(), Pulses(1e9), LEAK, SECURITY),
            1.0,
            Settings((0.5, 0.4, 0.2), (0.4, 0.3, 0.3), (0.5, 0.5)),
        ),
        lambda: predict(Case(replace(BENCH, detector_efficiency=0.0, dark_rate_hz=0.0), OneDecoy(),
                             Detections(1e9), LEAK, SECURITY), 1.0, ONE),
    ],
)  # fmt: skip
def test_impossible_figures_are_refused(wrong) -> None:
    with pytest.raises(ParameterError):
        wrong()
