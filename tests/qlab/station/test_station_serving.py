"""A station served in real time and used through its written file, faults and all."""

import os
import time

import pytest

from drivers.core.errors import CommunicationError, LimitError, MisuseError
from qlab.errors import UsageError
from qlab.station import Station, parse_station
from qlab.station.serving import serve


@pytest.fixture
def served(small_file):
    with serve(small_file(), seed=1) as station:
        yield station


@pytest.fixture
def remote(served):
    file = parse_station(served.station_text(), "served.toml")
    with Station(file) as station:
        yield station


def test_the_written_station_has_everything_but_the_simulation(served, small_file):
    text = served.station_text()
    file = parse_station(text, "served.toml")
    original = small_file()
    assert text.startswith("# Written by")
    assert file.simulation is None
    assert file.simulated, "no key of a rehearsal is fit for use"
    assert (file.roles, file.limits, file.safe) == (original.roles, original.limits, original.safe)
    assert [file.instruments[at.name].address for at in served.instruments] == [
        at.address for at in served.instruments
    ]
    assert all(at.host == "127.0.0.1" for at in served.instruments)


def test_instruments_work_and_limits_hold_from_outside(remote):
    remote.open_all()
    first, _ = remote.role("attenuators")
    first.attenuation_db = 12.0
    assert first.attenuation_db == pytest.approx(12.0)
    with pytest.raises(LimitError):
        remote.role("laser").output = True
    before = time.monotonic_ns()
    remote.clock.sleep(0.02)
    assert time.monotonic_ns() - before >= 20_000_000, "outside the bench time is real"


def test_settings_outlive_the_program_that_made_them(served, remote):
    remote.role("attenuators")[1].attenuation_db = 7.0
    remote.close()
    with Station(parse_station(served.station_text(), "again.toml")) as again:
        assert again.role("attenuators")[1].attenuation_db == pytest.approx(7.0)


def test_a_dropped_connection_names_the_instrument(served, remote):
    remote.open_all()
    served.bench.devices["laser"].faults.hang_up(for_good=True)
    with pytest.raises(CommunicationError, match=r"^laser"):
        for _ in range(2):
            _ = remote.role("laser").power_dbm
    steps = remote.to_safe_state(deadline_s=5.0)
    assert [step.done for step in steps] == [False, True, True]


def test_safe_in_bounded_time_when_nothing_answers(served, remote):
    remote.open_all()
    for device in served.bench.devices.values():
        device.faults.silent()
    start = time.monotonic()
    steps = remote.to_safe_state(deadline_s=2.0)
    assert not any(step.done for step in steps)
    assert time.monotonic() - start < 10.0  # each step alone would wait 2 x 3 s


@pytest.mark.parametrize("terminals", [False, True])
def test_serial_instruments(terminals, small_file):
    if terminals and os.name != "posix":
        return  # Windows has no pseudo-terminals
    bias = '[instruments.bias]\ndriver = "thorlabs-mbx"\naddress = "ASRL3::INSTR"\n\n[roles]'
    with serve(small_file(("[roles]", bias)), terminals=terminals) as served:
        where = next(at for at in served.instruments if at.name == "bias")
        assert where.address.startswith("/dev/" if terminals else "socket://127.0.0.1:")
        with Station(parse_station(served.station_text(), "served.toml")) as remote:
            assert remote.get("bias.mode") == "off"


def test_ports_follow_the_first(small_file):
    with serve(small_file(), first_port=0) as probe:
        free = max(at.port for at in probe.instruments)
    if free > 65000:
        free -= 1000
    with serve(small_file(), first_port=free) as served:
        assert [at.port for at in served.instruments] == [free, free + 1]
        with (
            pytest.raises(MisuseError, match=f"cannot listen at 127.0.0.1 port {free}"),
            serve(small_file(), first_port=free),
        ):
            pass


def test_only_a_simulated_station_can_be_served(served):
    file = parse_station(served.station_text(), "served.toml")
    with pytest.raises(UsageError, match="is no simulated station"), serve(file):
        pass
