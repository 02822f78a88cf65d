"""`qlab key rate`, as a person types it."""

import json
import math
import subprocess
import sys

import pytest

from qlab.cli import main
from qlab.rates.curves import repeaterless_bound
from qlab.rates.description import published

MINE = """\
title = "mine"

[link]
model = "detectors"
detector_efficiency = 0.2
misalignment = 0.01
dark_rate_hz = 100
window_s = 1e-9
slot_rate_hz = 100e6
dead_time_s = 1e-8
excess_loss_db = 1.0

[protocol]
name = "one-decoy"

[settings]
intensities = [0.45, 0.14]
probabilities = [0.65, 0.35]
p_z = [0.8, 0.7]

[block]
detections = 1e7

[security]
eps_sec = 1e-10
"""


@pytest.fixture
def rate(capsys):
    """Run a command line in this process; gives exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["key", "rate", *(str(argument) for argument in arguments)])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


def facts(rate, *arguments):
    code, out, _ = rate(*arguments, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["schema"] == "qlab.key.rate/1"
    return found


def test_gys_as_published(rate):
    """Ma et al. (2005): 142.05 km and 140.55 km at mu 0.48 and nu 0.05."""
    found = facts(
        rate, "--link", "gys", "--no-optimise", "--asymptotic", "infinite",
        "--asymptotic", "vacuum-weak", "--distance", "0:150:50",
    )  # fmt: skip
    infinite, weak = found["curves"]
    assert infinite["reach_km"] == pytest.approx(142.05, abs=0.2)
    assert weak["reach_km"] == pytest.approx(140.55, abs=0.2)
    assert [point["distance_km"] for point in weak["points"]] == pytest.approx([0, 50, 100, 150])
    assert infinite["points"][0]["intensities"] == [0.48]
    assert infinite["points"][-1]["rate_per_pulse"] == 0
    best = facts(rate, "--link", "gys", "--asymptotic", "infinite", "--distance", "50")
    assert best["curves"][0]["points"][0]["intensities"] == pytest.approx([0.48], abs=0.01)
    assert best["curves"][0]["reach_km"] == pytest.approx(142.05, abs=0.2)


def test_lim_as_published(rate):
    """The rate of 4.77e-5 a pulse is that of an independent optimiser with the paper's charges."""
    found = facts(rate, "--link", "lim2014", "--block", "1e7", "--distance", "100")
    point = found["curves"][0]["points"][0]
    assert point["rate_per_pulse"] == pytest.approx(4.766e-5, rel=2e-3)
    assert point["eps_sec"] == pytest.approx(1e-15 * point["secret_bits"], rel=1e-6)
    assert sum(point["n_z"]) == pytest.approx(1e7)
    assert point["seconds"] == pytest.approx(point["pulses"] / 1e9)


def test_the_bench_without_arguments(rate):
    code, out, err = rate("--distance", "0:20:10")
    assert code == 0
    assert out.startswith("simulated BB84 bench\n\none-decoy, 4e7 pulses (best settings)\n")
    assert err == "one-decoy, 4e7 pulses (3)\n"
    lines = out.splitlines()
    assert lines[3].split()[:2] == ["km", "dB"]
    assert [line.split()[0] for line in lines[4:7]] == ["0", "10", "20"]
    assert lines[7].startswith("reaches ")


def test_a_station_held_as_it_is(rate):
    """The settings of the default bench at its planned 2.4 dB: about 3.1e5 and 5.7e4 counts."""
    found = facts(rate, "--no-optimise", "--loss", "2.4")
    point = found["curves"][0]["points"][0]
    assert point["intensities"] == [0.5, 0.15]
    assert sum(point["n_z"]) == pytest.approx(3.1e5, rel=0.1)
    assert sum(point["n_x"]) == pytest.approx(5.7e4, rel=0.1)
    assert point["pulses"] == pytest.approx(4e7)
    assert point["secret_bits"] > 50_000
    assert found["curves"][0]["length_rule"] == "fixed-length"


def test_a_file(rate, mine):
    found = facts(rate, mine, "--no-optimise", "--distance", "0,50")
    first, second = found["curves"][0]["points"]
    assert (first["loss_db"], second["loss_db"]) == (1.0, 11.0)
    assert first["eps_sec"] == 1e-10
    assert first["p_z"] == [0.8, 0.7]
    assert first["rate_bps"] == pytest.approx(first["rate_per_pulse"] * 100e6)
    assert found["description"]["link"]["window_s"] == 1e-9
    changed = facts(
        rate, mine, "--no-optimise", "--distance", "50", "--set", "link.misalignment=0.03",
        "--efficiency", "1.3", "--intensities", "0.5,0.2", "--p-z", "0.6",
    )  # fmt: skip
    worse = changed["curves"][0]["points"][0]
    assert worse["qber_z"] > second["qber_z"] + 0.015
    assert (worse["efficiency"], worse["intensities"], worse["p_z"]) == (
        1.3,
        [0.5, 0.2],
        [0.6, 0.6],
    )
    assert worse["rate_per_pulse"] < second["rate_per_pulse"]


def test_blocks_by_time_pulses_and_detections(rate, mine):
    found = facts(
        rate, mine, "--no-optimise", "--loss", "10", "--time", "60", "--pulses", "6e9",
        "--block", "1e6",
    )  # fmt: skip
    detections, pulses, time = (curve["points"][0] for curve in found["curves"])
    assert time["pulses"] == pulses["pulses"] == 6e9
    assert time["secret_bits"] == pulses["secret_bits"]
    assert sum(detections["n_z"]) == pytest.approx(1e6)


def test_every_protocol(rate, mine):
    names = ("one-decoy", "two-decoy", "single-photon", "bbm92")
    chosen = [word for name in names for word in ("--protocol", name)]
    found = facts(rate, mine, "--loss", "10", *chosen)
    assert [curve["protocol"] for curve in found["curves"]] == list(names)
    for curve in found["curves"]:
        assert curve["proof"]
        assert curve["assumptions"]
        assert 0 < curve["points"][0]["rate_per_pulse"] < repeaterless_bound(10)


@pytest.mark.parametrize(
    ("source", "how"),
    [
        (("--link", "lim2014"), ("--asymptotic", "infinite")),
        (("--link", "gys"), ("--asymptotic", "vacuum-weak")),
        ((), ("--no-optimise",)),
    ],
)
def test_what_is_shown_describes_the_same(rate, tmp_path, source, how):
    changed = (*source, "--set", "correction.efficiency=1.2")
    code, text, _ = rate(*changed, "--show")
    assert code == 0
    path = tmp_path / "shown.toml"
    path.write_text(text)
    one, other = (facts(rate, *link, *how, "--loss", "5") for link in (changed, (path,)))
    assert one == other


def test_the_limit_of_frames(rate, mine):
    frames = ("--no-optimise", "--loss", "10", "--set", "correction.frame=16384")
    point = facts(rate, mine, *frames)["curves"][0]["points"][0]
    assert point["efficiency"] == pytest.approx(1.18, abs=0.03)
    again = facts(rate, mine, *frames, "--efficiency", "1.5")
    assert again["curves"][0]["points"][0]["efficiency"] == 1.5


def test_a_picture_is_drawn_and_never_drawn_over(rate, mine, tmp_path):
    picture = tmp_path / "rates.png"
    arguments = (mine, "--loss", "0:30:10", "--asymptotic", "infinite")
    code, out, _ = rate(*arguments, "--plot", picture)
    assert code == 0
    assert out.endswith(f"wrote {picture}\n")
    drawn = picture.read_bytes()
    assert drawn.startswith(b"\x89PNG")
    code, out, err = rate(*arguments, "--plot", picture)
    assert (code, out) == (2, "")
    assert err == f"error: {picture} exists\nremedy: choose another name or use --force\n"
    assert picture.read_bytes() == drawn
    code, _, _ = rate(mine, "--no-optimise", "--loss", "5", "--plot", picture, "--force")
    assert code == 0
    assert picture.read_bytes() != drawn
    code, _, _ = rate(mine, "--loss", "5:15:5", "--plot", tmp_path / "with-settings.png")
    assert code == 0
    for ending, start in ((".pdf", b"%PDF"), (".svg", b"<?xml")):
        other = tmp_path / f"rates{ending}"
        assert rate(mine, "--loss", "5,60", "--no-optimise", "--plot", other)[0] == 0
        assert other.read_bytes().startswith(start)


def test_no_key_is_said_with_its_exit_code(rate, mine, tmp_path):
    picture = tmp_path / "nothing.png"
    code, out, err = rate(mine, "--no-optimise", "--loss", "70,80", "--plot", picture)
    assert code == 7
    assert "reaches " in out
    assert "error: no key at any of these losses: " in err
    assert "remedy: take a smaller loss" in err
    assert picture.exists()
    code, out, _ = rate(mine, "--block", "1000", "--loss", "0", "--json")
    assert code == 7
    curve = json.loads(out)["curves"][0]
    assert curve["reach_db"] is None
    point = curve["points"][0]
    assert (point["secret_bits"], point["intensities"], point["seconds"]) == (0, None, None)
    assert point["no_key"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--link", "gis"), "did you mean 'gys'?"),
        (("--link", "gys", "--station", "x.toml"), "the link is named twice"),
        (("--distance", "5", "--loss", "5"), "both --distance and --loss"),
        (("--distance", "0:10"), "is neither like"),
        (("--distance", "-5"), "is neither like"),
        (("--distance", "10:0:1"), "is not 1 to 2000 places"),
        (("--distance", "0:10:0"), "is not 1 to 2000 places"),
        (("--loss", "0:1e9:1e-9"), "is not 1 to 2000 places"),
        (("--loss", "nan"), "is neither like"),
        (("--intensities", "0.5,0.1"), "add --no-optimise"),
        (("--no-optimise", "--intensities", "0.1,0.5"), "strictly descending"),
        (("--no-optimise", "--intensities", "0.5,x"), "is not numbers"),
        (("--no-optimise", "--protocol", "two-decoy"), "two-decoy has 3 intensities"),
        (("--no-optimise", "--p-z", "0.5,0.5,0.5"), "p_z has one value"),
        (("--link", "gys", "--no-optimise"), "give --probabilities"),
        (("--link", "lim2014", "--no-optimise", "--asymptotic", "infinite"), "has no intensities"),
        (("--efficiency", "0.9"), "0.9 is outside 1 to 10"),
        (("--block", "0.5"), "not in the range"),
        (("--block", "inf"), "not in the range"),
        (("--block", "1e300"), "not in the range"),
        (("--plot", "nowhere/rates.png"), "there is no folder nowhere"),
        (("--loss", "1e999"), "as inf dB would be"),
        (("--set", "nonsense"), "is no change"),
        (("--set", "link.misalignment=x"), "is no change"),
        (("--set", "title.x=1"), "is no change"),
        (("--set", "link.misalignment=0.7"), "from 0 to 1/2"),
        (("--set", "link.mislignment=0.1"), "did you mean 'misalignment'?"),
        (("--set", "link.model='x'"), "there is no model 'x'"),
        (("--set", "block.seconds=3"), "one of the three"),
        (("--set", "security.variable_length=true"), "no proof here covers a variable length"),
        (("--set", "detectors.efficiency=[0.1,0.2]"), "no proof here covers detectors"),
        (("--plot", "rates.gif"), "a picture ends in .png"),
        (("nothing.toml",), "cannot be read"),
    ],
)
def test_mistakes_are_usage_with_a_remedy(rate, arguments, error, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, out, err = rate(*arguments)
    assert (code, out) == (2, "")
    assert err.split("error: ", 1)[1].strip()
    assert error in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (MINE.replace("misalignment", "mislignment"), "line 6: link.mislignment: unknown key"),
        (MINE.replace("0.01", '"a"'), "line 6: link.misalignment: must be a number"),
        (MINE.replace("[link]", "[lnk]"), "did you mean 'link'?"),
        (MINE.replace("1e7", "1e7\npulses = 3.0"), "one of the three"),
        (MINE.replace('"one-decoy"', '"none"'), "protocol.name: 'none' is not one of"),
        (MINE.replace("100e6", "2e9"), "the window is longer than a slot"),
        ("title = 3\n[link]\n", "'detector_efficiency' is missing"),
        (MINE.replace('"mine"', "3"), "title: must be a text"),
        (MINE.replace("1e7", "nan"), "not nan"),
        ("link = 3", "there is no table [link]"),
        ("", "there is no table [link]"),
        ("[link", "not valid TOML"),
        ("\x00", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(rate, tmp_path, text, error):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    code, out, err = rate(path, "--loss", "5")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {path}")
    assert error in err


def test_a_file_that_is_no_text(rate, tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_bytes(b"\xff\xfe\x00")
    code, _, err = rate(path)
    assert code == 2
    assert "not UTF-8 text" in err


def test_help_names_every_published_link(rate):
    code, out, _ = rate("--help")
    assert code == 0
    assert ", ".join(published()) in out


def test_the_command_is_listed_without_importing_it():
    code = (
        "import sys\n"
        "from qlab.cli import main\n"
        "try:\n"
        "    main(['key', '--help'])\n"
        "except SystemExit:\n"
        "    heavy = {'numpy', 'scipy', 'matplotlib', 'protocols'}\n"
        "    sys.exit(str(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"
    assert "\n  rate " in done.stdout


def test_the_repeaterless_bound():
    """Half of the photons lost: one bit. Pirandola et al. (2017); 1.44 eta where little is left."""
    assert repeaterless_bound(10 * math.log10(2)) == pytest.approx(1.0)
    assert repeaterless_bound(60) == pytest.approx(1.4427e-6, rel=1e-4)
    assert repeaterless_bound(0) == math.inf
