"""Streamed statistics against those of the whole series."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import ParameterError
from protocols.stability import Stability, stability
from protocols.stability import stream as module
from protocols.stability.sketch import POINTS
from protocols.stability.stream import STREAMED, StreamedStability

_FREQUENCY = np.random.default_rng(9).normal(size=60_000) + 3.0


def _series(quantity: str, gaps: bool) -> np.ndarray:
    x = np.cumsum(_FREQUENCY) if quantity == "phase" else _FREQUENCY.copy()
    if gaps:
        x[[70, 20_000, 20_001, 59_000]] = np.nan
        x[300:420] = np.nan
    return x


def _fed(x: np.ndarray, quantity: str, cuts: list[int]) -> dict[str, Stability]:
    names = [name for name in STREAMED if quantity == "phase" or name not in ("tierms", "mtie")]
    stream = StreamedStability(2.0, names, quantity)
    for piece in np.split(x, sorted(cuts)):
        stream.feed(piece)
    return stream.results()


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("quantity", ["phase", "frequency"])
def test_streaming_is_exact_up_to_its_limit(quantity: str, gaps: bool) -> None:
    x = _series(quantity, gaps)
    for name, found in _fed(x, quantity, [1, 2, 77, 301, 20_001, 33_333]).items():
        whole = stability(x, 2.0, name, input=quantity)
        assert found.tau.tolist() == whole.tau[: found.tau.size].tolist()
        exact = found.tau <= 2.0 * module.EXACT
        assert found.dev[exact] == pytest.approx(whole.dev[: exact.sum()], rel=1e-9)
        if name != "mtie" or not gaps:  # of which windows with a single sample count here
            assert found.n[exact].tolist() == whole.n[: exact.sum()].tolist()
        # Beyond, one term of several: close, and as good.
        assert found.dev == pytest.approx(whole.dev[: found.dev.size], rel=1e-2)
        assert found.edf == pytest.approx(whole.edf[: found.edf.size], rel=1e-2, nan_ok=True)
        assert found.alpha.tolist() == whole.alpha[: found.alpha.size].tolist()


@settings(max_examples=25, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 5000), max_size=8),
    quantity=st.sampled_from(["phase", "frequency"]),
)
def test_how_a_series_is_cut_does_not_matter(cuts: list[int], quantity: str) -> None:
    x = _series(quantity, True)[:5000]
    one, other = _fed(x, quantity, []), _fed(x, quantity, cuts)
    for name, found in one.items():
        assert found.n.tolist() == other[name].n.tolist()
        assert found.dev == pytest.approx(other[name].dev, rel=1e-9)


@pytest.mark.parametrize("cuts", [[], [999, 1000, 2500], list(range(0, 6000, 37))])
def test_many_gaps_of_frequency(cuts: list[int]) -> None:
    y = _FREQUENCY[:6000].copy()
    y[np.random.default_rng(3).random(6000) < 0.05] = np.nan
    y[2000:5300] = _FREQUENCY[2000:5300]
    for name, found in _fed(y, "frequency", cuts).items():
        whole = stability(y, 2.0, name, input="frequency")
        assert found.n.tolist() == whole.n.tolist()
        assert found.dev == pytest.approx(whole.dev, rel=1e-9)
        assert found.alpha.tolist() == whole.alpha.tolist()


def test_thinned_levels_take_whole_means(monkeypatch: pytest.MonkeyPatch) -> None:
    # With a limit of 16, most octaves come from thinned phase; white phase noise would show
    # any mean that is not one of all samples.
    monkeypatch.setattr(module, "EXACT", 16)
    x = np.random.default_rng(4).normal(size=40_000)
    found = _fed(x, "phase", list(range(0, 40_000, 999)))
    for name in STREAMED:
        whole = stability(x, 2.0, name)
        assert found[name].tau.tolist() == whole.tau[: found[name].tau.size].tolist()
        some = whole.tau[: found[name].tau.size] < 4000.0
        assert found[name].dev[some] == pytest.approx(whole.dev[: some.sum()], rel=0.1)


def test_results_may_be_asked_for_on_the_way() -> None:
    x = _series("phase", False)
    stream = StreamedStability(2.0, ["oadev"])
    stream.feed(x[:1234])
    early = stream.results()["oadev"]
    assert early.dev == pytest.approx(stability(x[:1234], 2.0, "oadev").dev)
    stream.feed(x[1234:])
    late = stream.results()["oadev"]
    exact = late.tau <= 2.0 * module.EXACT
    assert late.dev[exact] == pytest.approx(stability(x, 2.0).dev[: exact.sum()], rel=1e-12)


def test_memory_does_not_grow_with_the_series() -> None:
    stream = StreamedStability(1.0, STREAMED)
    piece = np.random.default_rng(0).normal(size=1 << 16)
    sizes = []
    for _ in range(24):
        stream.feed(piece)
        held = sum(level.phase.size + level.means.size for level in stream._levels)
        assert stream._extremes is not None
        held += sum(2 * level.high.size for level in stream._extremes._levels)
        sizes.append(held + stream._sketch.head.size + stream._sketch.thinned.size)
    # A level of twice the stride joins at each doubling, and holds a few times `EXACT`.
    assert sizes[-1] - sizes[11] <= 2 * 10 * module.EXACT + 2 * POINTS


def test_nothing_gives_nothing() -> None:
    stream = StreamedStability(1.0, ["mdev"], "frequency")
    stream.feed([])
    stream.feed([np.nan, np.nan])
    assert stream.results()["mdev"].tau.size == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, ["totdev"]), "streamed are"),
        ((1.0, []), "streamed are"),
        ((0.0, ["oadev"]), "above 0 s"),
        ((1.0, ["oadev"], "period"), "phase or frequency"),
        ((1.0, ["tierms"], "frequency"), "mean of the whole"),
        ((1.0, ["mtie"], "frequency"), "mean of the whole"),
    ],
)
def test_refusals(arguments: tuple, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        StreamedStability(*arguments)
