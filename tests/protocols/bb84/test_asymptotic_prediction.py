"""Asymptotic rates against the published figures, and links against each other."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prediction_links import BENCH, GYS, LIM_2014
from scipy.optimize import minimize_scalar

from protocols.bb84.finite_key import Source
from protocols.bb84.planning import expected_counts
from protocols.bb84.prediction.asymptotic import infinite_decoys, largest, vacuum_weak
from protocols.bb84.prediction.leak import FrameLimit, ScaledLeak
from protocols.bb84.prediction.link import YieldLink
from protocols.bb84.prediction.response import Response, coherent, mixture, pairs, single_photons
from protocols.errors import ParameterError

GYS_LEAK = ScaledLeak(1.22)


def reach_km(rate):
    """Return the largest distance with a key over the GYS fibre."""
    return largest(lambda km: rate(GYS.loss_db(km)).rate, 0.0, 300.0, 5.0)


def test_gys_reaches_142_km_with_infinite_decoys() -> None:
    """Ma et al. (2005): 142.05 km; mu is 0.48 there."""
    found = reach_km(lambda loss: infinite_decoys(GYS, loss, 0.48, GYS_LEAK, 0.5))
    assert found == pytest.approx(142.05, abs=0.2)


def test_gys_reaches_140_km_with_vacuum_and_a_weak_decoy() -> None:
    """Ma et al. (2005): 140.55 km with mu 0.48 and nu 0.05."""
    found = reach_km(lambda loss: vacuum_weak(GYS, loss, 0.48, 0.05, GYS_LEAK, 0.5))
    assert found == pytest.approx(140.55, abs=0.2)


@pytest.mark.parametrize("km", [0, 50, 100])
def test_the_best_signal_of_gys_has_048_photons(km: float) -> None:
    best = minimize_scalar(
        lambda mu: -infinite_decoys(GYS, GYS.loss_db(km), mu, GYS_LEAK, 0.5).rate,
        bounds=(0.01, 2),
        method="bounded",
    ).x
    assert best == pytest.approx(0.48, abs=0.01)


def test_a_weak_decoy_that_vanishes_tells_all() -> None:
    loss = GYS.loss_db(80)
    infinite = infinite_decoys(GYS, loss, 0.48, GYS_LEAK)
    weak = [vacuum_weak(GYS, loss, 0.48, nu, GYS_LEAK).rate for nu in (0.2, 0.1, 0.05, 1e-3)]
    assert weak == sorted(weak)
    assert weak[-1] == pytest.approx(infinite.rate, rel=2e-3)
    assert weak[-1] < infinite.rate


@given(st.floats(0, 60), st.floats(0, 60), st.floats(0.05, 1))
def test_rates_never_increase_with_loss(first: float, second: float, mu: float) -> None:
    """Where no key is left the value may rise back towards 0: compare what is a key."""
    near, far = sorted((first, second))
    for rate in (
        lambda loss: infinite_decoys(GYS, loss, mu, GYS_LEAK).rate,
        lambda loss: vacuum_weak(GYS, loss, mu, mu / 5, GYS_LEAK).rate,
    ):
        assert max(0.0, rate(far)) <= max(0.0, rate(near)) * (1 + 1e-12)


@given(st.floats(0, 50), st.floats(0.05, 1), st.floats(0.05, 0.9))
def test_decoys_never_tell_more_than_the_yields(loss: float, mu: float, share: float) -> None:
    for link in (GYS, LIM_2014, BENCH):
        whole = infinite_decoys(link, loss, mu, GYS_LEAK)
        decoy = vacuum_weak(link, loss, mu, mu * share, GYS_LEAK)
        assert decoy.y_1 <= whole.y_1 * (1 + 1e-9)
        # the phase error's bound is one of e_1 y_1 over the bound of y_1
        assert decoy.e_1 * (1 + 1e-6) + 1e-9 >= min(0.5, whole.e_1)
        assert decoy.rate <= whole.rate + 1e-12


def summed(response: Response, weights: list[float]) -> tuple[float, float]:
    """Return gain and errors photon number by photon number."""
    answers = [response.to_photons(n) for n in range(len(weights))]
    return (
        sum(p * gain for p, (gain, _) in zip(weights, answers, strict=True)),
        sum(p * wrong for p, (_, wrong) in zip(weights, answers, strict=True)),
    )


@pytest.mark.parametrize("link", [GYS, LIM_2014, BENCH])
@given(mean=st.floats(1e-3, 2), loss=st.floats(0, 40))
def test_a_light_is_the_sum_of_its_photon_numbers(link, mean: float, loss: float) -> None:
    response = link.response(loss, coherent(mean))
    poisson = [math.exp(-mean) * mean**n / math.factorial(n) for n in range(60)]
    assert response.to(coherent(mean)) == pytest.approx(summed(response, poisson), rel=1e-9)
    assert response.to(single_photons(0.3)) == pytest.approx(summed(response, [0.7, 0.3]))
    half = mean / 2
    thermal = [(n + 1) * (half / (1 + half)) ** n / (1 + half) ** 2 for n in range(120)]
    assert response.to(pairs(mean)) == pytest.approx(summed(response, thermal), rel=1e-9)


@given(
    st.floats(0, 30),
    st.floats(0.1, 1),
    st.floats(0.01, 0.09),
    st.integers(1, 255),
    st.floats(0, 0.1),
    st.floats(0, 0.1),
)
def test_runs_are_planned_by_the_same_model(
    loss: float, mu1: float, mu2: float, share: int, misalignment: float, afterpulses: float
) -> None:
    link = replace(BENCH, misalignment=misalignment, afterpulse_probability=afterpulses)
    p1 = Fraction(share, 256)
    source = Source((mu1, mu2), (p1, 1 - p1))
    planned = expected_counts(source, (Fraction(1), Fraction(1)), 1, link.channel(loss))
    lights = [coherent(mu1), coherent(mu2)]
    response = link.response(loss, mixture(lights, [float(p1), float(1 - p1)]))
    for light, p, n, m in zip(lights, source.probabilities, planned.n_z, planned.m_z, strict=True):
        gain, wrong = response.to(light)
        assert float(p) * gain == pytest.approx(n, rel=1e-9)
        assert float(p) * wrong == pytest.approx(m, rel=1e-7)


def test_both_models_agree_where_they_say_the_same() -> None:
    """Few photons, no dead time, no afterpulses: the background is two detectors' dark counts."""
    link = replace(BENCH, afterpulse_probability=0.0, dead_time_s=0.0)
    plain = YieldLink(
        efficiency=0.2 * 10**-0.3, misalignment=0.015, background=4e-6, slot_rate_hz=10e6
    )
    light = coherent(0.1)
    for loss in (20.0, 40.0):
        ours, theirs = (one.response(loss, light).to(light) for one in (link, plain))
        assert ours == pytest.approx(theirs, rel=1e-3)


def test_yields_agree_with_counting() -> None:
    """Photon by photon, 2e6 pulses; 5 standard deviations: a false alarm in 4e5 such tests."""
    link = replace(LIM_2014, background=2e-3, misalignment=0.03, efficiency=0.3)
    rng, pulses, mu = np.random.default_rng(5), 2_000_000, 0.6
    photons = rng.binomial(rng.poisson(mu, pulses), 0.3)
    dark = rng.random(pulses) < 2e-3
    seen = photons > 0
    wrong = np.where(seen, rng.random(pulses) < 0.03, rng.random(pulses) < 0.5)
    clicks = seen | dark
    echo = clicks & (rng.random(pulses) < 0.04)
    n = np.count_nonzero(clicks) + np.count_nonzero(echo)
    m = np.count_nonzero(clicks & wrong) + np.count_nonzero(echo & (rng.random(pulses) < 0.5))
    gain, error = link.response(0.0, coherent(mu)).to(coherent(mu))
    assert n == pytest.approx(gain * pulses, abs=5 * math.sqrt(n))
    # the model counts the few background clicks beside a photon's as errors too: 1 in 1000 here
    assert m == pytest.approx(error * pulses, abs=5 * math.sqrt(m) + 2e-3 * 0.17 * pulses / 2)


@pytest.mark.parametrize(
    ("frame", "error", "published"),
    [
        (16384, 0.01, 1.19), (16384, 0.02, 1.13), (16384, 0.03, 1.10), (16384, 0.08, 1.06),
        (65536, 0.01, 1.10), (65536, 0.02, 1.07), (65536, 0.03, 1.05), (65536, 0.08, 1.03),
    ],
)  # fmt: skip
def test_the_limit_of_one_way_correction(frame: int, error: float, published: float) -> None:
    """Tomamichel et al. (2017), at a frame error of 1e-3, to two decimals."""
    assert FrameLimit(frame).efficiency(error) == pytest.approx(published, abs=0.006)


@given(st.floats(0, 0.5), st.integers(1, 1 << 30))
def test_no_frame_beats_the_entropy(error: float, frame: int) -> None:
    assert FrameLimit(frame).efficiency(error) >= 1


def test_the_largest_positive_argument() -> None:
    assert largest(lambda x: 3.3 - x, 0, 10, 1) == pytest.approx(3.3, abs=1e-3)
    assert largest(lambda x: 3.3 - x, 4, 10, 1) is None
    assert largest(lambda x: 1.0, 0, 10, 3) == 10


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: replace(GYS, efficiency=1.1),
        lambda: replace(GYS, background=-1e-9),
        lambda: replace(GYS, misalignment=0.6),
        lambda: replace(GYS, slot_rate_hz=0.0),
        lambda: replace(GYS, attenuation_db_per_km=math.nan),
        lambda: replace(GYS, excess_loss_db=-1.0),
        lambda: replace(GYS, dead_time_s=math.inf),
        lambda: replace(BENCH, window_s=2e-7),
        lambda: replace(BENCH, dead_time_s=1.0),
        lambda: replace(BENCH, detector_jitter_s=math.inf),
        lambda: replace(BENCH, window_s=0.0),
        lambda: replace(BENCH, detector_efficiency=math.nan),
        lambda: replace(BENCH, receiver_loss_db=-3.0),
        lambda: replace(BENCH, dark_rate_hz=-3.0),
        lambda: replace(BENCH, detector_jitter_s=-3.0),
        lambda: ScaledLeak(0.9),
        lambda: ScaledLeak(math.nan),
        lambda: FrameLimit(0),
        lambda: FrameLimit(100, 0.5),
        lambda: infinite_decoys(GYS, 10, 0.0, GYS_LEAK),
        lambda: infinite_decoys(GYS, 10, 0.5, GYS_LEAK, sifting=0.0),
        lambda: vacuum_weak(GYS, 10, 0.5, 0.5, GYS_LEAK),
    ],
)
def test_impossible_figures_are_refused(wrong) -> None:
    with pytest.raises(ParameterError):
        wrong()
