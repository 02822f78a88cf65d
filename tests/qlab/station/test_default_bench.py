"""The packaged bench opens, plays every role, and is what its file says."""

import pytest
import pyvisa
from pyvisa.highlevel import VisaLibraryBase
from pyvisa.util import LibraryPath

import qlab
from drivers import roles
from drivers.core.errors import LimitError
from pyvisa_qlab import StationVisaLibrary
from qlab.errors import StationError, UsageError
from qlab.station import Station, load_station, parse_station


@pytest.fixture(scope="module")
def bench():
    with qlab.open_station(seed=1) as station:
        station.open_all()
        yield station


def test_every_instrument_says_who_it_is(bench):
    for name in bench.file.instruments:
        instrument = bench.instrument(name)
        assert instrument.identity
        assert instrument.link.is_open
        assert instrument is bench.instrument(name)


def test_roles_give_instruments_channels_and_lists(bench):
    assert bench.role("laser") is bench.instrument("laser").channel(1)
    assert bench.role("tagger") is bench.instrument("tagger")
    first, second = bench.role("attenuators")
    assert (first.number, second.number) == (1, 3)
    assert bench.role("phase_alice").number == 2
    assert isinstance(bench.role("generator_alice").memory_samples, int)


@pytest.mark.parametrize(
    ("role", "protocol"),
    [
        ("laser", roles.Laser),
        ("attenuators", roles.Attenuator),
        ("intensity", roles.WaveformChannel),
        ("phase_bob", roles.WaveformChannel),
        ("bias", roles.BiasController),
        ("monitor", roles.PowerMeter),
        ("detectors", roles.DetectorControl),
        ("tagger", roles.TimeTagger),
        ("reference", roles.FrequencyStandard),
        ("counter", roles.Counter),
    ],
)
def test_what_plays_a_role_has_what_the_role_needs(bench, role, protocol):
    found = bench.role(role)
    for player in found if isinstance(found, list) else [found]:
        for name in [*protocol.__annotations__, *vars(protocol)]:
            assert name.startswith("_") or hasattr(type(player), name), name


def test_a_missing_role_says_which_line_to_add(bench):
    with pytest.raises(StationError) as caught:
        bench.role("maser")
    assert str(caught.value).startswith("default bench.toml, line ")
    assert "nothing plays the role 'maser'" in str(caught.value)
    assert 'maser = "INSTRUMENT.channel1"' in caught.value.remedy


def test_its_clock_is_the_benchs(bench):
    before = bench.clock.now_ns()
    bench.clock.sleep(2.5)
    assert bench.clock.now_ns() == before + 2_500_000_000 == bench.bench.time.now_ns()


def test_the_markers_light_and_clicks_are_wired(bench):
    """The sync output's edge reaches the tagger's plant side and triggers Bob's generator."""
    devices = bench.bench.devices
    plant = bench.bench.plant
    assert devices["generator_alice"].terminals["sync"] is plant.marker
    assert devices["attenuators"].terminals["channel3"] is plant.attenuators[1]
    assert plant._triggered == [devices["generator_bob"].external_trigger]
    assert devices["detector1"].terminals["diode"] is plant.detectors[1]
    for name, spec in bench.file.simulation.devices.items():
        assert set(devices[name].terminals) == set(spec.terminals)


def test_everything_becomes_safe(bench):
    assert all(step.done for step in bench.to_safe_state())
    assert bench.role("laser").output is False
    assert [a.attenuation_db for a in bench.role("attenuators")] == [45.0, 45.0]


def test_its_interlock_keeps_light_from_the_fibre():
    with qlab.open_station(seed=2) as station:
        for attenuator in station.role("attenuators"):
            attenuator.attenuation_db = 10.0
        with pytest.raises(LimitError, match="light into the fibre"):
            station.role("laser").output = True


def test_resolved_text_holds_every_figure_and_round_trips(bench):
    text = bench.resolved_toml()
    assert "fibre_length_km = 10.0" in text
    again = parse_station(text, "run.h5")
    assert again.text() == text
    with Station(again, seed=1) as copy:
        assert copy.bench.plant.parameters == bench.bench.plant.parameters
        assert copy.resolved_toml() == text


def test_the_same_seed_gives_the_same_readings():
    def readings(seed):
        with qlab.open_station(seed=seed) as station:
            counter = station.role("counter")
            return [counter.frequency_hz(1) for _ in range(3)]

    assert readings(5) == readings(5)
    assert readings(5) != readings(6)


def test_a_seed_needs_a_simulated_station():
    text = '[station]\nname = "real"\n[instruments.c]\ndriver = "keysight-53230a"\naddress = "x"\n'
    with pytest.raises(UsageError, match="is no simulated station, so it takes no seed"):
        Station(parse_station(text, "lab.toml"), seed=1)


def test_a_replay_builds_no_bench():
    asked = []

    def connect(name):
        asked.append(name)
        return lambda address, line: None

    with Station(load_station(), connect=connect) as station:
        assert station.bench is None
        assert station.simulated
        assert station.resolved_toml() == station.file.text()


def test_any_pyvisa_program_reaches_the_bench():
    manager = pyvisa.ResourceManager("@qlab")
    try:
        assert len(manager.list_resources("?*")) == len(load_station().instruments)
        with manager.open_resource("USB0::0x0957::0x1907::MY50001484::INSTR") as counter:
            counter.read_termination = "\n"
            assert "53230A" in counter.query("*IDN?")
        assert pyvisa.ResourceManager("@qlab") is manager
        assert manager.visalib.bench.devices["laser"].name == "laser"
    finally:
        manager.close()


def test_a_new_pyvisa_still_keeps_its_libraries_where_the_backend_looks():
    """`_registry` is private to pyvisa; without it each manager would get a bench of its own."""
    manager = pyvisa.ResourceManager("@qlab")
    try:
        key = (StationVisaLibrary, LibraryPath("default bench", "user specified"))
        assert VisaLibraryBase._registry[key] is manager.visalib
        assert StationVisaLibrary() is manager.visalib
    finally:
        manager.close()


def test_a_station_file_names_a_pyvisa_backend_too(tmp_path):
    path = tmp_path / "two words @ lab.toml"
    path.write_text(load_station().text())
    manager = pyvisa.ResourceManager(f"{path}@qlab")
    try:
        with manager.open_resource("TCPIP0::192.168.10.11::inst0::INSTR") as laser:
            assert "N7714A" in laser.query("*IDN?")
    finally:
        manager.close()
    with pytest.raises(StationError, match="cannot be read"):
        pyvisa.ResourceManager(f"{tmp_path / 'none.toml'}@qlab")
