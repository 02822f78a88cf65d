"""The same seed gives the same edges, however they are asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.simulated.plant.link import LinkPlant
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.terminals import Waveform
from drivers.simulated.time import VirtualTime

_MS = 1_000_000
_BUSY = replace(
    LinkParameters(),
    detector_dark_hz=(20e3, 10e3),
    afterpulse_probability=0.05,
    dead_time_ns=(1000.0, 300.0),
)
_CODES = np.random.default_rng(11).integers(0, 4, 300_007, dtype=np.int16)


def pattern(volts, repeats=None):
    return Waveform(_CODES, volts, 0.0, 10e6, repeats)


def story(seed=3, threads=None):
    """Yield the link, and the times at which something happens, ready to be read between."""
    link = LinkPlant(_BUSY, seed, VirtualTime(), threads=threads)
    link.on_marker_at_bob(lambda t_ns: link.phase_bob.play(t_ns, pattern(1.75, 1)))
    link.laser.emit(0, 1.0, 1550e-9)
    link.bias.lock(0, "null")
    for attenuator in link.attenuators:
        attenuator.set(0, 35.0)
    yield link, 1 * _MS
    link.tags.listen(1 * _MS, 4)
    link.intensity.play(5 * _MS, pattern(1.5))
    link.phase_alice.play(5 * _MS, pattern(1.75))
    link.marker.edge(5 * _MS)
    yield link, 41 * _MS
    link.detectors[0].bias(41 * _MS, 4.0)
    link.attenuators[0].set(60 * _MS, 20.0)  # planned
    yield link, 50 * _MS
    link.bias.hold(50 * _MS, 0.7)
    link.marker.edge(50 * _MS)
    link.reference.steer(50 * _MS, 1e-6)
    yield link, 70 * _MS
    link.tags.listen(70 * _MS, 0)
    link.laser.emit(72 * _MS, 0.5, 1550e-9)
    yield link, 80 * _MS
    link.tags.listen(80 * _MS, 3)
    yield link, 95 * _MS


def told(reads=(), **options):
    """Return all edges of the story, read also at the given times."""
    parts, last = [], 0
    for link, t_ns in story(**options):
        for read in [r for r in sorted(reads) if last < r < t_ns] + [t_ns]:
            parts.append(link.tags.edges(read))
        last = t_ns
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def late(**options):
    """Return all edges of the story, read only at its end."""
    *_, (link, t_ns) = story(**options)
    return link.tags.edges(t_ns)


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


_ONCE = told()


def test_the_story_is_not_empty():
    times, lines = _ONCE
    assert np.count_nonzero(lines == 1) > 1000
    assert np.count_nonzero(lines == 3) == 2
    assert np.all(np.diff(times) >= 0)


def test_reading_late_tells_the_same():
    assert same(late(), _ONCE)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1 * _MS, 95 * _MS), max_size=12))
def test_reading_often_tells_the_same(reads):
    assert same(told(reads), _ONCE)


def test_reading_every_few_microseconds_tells_the_same():
    assert same(told(range(4 * _MS, 9 * _MS, 3001)), _ONCE)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_tell_the_same(threads):
    assert same(told(threads=threads), _ONCE)


def test_another_seed_tells_something_else():
    assert not same(told(seed=4), _ONCE)


def test_a_later_setting_leaves_the_past_alone(still, lit):
    runs = []
    for change in (None, 37_123_456):
        link = lit(still, 0.5)
        link.tags.listen(0, 2)
        link.tags.edges(10 * _MS)
        if change:
            link.phase_bob.hold(change, 1.75)
        runs.append(link.tags.edges(60 * _MS))
    split = [int(np.searchsorted(times, 37_123_456_000)) for times, _ in runs]
    assert split[0] == split[1] > 1000
    for a, b in zip(*runs, strict=True):
        assert np.array_equal(a[: split[0]], b[: split[0]])
    ports = [np.mean(lines[split[0] :] == 1) for _, lines in runs]
    assert ports[0] > 0.97
    assert 0.45 < ports[1] < 0.55


@pytest.mark.parametrize("start_ns", [3 * _MS, 3 * _MS + 12_345])
def test_samples_between_the_pulses_do_not_matter(still, lit, start_ns):
    slots = np.random.default_rng(2).integers(0, 4, 50_000, dtype=np.int16)
    runs = []
    for per_slot in (1, 4, 5):
        codes = np.random.default_rng(per_slot).integers(-9, 9, (slots.size, per_slot))
        codes[:, per_slot // 2] = slots
        link = lit(still, 0.5)
        link.phase_alice.play(
            start_ns, Waveform(codes.astype(np.int16).ravel(), 1.75, 0.0, per_slot * 1e7, 1)
        )
        link.tags.listen(start_ns, 2)
        runs.append(link.tags.edges(start_ns + 5 * _MS))
    assert all(same(run, runs[0]) for run in runs[1:])
    assert runs[0][0].size > 1000


def test_what_is_played_is_repeated_and_then_its_first_sample_held(still, lit):
    link = lit(still, 3.0)
    half = still.phase_alice_v_pi_v
    codes = np.array([0, 1, 1, 0, 1], dtype=np.int16)
    link.phase_alice.play(1 * _MS, Waveform(codes, half, 0.0, 10e6, 20_000))
    link.tags.listen(1 * _MS, 2)
    times, lines = link.tags.edges(21 * _MS)
    arrives = times - round(10 * 1.468 / 299792.458 * 1e12) - np.where(lines == 1, 18_300, 19_100)
    slot = np.floor(arrives / 100_000).astype(int) - 10_000
    during = (slot >= 0) & (slot < 100_000)
    after = slot >= 100_000
    assert during.sum() > 5000
    assert np.mean((lines[during] == 2) == codes[slot[during] % 5]) > 0.97
    assert np.mean(lines[after] == 1) > 0.97


def test_unread_only_and_in_order():
    link = next(link for link, t_ns in story() if t_ns == 41 * _MS)
    first, _ = link.tags.edges(20 * _MS)
    again, _ = link.tags.edges(20 * _MS)
    earlier, _ = link.tags.edges(10 * _MS)
    rest, _ = link.tags.edges(41 * _MS)
    assert first.size > 0
    assert again.size == earlier.size == 0
    assert first[-1] < 20 * _MS * 1000 <= rest[0]


def test_what_has_been_told_stays_told(still, lit):
    link = lit(still, 0.5)
    link.tags.listen(0, 2)
    first, _ = link.tags.edges(30 * _MS)
    link.phase_bob.hold(20 * _MS, 3.5)  # too late to matter before 30 ms
    times, lines = link.tags.edges(60 * _MS)
    assert first.size > 1000
    assert times[0] >= 30 * _MS * 1000
    assert np.mean(lines[times > (30 * _MS + 1000) * 1000] == 2) > 0.97
