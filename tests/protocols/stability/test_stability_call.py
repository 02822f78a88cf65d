"""The ordinary call: conventions, gaps, limits, and what it refuses."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from allantools import adev, hdev, mdev, mtie, oadev, ohdev, pdev, tdev, tierms
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from protocols.errors import ParameterError
from protocols.stability import STATISTICS, stability
from protocols.stability.parabolic import STATISTICS as PARABOLIC

_PEERS = {
    "adev": adev, "oadev": oadev, "mdev": mdev, "tdev": tdev, "hdev": hdev, "ohdev": ohdev,
    "pdev": pdev, "mtie": mtie, "tierms": tierms,
}  # fmt: skip
_WANDER = {"mtie", "tierms"}

_NOISE = np.random.default_rng(20240601).normal(size=3000)

_phases = arrays(
    np.float64,
    st.integers(8, 60),
    elements=st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: round(x, 3)),
)


@pytest.mark.parametrize("rate", [1.0, 10.0])
@pytest.mark.parametrize("quantity", ["phase", "frequency"])
@pytest.mark.parametrize("statistic", _PEERS)
def test_allantools_agrees(statistic: str, quantity: str, rate: float) -> None:
    x = np.cumsum(_NOISE) if quantity == "phase" else _NOISE
    kind = "phase" if quantity == "phase" else "freq"
    tau, dev, _, n = _PEERS[statistic](x, rate=rate, data_type=kind, taus="octave")
    found = stability(x, 1.0 / rate, statistic, input=quantity)
    # It leaves out what has a single term.
    assert found.tau[: tau.size] == pytest.approx(tau)
    assert found.dev[: tau.size] == pytest.approx(dev, rel=1e-9)
    assert found.n[: tau.size].tolist() == n.tolist()


def _slow(x: npt.NDArray[np.float64], statistic: str, m: int) -> tuple[float, int]:
    """The definitions, written out, with NaN for what is missing."""
    n = x.size
    if statistic in ("mtie", "tierms"):
        if statistic == "tierms":
            terms = [(x[i + m] - x[i]) ** 2 for i in range(n - m)]
            terms = [term for term in terms if not np.isnan(term)]
            return (np.sqrt(np.mean(terms)) if terms else np.nan), len(terms)
        pairs = [abs(x[j] - x[i]) for i in range(n) for j in range(i + 1, min(i + m, n - 1) + 1)]
        windows = sum(np.count_nonzero(~np.isnan(x[i : i + m + 1])) > 1 for i in range(n - m))
        return (np.nanmax(pairs) if windows else np.nan), windows
    if statistic in ("mdev", "tdev", "pdev"):
        span = 3 * m if statistic != "pdev" else 2 * m + 1
        terms = []
        for i in range(n - span + 1):
            if statistic == "pdev":
                k = np.arange(m) - (m - 1) / 2
                d = x[i : i + m] - x[i + m : i + 2 * m]
                good = ~np.isnan(d)
                if 2 * good.sum() >= m and good.sum() > 1:
                    slope = np.polynomial.polynomial.polyfit(k[good], d[good], 1)[1]
                    terms.append(36.0 * (slope * (m**2 - 1) / 12.0 / m**2) ** 2 * 2.0)
                continue
            z = [x[j + 2 * m] - 2 * x[j + m] + x[j] for j in range(i, i + m)]
            z = [one for one in z if not np.isnan(one)]
            if z and 2 * len(z) >= m:
                terms.append(np.mean(z) ** 2 / (2.0 * m**2 if statistic == "mdev" else 6.0))
        return (np.sqrt(np.mean(terms)) if terms else np.nan), len(terms)
    third = "hdev" in statistic or "ohdev" in statistic
    weights = [-1, 3, -3, 1] if third else [1, -2, 1]
    step = 1 if statistic.startswith("o") else m
    reach = m * (len(weights) - 1)
    terms = [
        sum(w * x[i + k * m] for k, w in enumerate(weights)) ** 2 for i in range(0, n - reach, step)
    ]
    terms = [term / ((6.0 if third else 2.0) * m**2) for term in terms if not np.isnan(term)]
    return (np.sqrt(np.mean(terms)) if terms else np.nan), len(terms)


@pytest.mark.parametrize("statistic", _PEERS)
@settings(deadline=None)  # the first example may compile
@given(x=_phases, missing=st.sets(st.integers(1, 6)), m=st.integers(1, 19))
def test_missing_phase_takes_no_part(
    statistic: str, x: npt.NDArray[np.float64], missing: set[int], m: int
) -> None:
    x = x.copy()
    x[[i for i in missing if i < x.size - 1]] = np.nan
    if m > STATISTICS[statistic].largest(x.size) or (statistic == "pdev" and m == 1):
        return
    dev, n = _slow(x, statistic, m)
    found = stability(x, 1.0, statistic, [float(m)])
    assert found.n[0] == n
    assert found.dev[0] == pytest.approx(dev, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("statistic", _PEERS)
def test_a_mask_is_as_good_as_missing(statistic: str) -> None:
    mask = np.random.default_rng(3).random(400) < 0.1
    clean = np.cumsum(_NOISE[:400])
    spoilt = np.where(mask, 1e9, clean)
    missing = np.where(mask, np.nan, clean)
    one = stability(spoilt, 1.0, statistic, mask=mask)
    other = stability(missing, 1.0, statistic)
    infinite = stability(np.where(mask, np.inf, clean), 1.0, statistic)
    for field in ("tau", "dev", "lo", "hi", "alpha", "n", "edf"):
        assert np.array_equal(getattr(one, field), getattr(other, field), equal_nan=True)
        assert np.array_equal(getattr(one, field), getattr(infinite, field), equal_nan=True)


@pytest.mark.parametrize("statistic", sorted(set(_PEERS) - _WANDER))
def test_frequency_stands_alone_between_gaps(statistic: str) -> None:
    y = _NOISE[:300].copy()
    y[100] = np.nan
    y[180:183] = np.nan
    found = stability(y, 1.0, statistic, [1.0, 4.0, 16.0], input="frequency")
    parts = [y[:100], y[101:180], y[183:]]
    alone = [stability(p, 1.0, statistic, [1.0, 4.0, 16.0], input="frequency") for p in parts]
    n = sum(part.n for part in alone)
    variance = sum(part.dev**2 * part.n for part in alone) / n
    assert found.n.tolist() == n.tolist()
    assert found.dev == pytest.approx(np.sqrt(variance), rel=1e-9)


@pytest.mark.parametrize("statistic", sorted(_WANDER))
def test_wander_stands_alone_between_gaps(statistic: str) -> None:
    y = _NOISE[:300].copy()
    y[100] = np.nan
    parts = [y[:100], y[101:]]
    mean = np.nanmean(y)
    phases = [np.concatenate([[0.0], np.cumsum(part - mean)]) for part in parts]
    alone = [stability(phase, 1.0, statistic, [4.0]) for phase in phases]
    found = stability(y, 1.0, statistic, [4.0], input="frequency")
    if statistic == "mtie":
        assert found.dev[0] == pytest.approx(max(part.dev[0] for part in alone), rel=1e-12)
    else:
        squares = sum(part.dev[0] ** 2 * part.n[0] for part in alone)
        assert found.dev[0] ** 2 * found.n[0] == pytest.approx(squares, rel=1e-9)


def test_a_jump_of_phase_in_a_gap_of_frequency_is_never_seen() -> None:
    # The same frequency on either side; whatever the phase did meanwhile, no statistic knows.
    y = np.full(200, 1e-9)
    y[90:110] = np.nan
    for name in _PEERS:
        found = stability(y, 1.0, name, [1.0, 8.0], input="frequency")
        assert found.dev == pytest.approx([0.0, 0.0], abs=1e-20)


@pytest.mark.parametrize("statistic", _PEERS)
@settings(deadline=None)  # the first example may compile
@given(x=_phases, scale=st.sampled_from([1e-12, 0.5, 3e5]), offset=st.floats(-10.0, 10.0))
def test_symmetries(
    statistic: str, x: npt.NDArray[np.float64], scale: float, offset: float
) -> None:
    found = stability(x, 1.0, statistic)
    close = {"rel": 1e-7, "abs": 1e-7 * float(np.abs(x).max() + 1.0)}
    scaled = stability(scale * x, 1.0, statistic)
    assert scaled.dev / scale == pytest.approx(found.dev, **close)
    # A non-overlapping estimate takes other points from the other end, PDEV leaves out the last
    # window.
    if statistic not in ("adev", "hdev", "pdev"):
        assert stability(x[::-1], 1.0, statistic).dev == pytest.approx(found.dev, **close)
    line = offset + (0.0 if statistic in _WANDER else offset) * np.arange(x.size)
    assert stability(x + line, 1.0, statistic).dev == pytest.approx(found.dev, **close)
    if statistic in ("hdev", "ohdev"):
        drift = offset * np.arange(x.size) ** 2
        looser = {"rel": 1e-6, "abs": 1e-6 * float(np.abs(x).max() + np.abs(drift).max() + 1.0)}
        assert stability(x + drift, 1.0, statistic).dev == pytest.approx(found.dev, **looser)


@pytest.mark.parametrize("statistic", _PEERS)
def test_the_interval_scales_time(statistic: str) -> None:
    x = np.cumsum(_NOISE[:200])
    one, tenth = stability(x, 1.0, statistic), stability(x, 0.1, statistic)
    assert tenth.tau == pytest.approx(one.tau / 10.0)
    times = 10.0 if STATISTICS[statistic].dimension == "frequency" else 1.0
    assert tenth.dev == pytest.approx(one.dev * times)
    assert tenth.edf.tolist() == pytest.approx(one.edf.tolist(), nan_ok=True)


def test_a_large_frequency_offset_costs_no_digits() -> None:
    # 1e-12 s of noise on a phase that runs off by 1 us every second, and drifts.
    x = 1e-12 * _NOISE
    t = np.arange(x.size)
    for name in ("oadev", "mdev", "tdev", "ohdev", "pdev"):
        still = stability(x, 1.0, name)
        moving = stability(x + 1e-6 * t + 5.0, 1.0, name)
        # A double near 5 resolves 1e-15 s.
        assert moving.dev == pytest.approx(still.dev, rel=5e-3)


def test_mdev_of_many_points_keeps_its_digits() -> None:
    # Random-walk frequency: cumulated thrice, the phase would have lost everything.
    x = np.cumsum(np.cumsum(np.random.default_rng(5).normal(size=200_000)))
    found = stability(x, 1.0, "mdev", [1.0, 4.0, 1024.0])
    second = x[2:] - 2 * x[1:-1] + x[:-2]
    assert found.dev[0] == pytest.approx(np.sqrt(np.mean(second**2) / 2.0), rel=1e-12)
    m = 4
    z = x[2 * m :] - 2 * x[m:-m] + x[: -2 * m]
    means = np.lib.stride_tricks.sliding_window_view(z, m).mean(axis=1)
    assert found.dev[1] == pytest.approx(np.sqrt(np.mean(means**2) / 2.0) / m, rel=1e-11)


def test_taus() -> None:
    x = np.cumsum(_NOISE[:300])
    assert stability(x, 0.5, "oadev", "octave").tau.tolist() == [0.5 * 2**k for k in range(8)]
    assert stability(x, 1.0, "oadev", "decade").tau.tolist() == [1, 2, 4, 10, 20, 40, 100]
    assert stability(x, 1.0, "oadev", "all").tau.tolist() == list(range(1, 150))
    assert stability(x, 0.1, "oadev", [0.3, 1.0, 0.3]).tau == pytest.approx([0.3, 1.0])
    whole = stability(x, 1.0, "mtie", "all")
    assert whole.dev[-1] == np.ptp(x)
    assert np.all(np.diff(whole.dev) >= 0.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": []}, "no sample"),
        ({"x": [np.nan, np.nan]}, "no sample"),
        ({"x": [1.0, 2.0]}, "too few"),
        ({"x": [[1.0, 2.0, 3.0]]}, "one dimension"),
        ({"x": ["1", "two", "3"]}, "not one of numbers"),
        ({"tau0_s": 0.0}, "above 0 s"),
        ({"tau0_s": float("nan")}, "above 0 s"),
        ({"statistic": "sigma"}, "no statistic"),
        ({"taus": "octaves"}, "octave, decade, all"),
        ({"taus": [1.0, 1e9]}, "longer than the data"),
        ({"taus": [0.1]}, "1 s or more"),
        ({"taus": [float("nan")]}, "1 s or more"),
        ({"taus": []}, "at least one"),
        ({"taus": ["x"]}, "not a number"),
        ({"input": "period"}, "phase or frequency"),
        ({"confidence": 1.0}, "between 0 and 1"),
        ({"mask": [True]}, "mask has 1"),
        ({"x": [1.0, np.nan, 3.0, np.nan, 4.0], "statistic": "oadev", "taus": "decade"}, None),
        ({"x": [1.0, np.nan, np.nan, 4.0], "statistic": "oadev"}, "no term"),
    ],
)
def test_refusals(arguments: dict[str, object], message: str | None) -> None:
    given_arguments: dict[str, object] = {"x": _NOISE[:50], "tau0_s": 1.0, **arguments}
    if message is None:
        assert stability(**given_arguments).tau.tolist() == [2.0]
        return
    with pytest.raises(ParameterError, match=message):
        stability(**given_arguments)


def test_a_tau_without_a_term_is_told() -> None:
    found = stability([1.0, np.nan, 3.0, np.nan, 4.0], 1.0, "oadev", [1.0, 2.0])
    assert found.n.tolist() == [0, 1]
    assert np.isnan(found.dev[0])
    assert np.isnan(found.lo[0])
    assert found.dev[1] > 0.0


def test_nothing_published_gives_no_limits() -> None:
    for name in _WANDER:
        found = stability(_NOISE, 1.0, name)
        assert np.isnan(found.lo).all()
        assert np.isnan(found.hi).all()
        assert np.isnan(found.edf).all()


def test_limits_enclose_and_widen() -> None:
    narrow = stability(_NOISE, 1.0, "oadev", confidence=0.5)
    wide = stability(_NOISE, 1.0, "oadev", confidence=0.95)
    assert np.all(wide.lo < narrow.lo)
    assert np.all(narrow.lo < narrow.dev)
    assert np.all(narrow.dev < narrow.hi)
    assert np.all(narrow.hi < wide.hi)


@pytest.mark.parametrize("alpha", [2, 0, -2])
def test_pdev_has_the_degrees_of_freedom_that_simulation_finds(alpha: int) -> None:
    # 400 simulations: 2 E²/V is known to 1/sqrt(200), seven per cent; four times that and the
    # ten per cent that the formula claims. A false alarm has a probability below 1e-3.
    rng = np.random.default_rng(17)
    noise = rng.normal(size=(400, 513))
    series = {2: noise, 0: np.cumsum(noise, 1), -2: np.cumsum(np.cumsum(noise, 1), 1)}[alpha]
    factors = np.array([8, 32, 96])
    kernel, edf = PARABOLIC[0].kernel, PARABOLIC[0].edf
    assert edf is not None
    variances = []
    for x in series:
        sums, counts = kernel(x, factors)
        variances.append(sums / counts)
    measured = 2.0 * np.mean(variances, 0) ** 2 / np.var(variances, 0)
    told = edf(np.full(3, float(alpha)), factors, counts)
    assert told == pytest.approx(measured, rel=0.38)


@pytest.mark.parametrize("taus", ["octave", "all"])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_work_in_pieces_gives_the_same(statistic: str, taus: Literal["octave", "all"]) -> None:
    x = np.cumsum(_NOISE[:700])
    x[300:310] = np.nan
    told: list[tuple[str, int, int]] = []
    whole = stability(x, 1.0, statistic, taus)
    found = stability(x, 1.0, statistic, taus, progress=lambda *done: told.append(done))
    for field in ("tau", "dev", "lo", "hi", "alpha", "n", "edf"):
        np.testing.assert_array_equal(getattr(found, field), getattr(whole, field))
    of = told[-1][2]
    assert told == [(statistic, done, of) for done in range(1, of + 1)]
    assert of > 5 or statistic == "mtie"
