"""The station file: what is read, and one line for each thing that is wrong."""

from dataclasses import dataclass

import pytest

from drivers.simulated.plants import PLANTS
from qlab.errors import ExitCode, StationError, exit_code
from qlab.station import load_station, parse_station, read_table, setting
from qlab.station.check import check_station
from qlab.station.entries import InstrumentEntry, Limit
from qlab.station.file import PLANT_KINDS


def test_the_default_bench_is_a_station():
    file = load_station()
    assert file.simulated
    assert set(file.roles) >= {"laser", "attenuators", "tagger", "counter", "detectors"}
    assert parse_station(file.text(), "again").document == file.document


def test_every_part_is_read(small_file):
    file = small_file(("[roles]", 'timeout_s = 9\n\n[roles]\ncounter = "attenuators"\n'))
    assert file.name == "small"
    assert file.instruments["attenuators"] == InstrumentEntry(
        driver="keysight-n7764a", address="TCPIP0::192.168.10.12::inst0::INSTR", timeout_s=9.0
    )
    assert file.roles["attenuators"] == ("attenuators.channel1", "attenuators.channel3")
    assert file.limits["laser.channel1.power_dbm"] == Limit(min=8.0, max=13.0, ramp=2.0)
    assert file.interlocks[0].at_least_db == 60.0
    assert [entry.value for entry in file.safe] == [False, "max", 45]
    assert file.simulation.parameters == {"fibre_length_km": 5.0}
    assert file.simulation.devices["laser"].terminals == {"output1": "laser"}


def test_a_checked_station_knows_its_safe_values(small_file):
    checked = check_station(small_file())
    assert [step.value for step in checked.safe] == [False, 40.0, 45.0]
    assert checked.drivers["laser"].__name__ == "KeysightN7714A"


MISTAKES = [
    (("[station]", "[staton]"), "[staton]", "staton: unknown key; did you mean 'station'?"),
    (('name = "small"\n', ""), "[station]", "station: 'name' is missing; name: Name of"),
    (("schema = 1", "schema = 2"), "schema", "station.schema: schema 2 is newer than this qlab"),
    (("driver =", "drivr ="), "drivr", "instruments.laser.drivr: unknown key; did you mean 'driv"),
    (
        ('"keysight-n7714a"', '"keysight-n7714"'),
        '"keysight-n7714"',
        "instruments.laser.driver: there is no driver 'keysight-n7714'; did you mean 'keysight-n77",
    ),
    (
        ("[instruments.laser]", '[instruments."a b"]'),
        "a b",
        'instruments."a b": an instrument\'s name has letters, digits and _',
    ),
    (
        ("[instruments.laser]", "[instruments.clock]"),
        "clock",
        "instruments.clock: 'clock' means something else in a run file; rename it",
    ),
    (
        ("168.10.12::inst0", "168.10.11::INST0"),
        "INST0",
        "instruments.attenuators.address: TCPIP0::192.168.10.11::INST0::INSTR is the address",
    ),
    (
        ("[roles]", "timeout_s = 0\n[roles]"),
        "timeout_s",
        "instruments.attenuators.timeout_s: 0 is outside 0.001 to 3600 s",
    ),
    (
        ('laser = "laser.channel1"', 'laser = "lazer.channel1"'),
        "lazer",
        "roles.laser: there is no instrument 'lazer' in 'lazer.channel1'; did you mean 'laser'?",
    ),
    (
        ('laser = "laser.channel1"', 'laser = "laser.channel9"'),
        "channel9",
        "roles.laser: laser has no channel9; did you mean 'channel",
    ),
    (
        ('"attenuators.channel3"]', '"attenuators.channel2"]'),
        "channel2",
        "roles.attenuators[1]: attenuators has no channel2; did you mean 'channel",
    ),
    (
        ('laser = "laser.channel1"', 'laser = "laser.output"'),
        "laser.output",
        "roles.laser: 'output' in 'laser.output' is no channel; such as channel1",
    ),
    (('laser = "laser.channel1"', "laser = 1"), "laser = 1", "roles.laser: must be the name"),
    (
        ("min = 8.0", "minn = 8.0"),
        "minn",
        "limits.\"laser.channel1.power_dbm\".minn: unknown key; did you mean 'min'?",
    ),
    (
        ("min = 8.0", "min = 18.0"),
        "18.0",
        'limits."laser.channel1.power_dbm": min 18 is above max 13',
    ),
    (
        ("channel1.power_dbm", "channel1.powr_dbm"),
        "powr_dbm",
        "limits.\"laser.channel1.powr_dbm\": laser.channel1 has no property 'powr_dbm'; did you",
    ),
    (
        ('"laser.channel1.power_dbm"', "laser.channel1.power_dbm"),
        "laser.channel1.power_dbm =",
        "limits.laser: the dots of a path need quotes around it",
    ),
    (
        ('"laser.channel1.power_dbm" =', '"laser.channel1.output" ='),
        '"laser.channel1.output" = {',
        'limits."laser.channel1.output": output is no number, so it has no limits',
    ),
    (
        ("equals = true", "equals = 3.5"),
        "equals",
        "interlocks[0].equals: 3.5 is not True or False",
    ),
    (
        ('when = "laser.channel1.output"', 'when = "laser.channel1.grid_channel"'),
        "when = ",
        "interlocks[0].when: grid_channel is neither on or off nor one of some words",
    ),
    (("at_least_db = 60.0\n", ""), "[[interlocks]]", "interlocks[0]: 'at_least_db' is missing"),
    (
        ('path = ["attenuators.channel1.attenuation_db"', 'path = ["laser.channel1.output"'),
        "path = ",
        "interlocks[0].path[0]: output is no number in dB",
    ),
    (
        ('["laser.channel1.output", false]', '["laser.channel1.output", "off"]'),
        '"off"',
        "safe.steps[0]: 'off' is not True or False",
    ),
    (
        ('["laser.channel1.output", false]', '["laser.channel1.settled", false]'),
        "settled",
        "safe.steps[0]: settled can only be read",
    ),
    (
        ('["laser.channel1.output", false]', '["laser.channel1.output", true]'),
        "true]",
        "safe.steps[0]: brings about what the interlock",
    ),
    (
        ("fixed_db = 30.0", "fixed_db = inf"),
        "fixed_db = inf",
        "interlocks[0].fixed_db: inf is outside 0 to 200 dB",
    ),
    (
        ('["laser.channel1.output", false]', '"laser.channel1.output"'),
        '    "laser.channel1.output"',
        "safe.steps[0]: must be [property, value]",
    ),
    (
        ("[simulation.devices.laser]", "[simulation.devices.maser]"),
        "maser",
        "simulation.devices.maser: unknown key; did you mean 'laser'?",
    ),
    (
        ("[simulation.plant]", '[simulation.plant]\nkind = "garden"'),
        "garden",
        "simulation.plant.kind: there is no plant 'garden'; there are link, clocks",
    ),
    (("[safe]", "[safe]\nstep = 1"), "step = 1", "safe.step: unknown key; did you mean 'steps'?"),
]


@pytest.mark.parametrize(("change", "needle", "said"), MISTAKES)
def test_each_mistake_names_file_line_key_and_remedy(change, needle, said, small_text, find_line):
    text = small_text(change)
    with pytest.raises(StationError) as caught:
        check_station(parse_station(text, "lab.toml"))
    assert str(caught.value).startswith(f"lab.toml, line {find_line(text, needle)}: {said}")
    assert "\n" not in str(caught.value)
    assert exit_code(caught.value) is ExitCode.USAGE


@pytest.mark.parametrize(
    ("change", "needle", "said"),
    [
        (
            ("fibre_length_km", "fiber_length_km"),
            "fiber",
            "simulation.plant.fiber_length_km: unknown key; did you mean 'fibre_length_km'?",
        ),
        (
            ('output1 = "laser"', 'output7 = "laser"'),
            "[simulation.devices.laser]",
            "simulation.devices.laser: KeysightN7714ADevice has no terminal 'output7'; its term",
        ),
        (
            ('output1 = "laser"', 'output1 = "maser"'),
            "[simulation.devices.laser]",
            "simulation.devices.laser: the plant has no 'maser'; there are",
        ),
        (
            ('"attenuators.1"', '"attenuators.2"'),
            "[simulation.devices.attenuators]",
            "simulation.devices.attenuators: the plant has no 'attenuators.2'",
        ),
        (
            ("[simulation.devices.laser]\n", "[simulation.devices.laser]\npower = 3\n"),
            "[simulation.devices.laser]",
            "simulation.devices.laser: KeysightN7714ADevice has no setting 'power'",
        ),
        (
            ("[simulation.devices.laser]\n", "[simulation.devices.laser]\nsimulator = 'x'\n"),
            "[simulation.devices.laser]",
            "simulation.devices.laser: there is no simulator 'x'",
        ),
        (
            ("[simulation.devices.laser]\n", "[simulation.devices.laser]\ninputs = {a = 'b'}\n"),
            "[simulation.devices.laser]",
            "simulation.devices.laser: the plant has no event 'b'",
        ),
        (
            ('"TCPIP0::192.168.10.11::inst0::INSTR"', '"ASRL3::INSTR"'),
            "[simulation.devices.laser]",
            "simulation.devices.laser: KeysightN7714ADevice has no serial port",
        ),
        (
            ('"TCPIP0::192.168.10.11::inst0::INSTR"', '"192.168.10.11"'),
            "[simulation.devices.laser]",
            "simulation.devices.laser: '192.168.10.11' is no VISA resource name",
        ),
        (
            ("fibre_length_km = 5.0", "slot_rate_hz = 1e10"),
            "[simulation.plant]",
            "simulation.plant: a slot is at least twenty standard deviations",
        ),
    ],
)
def test_each_mistake_in_the_simulation_has_its_line(change, needle, said, small_text, find_line):
    from qlab.station import Station

    text = small_text(change)
    with pytest.raises(StationError) as caught:
        Station(parse_station(text, "lab.toml"), seed=1)
    assert str(caught.value).startswith(f"lab.toml, line {find_line(text, needle)}: {said}")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StationError, match=r"cannot be read: No such file.*qlab station init"):
        load_station(tmp_path / "none.toml")


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "lab.toml"
    path.write_bytes(b"[station]\nname = '\xff'\n")
    with pytest.raises(StationError, match="not UTF-8 text at byte 18"):
        load_station(path)


@dataclass(frozen=True, kw_only=True)
class Facts:
    slots: int = setting(7, doc="Pulses.", low=1, high=10**6)
    loss_db: float = setting(doc="A fact of the hardware.", unit="dB", low=0.0)


def test_an_experiments_table_is_read_on_demand(small_file):
    file = small_file(("[roles]", "[bb84]\nslots = 1000\nloss_db = 2.0\n\n[roles]"))
    assert read_table(file, "bb84", Facts) == Facts(slots=1000, loss_db=2.0)
    file = small_file(("[roles]", "[bb84]\nloss_db = 2.0\n\n[roles]"))
    assert read_table(file, "bb84", Facts) == Facts(loss_db=2.0)
    wrong = small_file(("[roles]", "[bb84]\nslot = 1000\n\n[roles]"))
    with pytest.raises(StationError, match=r"bb84\.slot: unknown key; did you mean 'slots'"):
        read_table(wrong, "bb84", Facts)
    with pytest.raises(StationError, match="loss_db"):
        read_table(small_file(), "bb84", Facts)


def test_canonical_text_survives_its_own_reading(small_file):
    file = small_file()
    again = parse_station(file.text(), "run.h5")
    assert again.document == file.document
    assert (again.limits, again.interlocks, again.safe) == (
        file.limits,
        file.interlocks,
        file.safe,
    )
    assert again.text() == file.text()


def test_the_kinds_of_plant_are_those_that_there_are():
    assert set(PLANT_KINDS) == set(PLANTS)
