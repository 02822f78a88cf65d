"""The clocks that have a name are the same on the bench and in predictions."""

import pytest

from drivers.simulated.plant.figures import PRESETS
from protocols.clock.clocks import CLOCKS


def test_every_clock_of_a_prediction_is_on_the_bench():
    assert set(CLOCKS) <= set(PRESETS)


@pytest.mark.parametrize("name", CLOCKS)
def test_its_figures_are_the_same(name):
    """White noise of a bench's unit may be a little less, since no unit is above its sheet."""
    said, made = CLOCKS[name], PRESETS[name].parameters
    assert 0.92 * said.noise.h_0 <= made.h0 <= said.noise.h_0 * (1.0 + 1e-9)
    assert made.h_minus_1 == pytest.approx(said.noise.h_minus_1)
    assert made.h_minus_2 == pytest.approx(said.noise.h_minus_2)
    assert made.ageing_per_s == pytest.approx(said.ageing_per_s, rel=0.01)
    assert made.temperature_per_k == said.per_kelvin
    # The Allan deviation of white phase noise at 1 s is sqrt(3) times its standard deviation.
    assert made.white_pm == pytest.approx(3.0**0.5 * said.white_phase_s)
    assert (made.servo_s > 0.0) == (said.quartz is not None)
    if said.quartz is not None:
        assert made.servo_s == said.quartz_time_s
        quartz = type(made).from_h(0.0, said.quartz.h_minus_1, said.quartz.h_minus_2)
        assert made.quartz_flicker_fm == pytest.approx(quartz.flicker_fm)
        assert made.quartz_random_walk_fm == pytest.approx(quartz.random_walk_fm)
