"""`qlab station`, `qlab instrument` and `qlab doctor`, as a person types them."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from qlab.cli import main

PAIR = """\
[station]
name = "pair"

[instruments.laser]
driver = "keysight-n7714a"
address = "TCPIP0::192.168.10.11::inst0::INSTR"

[instruments.bias]
driver = "thorlabs-mbx"
address = "ASRL3::INSTR"

[roles]
laser = "laser.channel1"

[limits]
"laser.channel1.power_dbm" = { max = 13.0 }

[safe]
steps = [["laser.channel1.output", false], ["bias.mode", "off"]]

[simulation.plant]

[simulation.devices.laser]
terminals = { output1 = "laser" }

[simulation.devices.bias]
terminals = { modulator = "bias" }
"""


@pytest.fixture
def qlab(capsys):
    """Run a command line in this process; gives exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


@pytest.fixture
def pair(tmp_path):
    path = tmp_path / "pair.toml"
    path.write_text(PAIR)
    return path


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "import qlab\n"
        "from qlab.cli import main\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit as end:\n"
        "    heavy = {'numpy', 'h5py', 'pyvisa', 'numba', 'matplotlib', 'serial', 'drivers'}\n"
        "    sys.exit(f'{end.code} {sorted(heavy & set(sys.modules))}')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "0 []"
    for name in ("run", "replay", "inspect", "plot", "station", "instrument", "key", "doctor"):
        assert f"\n  {name} " in done.stdout


def test_every_command_has_its_help(qlab):
    from qlab.cli import cli

    for name in cli.list_commands(None):
        code, out, err = qlab(name, "--help")
        assert (code, err) == (0, "")
        assert out.startswith(f"Usage: qlab {name} ")


def test_python_m_qlab():
    done = subprocess.run(
        [sys.executable, "-m", "qlab", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("qlab, version ")


@pytest.mark.parametrize("kind", ["--simulated", "--template"])
def test_init_writes_a_station_that_passes_its_check(qlab, tmp_path, kind):
    path = tmp_path / "new.toml"
    code, out, _ = qlab("station", "init", path, kind)
    assert code == 0
    assert str(path) in out
    code, out, _ = qlab("station", "check", path)
    assert code == 0
    assert "nothing is wrong" in out


def test_init_never_writes_over_a_file(qlab, pair):
    before = pair.read_bytes()
    code, out, err = qlab("station", "init", pair)
    assert (code, out) == (2, "")
    assert err == f"error: {pair} exists\nremedy: choose another name\n"
    assert pair.read_bytes() == before


def test_a_mistake_is_one_line_and_a_remedy(qlab, pair):
    pair.write_text(PAIR.replace("address", "adress", 1))
    code, out, err = qlab("station", "check", pair)
    assert (code, out) == (2, "")
    assert err == (
        f"error: {pair}, line 6: instruments.laser.adress: unknown key\n"
        "remedy: did you mean 'address'?\n"
    )


def test_an_error_is_an_object_with_json(qlab, pair):
    pair.write_text(PAIR.replace("keysight-n7714a", "keysight-n7714b"))
    code, out, err = qlab("station", "show", "--json", "--station", pair)
    assert code == 0, "showing needs no driver"
    code, out, err = qlab("station", "check", pair, "--json")
    assert code == 2
    assert json.loads(out) == {
        "schema": "qlab.error/1",
        "error": f"{pair}, line 5: instruments.laser.driver: there is no driver 'keysight-n7714b'",
        "type": "StationError",
        "remedy": "did you mean 'keysight-n7714a'?",
        "exit_code": 2,
    }
    assert err.startswith("error: ")


@pytest.mark.parametrize(
    "arguments", [("bla",), ("station", "chek"), ("instrument", "get"), ("doctor", "--what")]
)
def test_wrong_arguments_are_usage_errors(qlab, arguments):
    code, out, err = qlab(*arguments, "--json")
    assert code == 2
    assert json.loads(out)["exit_code"] == 2
    assert err.count("\n") == 2


@pytest.mark.parametrize("command", ["check", "show", "serve", "safe"])
def test_the_file_is_named_in_either_way(qlab, pair, tmp_path, command):
    """A simulated station for those that need one, a real one for those that do not."""
    path = pair if command in ("check", "show") else real_station(tmp_path, "/dev/no-such-port")
    if command == "safe":
        path.write_text(path.read_text().partition("[safe]")[0])
    ways = [qlab("station", command, path), qlab("station", command, "--station", path)]
    assert ways[0] == ways[1]
    assert str(path) in ways[0][1] + ways[0][2]
    code, _, err = qlab("station", command, path, "--station", path)
    assert code == 2
    assert "the station file is named twice" in err


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("slots", 1.5, "must be a whole number"),
        ("sluts", 1, "unknown key"),
        ("slots", 0, "outside 1 to"),
        ("intensities", [0.1, 0.5], ""),
    ],
)
def test_check_finds_mistakes_in_an_experiment_s_options(qlab, tmp_path, key, value, said):
    path = tmp_path / "bench.toml"
    assert qlab("station", "init", path)[0] == 0
    lines = [text for text in path.read_text().splitlines() if not text.startswith(f"{key} =")]
    table = lines.index("[bb84]")
    path.write_text("\n".join([*lines[: table + 1], f"{key} = {value}", *lines[table + 1 :]]))
    code, out, err = qlab("station", "check", path)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {path}, line {table + (2 if said else 1)}: bb84")
    assert said in err


def test_show_tells_all(qlab, pair):
    code, out, _ = qlab("station", "show", "--station", pair)
    assert code == 0
    for word in ("pair", "keysight-n7714a", "ASRL3::INSTR", "laser.channel1.power_dbm", "max 13"):
        assert word in out
    shown = json.loads(qlab("station", "show", "--json", "--station", pair)[1])
    assert shown["schema"] == "qlab.station.show/1"
    assert shown["instruments"]["bias"]["address"] == "ASRL3::INSTR"
    assert shown["limits"] == {"laser.channel1.power_dbm": {"min": None, "max": 13.0, "ramp": None}}
    assert shown["safe"] == [["laser.channel1.output", False], ["bias.mode", "off"]]
    assert shown["simulated"] is True


def test_the_instruments_of_a_station(qlab, pair):
    listed = json.loads(qlab("instrument", "list", "--json", "--station", pair)[1])
    assert [(i["name"], i["roles"]) for i in listed["instruments"]] == [
        ("laser", ["laser"]),
        ("bias", []),
    ]
    code, out, _ = qlab("instrument", "list", "--drivers")
    assert code == 0
    assert "keysight-33600a" in out


def test_identify(qlab, pair):
    code, out, _ = qlab("instrument", "identify", "--json", "--station", pair)
    assert code == 0
    assert set(json.loads(out)["identities"]) == {"laser", "bias"}
    code, out, _ = qlab("instrument", "identify", "bias", "--station", pair)
    assert (code, out) == (0, "bias  THORLABS,MBX,00000000,1.9.5\n")


def test_an_interlock_without_a_safe_step_is_pointed_out(qlab, pair):
    guarded = """
[[interlocks]]
name = "light"
when = "laser.channel1.output"
equals = true
path = []
at_least_db = 0.0
"""
    pair.write_text(pair.read_text().replace("[safe]", f"{guarded}[safe]"))
    assert json.loads(qlab("station", "check", pair, "--json")[1])["warnings"] == []
    pair.write_text(pair.read_text().replace('["laser.channel1.output", false], ', ""))
    warnings = json.loads(qlab("station", "check", pair, "--json")[1])["warnings"]
    assert warnings == ["no safe step sets laser.channel1.output, which 'light' guards"]


def test_get_one_and_all(qlab, pair):
    code, out, _ = qlab("instrument", "get", "laser.channel1.output", "--station", pair)
    assert (code, out) == (0, "laser.channel1.output  off\n")
    found = json.loads(qlab("instrument", "get", "laser.channel1", "--json", "--station", pair)[1])
    assert found["properties"]["laser.channel1.output"] == {"value": False, "unit": ""}
    assert found["properties"]["laser.channel1.power_dbm"]["unit"] == "dBm"
    code, _, err = qlab("instrument", "get", "laser.channel1.outputt", "--station", pair)
    assert code == 2
    assert "did you mean 'output'?" in err
    code, _, err = qlab("instrument", "get", "maser.channel1", "--station", pair)
    assert code == 2
    assert "did you mean 'laser'?" in err


def test_set_within_and_against_limits(qlab, pair):
    code, out, _ = qlab("instrument", "set", "laser.channel1.power_dbm", "12", "--station", pair)
    assert (code, out) == (0, "laser.channel1.power_dbm  12  dBm\n")
    code, out, err = qlab("instrument", "set", "laser.channel1.power_dbm", 14, "--station", pair)
    assert (code, out) == (4, "")
    assert err == (
        "error: laser.channel1.power_dbm: 14 is above the station's limit of 13\n"
        f"remedy: set by {pair}, line 16\n"
    )
    code, _, err = qlab("instrument", "set", "laser.channel1.output", "2", "--station", pair)
    assert code == 2
    assert "'2' is not on or off" in err


def test_query_asks_and_never_sets(qlab, pair):
    code, out, _ = qlab("instrument", "query", "bias", "MZM:MODE?", "--station", pair)
    assert (code, out) == (0, "0\n")
    for command in (
        "OUTP1:STAT 1",
        "OUTP1:STAT 1;STAT?",
        "*IDN?\nOUTP1:STAT 1",
        'DISP:TEXT "ok?"',
        "OUTP1:STAT 1?",
        "?",
        "",
    ):
        code, _, err = qlab("instrument", "query", "laser", command, "--station", pair)
        assert code == 2
        assert "is not one question" in err


def test_a_question_may_have_arguments(qlab, pair):
    code, out, _ = qlab("instrument", "query", "laser", "SOUR1:POW? MAX", "--station", pair)
    assert (code, float(out)) == (0, 15.5)


def test_replies_cannot_steer_the_terminal(qlab, pair, monkeypatch):
    class Rude:
        def ask(self, question):
            return "\x1b[2J\x9b1m\u202eok"

    monkeypatch.setattr("qlab.station.opened.Station.instrument", lambda *_: Rude())
    command = ("instrument", "query", "laser", "*IDN?", "--station", pair)
    assert qlab(*command)[1] == "\\x1b[2J\\x9b1m\\u202eok\n"
    out = qlab(*command, "--json")[1]
    assert all(part.isprintable() for part in out.splitlines())
    assert json.loads(out)["reply"] == "\x1b[2J\x9b1m\u202eok"


def real_station(tmp_path, address):
    path = tmp_path / "real.toml"
    path.write_text(
        f"""\
[station]
name = "real"
visa = "@py"
[instruments.laser]
driver = "keysight-n7714a"
address = "{address}"
[safe]
steps = [["laser.channel1.output", false]]
"""
    )
    return path


def test_an_unreachable_address(qlab, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]  # closed again, so that nobody listens there
    address = f"TCPIP0::127.0.0.1::{port}::SOCKET"
    path = real_station(tmp_path, address)
    code, out, err = qlab("instrument", "identify", "--station", path)
    assert (code, out) == (3, "")
    assert err.startswith(f"error: laser ({address}): ")
    assert "refused" in err
    assert "\nremedy: check the address" in err
    code, out, _ = qlab("station", "check", path, "--connect")
    assert code == 3
    assert f"laser  failed: laser ({address}): " in out
    code, out, _ = qlab("station", "safe", "--station", path)
    assert code == 3
    assert "FAILED" in out


def test_a_serial_port_that_is_not_there(qlab, tmp_path):
    path = real_station(tmp_path, "/dev/no-such-port")
    code, _, err = qlab("instrument", "identify", "--station", path)
    assert code == 3
    assert err.startswith("error: laser (/dev/no-such-port): the port cannot be opened")


def test_safe_needs_a_station_that_outlives_it(qlab, pair):
    code, _, err = qlab("station", "safe", "--station", pair)
    assert code == 2
    assert "nothing is left on" in err


def test_serve_needs_a_simulated_station(qlab, tmp_path):
    path = real_station(tmp_path, "/dev/no-such-port")
    code, _, err = qlab("station", "serve", "--station", path)
    assert code == 2
    assert "is no simulated station" in err


@pytest.mark.skipif(os.name == "nt", reason="serial instruments are served on pseudo-terminals")
def test_a_served_station_is_used_and_made_safe_from_outside(qlab, pair, tmp_path):
    written = tmp_path / "served.toml"
    command = [sys.executable, "-m", "qlab", "station", "serve", "--station", pair]
    with subprocess.Popen(
        [*command, "--write", written, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            served = json.loads(server.stdout.readline())
            assert [at["name"] for at in served["served"]] == ["laser", "bias"]
            assert served["served"][0]["host"] == "127.0.0.1"
            code, out, _ = qlab("instrument", "identify", "--station", written)
            assert code == 0
            assert "N7714A" in out
            assert "THORLABS,MBX" in out
            target = "laser.channel1.output"
            assert qlab("instrument", "set", target, "on", "--station", written)[0] == 0
            assert qlab("instrument", "get", target, "--station", written)[1].split()[1] == "on"
            code, _, err = qlab(
                "instrument", "set", "laser.channel1.power_dbm", 14, "--station", written
            )
            assert code == 4, err
            code, out, _ = qlab("station", "safe", "--station", written)
            assert code == 0
            assert out.count("done") == 2
            assert qlab("instrument", "get", target, "--station", written)[1].split()[1] == "off"
            code, _, err = qlab("station", "serve", "--station", pair, "--write", written)
            assert code == 2
            assert "exists" in err
        finally:
            server.send_signal(signal.SIGINT)
            _, err = server.communicate(timeout=20)
    assert server.returncode == 0, err
    assert err.endswith("ended\n")


def test_debug_shows_where_an_error_came_from(qlab, pair):
    _, _, err = qlab("--debug", "instrument", "get", "maser.x", "--station", pair)
    assert "Traceback" in err
    _, _, err = qlab("instrument", "get", "maser.x", "--station", pair)
    assert "Traceback" not in err


def test_what_nobody_foresaw_is_one_line_too(qlab, pair, monkeypatch):
    def broken(self, name):
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr("qlab.station.opened.Station.instrument", broken)
    code, _, err = qlab("instrument", "identify", "--station", pair)
    assert code == 1
    assert err.startswith("error: internal error: ZeroDivisionError: division by zero\nremedy: ")


def test_ctrl_c_has_its_exit_code(qlab, pair, monkeypatch):
    def interrupted(self, name):
        raise KeyboardInterrupt

    monkeypatch.setattr("qlab.station.opened.Station.instrument", interrupted)
    code, _, err = qlab("instrument", "identify", "--station", pair)
    assert (code, err.strip()) == (130, "stopped")


def test_doctor_finds_this_computer_fit(qlab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = qlab("doctor", "--json")
    report = json.loads(out)
    assert report["schema"] == "qlab.doctor/1"
    verdicts = {finding["subject"]: finding["verdict"] for finding in report["findings"]}
    assert (code, report["ok"]) == (0, True), report
    assert verdicts["run files"] == verdicts["packages"] == verdicts["drivers"] == "ok"
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_where_nothing_can_be_written(tmp_path):
    from qlab.doctor import examine

    nowhere = tmp_path / "file"
    nowhere.write_text("")
    finding = next(f for f in examine(nowhere) if f.subject == "run files")
    assert finding.verdict == "failed"
    assert finding.detail.startswith(f"cannot write to {nowhere}")
    assert finding.remedy
