from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.plant.fibre import Fibre
from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.oscillators import NoisyOscillator
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.plant.timing import SlotGrid, Timeline

_GRID = SlotGrid(
    10e6,
    NoisyOscillator(OscillatorParameters(white_fm=1e-10, offset=1e-6), (1,)),
    Fibre(LinkParameters(), 1),
)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers()), max_size=20), st.integers(0, 60))
def test_a_timeline_is_what_was_set_last(settings, forgotten):
    told = []
    line = Timeline(-1, told.append)
    expected = [-1] * 70
    for slot, value in settings:
        line.set(slot, value)
        expected[slot:] = [value] * (70 - slot)
    assert told == [slot for slot, _ in settings]
    assert [line.at(slot) for slot in range(70)] == expected
    for slot in range(69):
        change = line.change_after(slot)
        end = 70 if change is None else change
        assert end > slot
        assert set(expected[slot:end]) == {expected[slot]}
    line.forget(forgotten)
    assert [line.at(slot) for slot in range(forgotten, 70)] == expected[forgotten:]


@given(st.integers(0, 10**14))
def test_slots_are_the_first_to_meet_what_happens(t_ns):
    slot = _GRID.at_alice(t_ns)
    assert 0 <= slot * 100_000 - _GRID.reference_ps(t_ns) < 100_000
    assert t_ns <= _GRID.start_ns(slot) <= t_ns + 101
    assert abs(_GRID.reference_ps(_GRID.start_ns(slot)) - slot * 100_000) <= 1001
    slot = _GRID.at_bob(t_ns)
    # This reference takes the fibre's 49 us for 49 ps more.
    assert -55 <= _GRID.passes_bob_ps(slot) - t_ns * 1000 <= 100_155


def test_the_delay_is_that_of_ten_kilometres():
    assert abs(Fibre(LinkParameters(), 1).delay_ps(0) - 48_967_209) <= 1
