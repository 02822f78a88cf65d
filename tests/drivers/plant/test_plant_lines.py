"""Tagger lines and the marker."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivers.simulated.plant.link import LinkPlant
from drivers.simulated.terminals import Waveform
from drivers.simulated.time import VirtualTime

_MS = 1_000_000
_DELAY_PS = round(10 * 1.468 / 299792.458 * 1e12)


def test_the_marker_arrives_with_the_pulses_of_its_slot(still):
    link = LinkPlant(replace(still, marker_jitter_ps=0.0), 1, VirtualTime())
    triggered = []
    link.on_marker_at_bob(triggered.append)
    link.tags.listen(0, 4)
    link.marker.edge(1 * _MS)
    link.marker.edge(2 * _MS + 1)
    times, lines = link.tags.edges(3 * _MS)
    assert lines.tolist() == [3, 3]
    assert times[0] == 1_000_000_000 + _DELAY_PS + 12_000
    assert times[1] - times[0] == 1_000_100_000
    assert triggered == [-(-time // 1000) for time in times.tolist()]


def test_the_marker_has_jitter(still):
    # Standard deviation of 2000 edges within five standard errors: false alarm 5.7e-7.
    link = LinkPlant(replace(still, marker_jitter_ps=50.0), 1, VirtualTime())
    link.tags.listen(0, 3)
    for k in range(2000):
        link.marker.edge(k * 100_000)
    times, _ = link.tags.edges(300 * _MS)
    away = times - 100_000_000 * np.arange(2000) - _DELAY_PS - 12_000
    assert abs(away.std() / 50.0 - 1.0) < 5.0 / np.sqrt(4000)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_only_the_lines_listened_to_are_kept(still, lit, channels):
    link = lit(still, 2.0)
    link.phase_alice.hold(0, 1.75)
    link.tags.listen(1 * _MS, channels)
    link.marker.edge(2 * _MS)
    _, lines = link.tags.edges(4 * _MS)
    assert set(lines.tolist()) == set(range(1, min(channels, 3) + 1))


def test_nothing_is_kept_before_listening_or_after(still, lit):
    link = lit(replace(still, detector_dark_hz=(1e5, 1e5), afterpulse_probability=0.5), 5.0)
    link.marker.edge(4 * _MS)
    link.tags.edges(5 * _MS)
    link.tags.listen(5 * _MS, 4)
    link.tags.listen(6 * _MS, 0)
    link.marker.edge(7 * _MS)
    link.tags.listen(9 * _MS, 4)
    link.tags.listen(10 * _MS, 2)
    link.tags.listen(11 * _MS, 0)
    times, lines = link.tags.edges(20 * _MS)
    ms = times // 1_000_000_000
    assert set(ms.tolist()) == {5, 9, 10}
    assert set(lines.tolist()) == {1, 2}
    assert np.all(np.diff(times) >= 0)


def test_a_negative_number_of_lines_is_refused(still, lit):
    with pytest.raises(ValueError, match="number of lines"):
        lit(still, 1.0).tags.listen(0, -1)


@pytest.mark.parametrize(
    ("late_ns", "error"), [(0, 0.0145), (30, 0.0145), (-30, 0.0145), (100, 0.5)]
)
def test_bobs_trigger_delay_must_fit(still, lit, late_ns, error):
    # The error rate of about 9000 clicks within five standard deviations: 5.7e-7.
    link = lit(still, 1.0)
    codes = np.random.default_rng(5).integers(0, 2, 100_000, dtype=np.int16)
    half = still.phase_alice_v_pi_v

    def play(t_ns):
        link.phase_bob.play(t_ns + late_ns, Waveform(codes, half, 0.0, 10e6, 1))

    link.on_marker_at_bob(play)
    link.tags.listen(1 * _MS, 2)
    link.phase_alice.play(1 * _MS, Waveform(codes, half, 0.0, 10e6, 1))
    link.marker.edge(1 * _MS)
    _, lines = link.tags.edges(11 * _MS + 40_000)
    wrong = np.mean(lines == 2)
    assert abs(wrong - error) < 5.0 * np.sqrt(error * (1 - error) / lines.size)


def test_pulses_that_overlap_are_refused(still):
    with pytest.raises(ValueError, match="twenty standard deviations"):
        LinkPlant(replace(still, slot_rate_hz=1e9), 1, VirtualTime())
    with pytest.raises(ValueError, match="whole number of picoseconds"):
        LinkPlant(replace(still, slot_rate_hz=3e6), 1, VirtualTime())
    LinkPlant(replace(still, slot_rate_hz=100e6), 1, VirtualTime())


def test_edges_follow_the_reference(still, lit):
    fast = replace(still, reference=replace(still.reference, offset=1e-6))
    seen = []
    for parameters in (still, fast):
        link = lit(parameters, 1.0)
        link.tags.listen(0, 2)
        seen.append(link.tags.edges(500 * _MS)[0])
    count = min(side.size for side in seen)
    early = (seen[0][:count] - seen[1][:count])[1000:]
    assert np.median(early / (seen[0][1000:count] * 1e-6)) == pytest.approx(1.0, rel=1e-2)


def test_the_taggers_own_clock_is_some_parts_per_million_off(still):
    link = LinkPlant(still, 1, VirtualTime())
    error = link.tagger_oscillator.phase_s(100 * 10**9) / 100.0
    assert error == pytest.approx(1.4e-6, abs=2e-9)
    assert link.reference.phase_s(100 * 10**9) == 0.0
