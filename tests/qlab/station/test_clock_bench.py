"""The packaged clock bench opens, plays its roles, and is what its file says."""

from __future__ import annotations

import math

import pytest
from click.testing import CliRunner

from drivers import roles
from drivers.simulated.plant.figures import PRESETS
from qlab.cli.station import station as station_command
from qlab.errors import StationError
from qlab.station import Station, load_station, parse_station


@pytest.fixture(scope="module")
def bench():
    with Station(load_station(packaged="clock"), seed=1) as station:
        station.open_all()
        yield station


@pytest.mark.parametrize(
    ("role", "protocol"),
    [
        ("reference", roles.FrequencyStandard),
        ("local", roles.SteerableStandard),
        ("local", roles.TemperatureProbe),
        ("counter", roles.Counter),
        ("counter", roles.IntervalCounter),
    ],
)
def test_what_plays_a_role_has_what_the_role_needs(bench, role, protocol):
    found = bench.role(role)
    for player in found if isinstance(found, list) else [found]:
        for name in [*protocol.__annotations__, *vars(protocol)]:
            assert name.startswith("_") or hasattr(type(player), name), name


def test_every_instrument_says_who_it_is(bench):
    assert all(bench.instrument(name).identity for name in bench.file.instruments)


def test_resolved_text_holds_every_figure_and_round_trips(bench):
    text = bench.resolved_toml()
    assert "quartz_flicker_fm = 2e-12" in text
    assert "thermal_ps_per_km_k = 38.0" in text
    again = parse_station(text, "run.h5")
    with Station(again, seed=1) as copy:
        assert copy.bench.plant.parameters == bench.bench.plant.parameters
        assert copy.resolved_toml() == text


def test_its_oscillators_are_presets(bench):
    figures = bench.bench.plant.parameters
    assert figures.reference == PRESETS["5071a-hp"].parameters
    assert figures.sites[0].local == PRESETS["fs725"].parameters


def test_steering_the_rubidium_pulls_the_plant(bench):
    [local] = bench.role("local")
    local.pll = False
    before = bench.bench.plant.sites[0].local.frequency(bench.bench.time.now_ns())
    local.steering = 400e-12
    after = bench.bench.plant.sites[0].local.frequency(bench.bench.time.now_ns())
    assert after - before == pytest.approx(400e-12, rel=1e-6)
    local.steering = 0.0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('preset = "fs725"', 'preset = "fs752"', "there is no oscillator 'fs752'; known are"),
        ('preset = "fs725"', 'preset = "fs725"\nofset = 1e-9', "did you mean 'offset'"),
        ("exposed_km = 0.5", "exposed_km = 51.0", "exposed_km lies between 0 and length_km"),
        (
            'kind = "clocks"',
            'kind = "clocks"\nfaults = [{ at_s = 1, kind = "melt" }]',
            "'melt' is not one of step, drift, vanish",
        ),
        (
            'kind = "clocks"',
            'kind = "clocks"\nfaults = [{ at_s = 1, kind = "step", site = 3 }]',
            "a fault names site 3",
        ),
        ('"sites.0.pps"', '"sites.1.pps"', "the plant has no"),
    ],
)
def test_mistakes_in_the_plant_have_their_line(old, new, words):
    text = load_station(packaged="clock").text()
    assert old in text
    with pytest.raises(StationError, match=words) as caught:
        Station(parse_station(text.replace(old, new), "lab.toml"), seed=1)
    assert caught.value.line


def test_init_writes_it(tmp_path):
    path = tmp_path / "station.toml"
    said = CliRunner().invoke(station_command, ["init", str(path), "--clock"])
    assert said.exit_code == 0
    assert load_station(path).document == load_station(packaged="clock").document


def test_faults_can_last_for_ever():
    text = load_station(packaged="clock").text()
    more = 'kind = "clocks"\nfaults = [{ at_s = 5, kind = "vanish" }]'
    file = parse_station(text.replace('kind = "clocks"', more), "lab.toml")
    with Station(file, seed=1) as station:
        assert station.bench.plant.parameters.faults[0].for_s == math.inf
        resolved = station.resolved_toml()
    with Station(parse_station(resolved, "run.h5"), seed=1) as copy:
        assert copy.bench.plant.parameters.faults[0].for_s == math.inf
