"""What all standards that can be steered have in common, on their simulated units."""

from __future__ import annotations

import pytest
from driver_bench import joined
from steered_oscillator import Pulses, Steered, Warming

from drivers.core import registry
from drivers.simulated.time import VirtualTime

NAMES = ("microchip-5071a", "microchip-sa45s", "microchip-sa5x", "srs-fs725", "srs-prs10")
SERIAL = "ASRL7::INSTR"
OFFSET = 3e-13


@pytest.fixture(params=NAMES)
def standard(request):
    oscillator = Steered(offset=OFFSET)
    terminals = {"oscillator": oscillator, "room": Warming()}
    device = registry.simulator_class(request.param)("unit", VirtualTime(), terminals)
    with joined(registry.driver_class(request.param), device, SERIAL) as unit:
        if hasattr(unit, "pll"):
            unit.pll = False
        yield unit, device, oscillator


def test_a_step_is_the_smallest_change_and_the_range_can_be_reached(standard):
    unit, _, oscillator = standard
    low, high = unit.steering_range
    step = unit.steering_step
    assert low == -high
    for wanted in (step, 0.4 * step, -7 * step, 0.0, low, high):
        unit.steering = wanted
        pulled = oscillator.frequency(10**18) - OFFSET
        assert pulled == pytest.approx(wanted, abs=0.51 * step)
        assert unit.steering == pytest.approx(pulled, abs=0.1 * step)
        assert pulled / step == pytest.approx(round(pulled / step), abs=1e-3)


def test_steering_takes_two_exchanges_at_most(standard):
    unit, device, _ = standard
    heard = []
    obey = device.obey
    device.obey = lambda session, message: heard.append(bytes(message)) or obey(session, message)
    unit.steering = 5 * unit.steering_step
    assert 1 <= len(heard) <= 2


def test_the_temperature_follows_the_room(standard):
    unit, device, _ = standard
    before = unit.temperature_c
    device.time.wait_until(2 * 3600 * 10**9)
    assert unit.temperature_c - before == pytest.approx(2.0, abs=0.11)
    assert unit.locked


def _synchronise(unit):
    unit.pulse_synchronisation = "rear"


def _discipline(unit):
    unit.disciplining = True


@pytest.mark.parametrize(
    ("name", "terminal", "act"),
    [
        ("microchip-5071a", "sync_rear", _synchronise),
        ("microchip-sa45s", "pps_input", lambda unit: unit.synchronise()),
        ("microchip-sa5x", "pps_input", _discipline),
    ],
)
def test_the_pulses_are_placed_onto_those_at_the_input(name, terminal, act):
    pulses = Pulses(late_s=0.2)
    ahead_s = 0.35
    terminals = {
        "oscillator": Steered(phase_s=ahead_s),
        terminal: Steered(),
        "pps_output": pulses,
    }
    device = registry.simulator_class(name)("unit", VirtualTime(), terminals)
    with joined(registry.driver_class(name), device, SERIAL) as unit:
        act(unit)
        assert pulses.late == pytest.approx(ahead_s, abs=1e-9)
