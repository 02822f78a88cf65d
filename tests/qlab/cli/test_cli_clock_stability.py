"""`qlab clock stability`, as a person types it."""

import gzip
import json
import math
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from protocols.stability import STATISTICS
from qlab.cli import main


def sp1065_frequency():
    """NIST SP 1065, section 12.4."""
    number, found = 1234567890, []
    for _ in range(1000):
        found.append(number / 2147483647)
        number = 16807 * number % 2147483647
    return np.array(found)


@pytest.fixture
def stability(capsys):
    """Run a command line in this process; gives exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["clock", "stability", *(str(argument) for argument in arguments)])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


@pytest.fixture
def frequency(tmp_path):
    path = tmp_path / "frequency.txt"
    np.savetxt(path, sp1065_frequency(), header="NIST SP 1065")
    return path


@pytest.fixture
def phase(tmp_path):
    path = tmp_path / "phase.dat"
    values = sp1065_frequency()
    np.savetxt(path, np.concatenate([[0], np.cumsum(values - values.mean())]))
    return path


def facts(stability, *arguments):
    code, out, _ = stability(*arguments, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["schema"] == "qlab.clock.stability/1"
    return found


def test_the_whole_program(frequency, tmp_path):
    """In a process of its own, from a packed file to JSON and a picture."""
    packed = tmp_path / "frequency.txt.gz"
    packed.write_bytes(gzip.compress(frequency.read_bytes()))
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "qlab", "clock", "stability", packed, "--input", "frequency"),
            *("--rate", "1", "--stat", "oadev", "--taus", "decade", "--json"),
            *("--plot", tmp_path / "sigma.png"),
        ],
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert list(found["stats"]) == ["oadev"]
    oadev = found["stats"]["oadev"]
    assert set(oadev) == {"tau", "dev", "lo", "hi", "alpha", "n"}
    assert oadev["tau"] == [1, 2, 4, 10, 20, 40, 100, 200, 400]
    at = dict(zip(oadev["tau"], oadev["dev"], strict=True))
    for tau, published in ((1, 2.922319e-1), (10, 9.159953e-2), (100, 3.241343e-2)):
        assert float(f"{at[tau]:.6e}") == published
    assert oadev["alpha"][:4] == [0, 0, 0, 0]
    assert oadev["n"][0] == 999
    assert all(
        lo < dev < hi for lo, dev, hi in zip(*map(oadev.get, ("lo", "dev", "hi")), strict=True)
    )
    assert (tmp_path / "sigma.png").read_bytes().startswith(b"\x89PNG")


def test_every_statistic(stability, phase):
    found = facts(stability, phase, "--stat", ",".join(STATISTICS), "--taus", "octave")
    assert list(found["stats"]) == list(STATISTICS)
    for name, one in found["stats"].items():
        lengths = {len(column) for column in one.values()}
        assert lengths == {len(one["tau"])}
        assert one["tau"] == sorted(one["tau"])
        assert all(value > 0 for value in one["dev"])
        if name in ("mtie", "tierms"):
            assert one["lo"] == [None] * len(one["tau"])
    assert found["stats"]["theo1"]["tau"][0] == 0.75 * 16
    assert found["stats"]["mtie"]["dev"][1] == pytest.approx(0.933483479, abs=1e-9)


def test_the_table(stability, phase):
    code, out, err = stability(phase, "--taus", "1,4,16", "--stat", "OADEV, mtie")
    assert code == 0
    assert "one reading a second is assumed" in err
    lines = out.splitlines()
    assert lines[0] == "phase.dat: text columns, phase"
    assert lines[1] == "1,001 points, tau0 1 s (assumed)"
    assert lines[3] == "OADEV, limits at 68.3 %"
    assert lines[4].split() == ["AF", "tau", "#", "alpha", "min", "sigma", "max"]
    # Stable32: 4 .13931 .14479 .15098
    assert lines[6].split() == [
        "4",
        "4.0000e+00",
        "993",
        "0",
        "1.3927e-01",
        "1.4479e-01",
        "1.5102e-01",
    ]
    assert lines[9] == "MTIE, limits at 68.3 %"
    assert lines[11].split()[-3:] == ["-", "5.0597e-01", "-"]


def test_confidence_rate_and_all_taus(stability, phase):
    narrow = facts(stability, phase, "--rate", 10, "--taus", "all", "--confidence", 0.5)
    wide = facts(stability, phase, "--rate", 10, "--taus", "all", "--confidence", 0.99)
    one, other = narrow["stats"]["oadev"], wide["stats"]["oadev"]
    assert narrow["tau0_s"] == 0.1
    assert len(one["tau"]) == 500
    assert one["tau"][9] == pytest.approx(1.0)
    assert one["dev"] == other["dev"]
    assert all(a < b for a, b in zip(other["lo"], one["lo"], strict=True))
    assert all(a < b for a, b in zip(one["hi"], other["hi"], strict=True))


def test_long_work_shows_how_far_it_is_and_heeds_ctrl_c(stability, phase, monkeypatch):
    """The clock of the test goes on by half a minute at each look."""
    ticks = iter(range(0, 10**9, 30))
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr("qlab.cli.clock.stability.time", clock)
    code, out, err = stability(phase, "--taus", "all", "--stat", "oadev,mdev", "--json")
    assert code == 0
    assert "oadev may take " in err and " minutes more; Ctrl-C stops it" in err
    assert "oadev (500)" in err and "mdev (333)" in err
    monkeypatch.undo()
    assert stability(phase, "--taus", "all", "--stat", "oadev,mdev", "--json")[1] == out

    def pressed(*_):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as pressed:
            raise SystemError("a kernel returned a result with an exception set") from pressed

    monkeypatch.setattr("protocols.stability.estimate._variance", pressed)
    assert stability(phase)[0] == 130


def test_gaps_outliers_drift_and_jumps(stability, tmp_path):
    rng = np.random.default_rng(1)
    t = np.arange(4000.0)
    x = 1e-9 * rng.standard_normal(4000) + 3e-9 * t + 0.5e-13 * t**2
    clean = tmp_path / "clean.txt"
    np.savetxt(clean, x - (3e-9 * t + 0.5e-13 * t**2))
    x[1000] += 1e-6
    rows = [f"{value!r}" for value in x.tolist()]
    rows[2000:2010] = ["nan"] * 10
    log = tmp_path / "log.txt"
    log.write_text("\n".join(rows))
    found = facts(stability, log, "--outliers", 7, "--drift", "quadratic", "--jumps", 100)
    assert (found["points"], found["missing"], found["outliers"]) == (4000, 10, 1)
    assert found["drift"]["frequency"] == pytest.approx(3e-9, rel=1e-3)
    assert found["drift"]["drift_per_s"] == pytest.approx(1e-13, rel=0.05)
    assert found["jumps"] == []
    ours, theirs = found["stats"]["oadev"], facts(stability, clean)["stats"]["oadev"]
    assert ours["dev"][:8] == pytest.approx(theirs["dev"][:8], rel=0.03)
    assert ours["n"][0] == 3998 - 12 - 3  # each missing sample, and the outlier, spoils terms
    np.savetxt(log, 1e-9 * rng.standard_normal(4000) + 5e-9 * (t >= 3000))
    code, out, _ = stability(log, "--jumps", 50)
    assert code == 0
    found = re.search(r"phase jump at ([\d,]+): \+([45]\.\d+e-09) s, ", out)
    assert found
    assert abs(int(found[1].replace(",", "")) - 3000) <= 3


def test_hertz_and_averaging_counters(stability, tmp_path):
    log = tmp_path / "f.txt"
    hertz = 10e6 * (1 + 1e-11 * np.random.default_rng(2).standard_normal(500))
    log.write_text("\n".join(map(repr, hertz.tolist())))
    raw = facts(stability, log, "--input", "frequency")
    assert any("--nominal" in note for note in raw["notes"])
    found = facts(stability, log, "--nominal", 10e6, "--estimator", "lambda")
    assert found["input"] == "frequency"
    assert found["stats"]["oadev"]["dev"][0] == pytest.approx(1e-11, rel=0.1)
    assert raw["stats"]["oadev"]["dev"][0] == pytest.approx(
        1e7 * found["stats"]["oadev"]["dev"][0], rel=1e-6
    )
    assert any("lambda" in note and "oadev" in note for note in found["notes"])
    assert not facts(stability, log, "--nominal", 10e6, "--estimator", "pi")["notes"][1:]


def test_what_is_asked_wrongly(stability, phase, tmp_path):
    for arguments, said in (
        ((phase, "--stat", "sdev"), "there is no statistic 'sdev'"),
        ((phase, "--stat", ","), "no statistic is named"),
        ((phase, "--taus", "sometimes"), "is not octave, decade, all"),
        ((phase, "--rate", "nan"), "no finite number"),
        ((phase, "--nominal", "inf"), "no finite number"),
        ((phase, "--taus", "1,1e5"), "longer than the data allow"),
        ((phase, "--rate", "0"), "--rate"),
        ((phase, "--column", "0"), "--column"),
        ((phase, "--column", "2"), "there is no column 2"),
        ((phase, "--drift", "cubic"), "models of phase are"),
        ((phase, "--nominal", "1e7", "--input", "phase"), "for readings of frequency"),
        ((phase, "--plot", "sigma.gif"), "a picture ends in .png"),
        ((tmp_path / "none",), "no such file"),
        ((tmp_path,), "not a file"),
        ((phase, "--plot", str(tmp_path / "none" / "sigma.png")), "there is no folder"),
    ):
        code, out, err = stability(*arguments)
        assert (code, out) == (2, "")
        assert said in err
        assert "remedy: " in err
    code, out, _ = stability(tmp_path / "none", "--json")
    assert json.loads(out)["exit_code"] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no reading in it"),
        ("# nothing\n", "no reading in it"),
        ("1\n2\nthree\n4\n", "line 3, column 1: 'three' is not a number"),
        ("1\n", "too few"),
        ("nan\nnan\n1\n", "too few"),
        ("0 1e-9\n1 2e-9\n2 3e-9\n1 4e-9\n3 5e-9\n4 5e-9\n5 5e-9\n", "line 4: the time stamp"),
    ],
)
def test_bad_files(stability, tmp_path, text, said):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    code, out, err = stability(path)
    assert (code, out) == (2, "")
    assert said in err
    assert "remedy: " in err


def test_the_rate_against_the_time_stamps(stability, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("".join(f"{k / 100:.2f}, {k % 7}e-9\n" for k in range(100)))
    code, _, err = stability(path, "--rate", 1)
    assert code == 2
    assert "0.01 s apart, not 1 s" in err
    assert facts(stability, path)["tau0_s"] == 0.01


def test_a_picture_is_not_replaced_unasked(stability, phase, tmp_path):
    picture = tmp_path / "a.svg"
    picture.write_text("mine")
    code, _, err = stability(phase, "--plot", picture)
    assert code == 2
    assert picture.read_text() == "mine"
    assert "--force" in err
    code, out, _ = stability(phase, "--stat", "oadev,tdev,mtie", "--plot", picture, "--force")
    assert code == 0
    assert f"wrote {picture}" in out
    assert "<svg" in picture.read_text()


def test_no_two_statistics_look_alike(stability, phase, tmp_path, monkeypatch):
    figures = []
    kept = "qlab.stability.plot.save_picture"
    monkeypatch.setattr(kept, lambda figure, *_, **__: figures.append(figure))
    for taus, drawn in (("octave", ("o", "s")), ("all", ("None",))):
        names = ",".join(STATISTICS)
        assert (
            stability(phase, "--stat", names, "--taus", taus, "--plot", tmp_path / "x.png")[0] == 0
        )
        lines = [
            line for axes in figures.pop().axes for line in axes.lines if line.get_label()[0] != "_"
        ]
        assert len(lines) == len(STATISTICS)
        assert {line.get_marker() for line in lines} >= set(drawn)
        assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == len(lines)


def test_help_imports_no_numpy():
    script = (
        "import sys\nfrom qlab.cli import main\n"
        "try: main(['clock', 'stability', '--help'])\nexcept SystemExit: pass\n"
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=60)


def test_the_run_file_of_a_counter(stability, tmp_path, capsys):
    path = tmp_path / "run.h5"
    with pytest.raises(SystemExit) as ended:
        main(f"run counter --seed 3 --duration 30 --quantity frequency -o {path}".split())
    assert ended.value.code == 0
    capsys.readouterr()
    code, out, err = stability(path, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["input"], found["tau0_s"]) == ("frequency", 1.0)
    assert found["points"] >= 28
    assert 1e-13 < found["stats"]["oadev"]["dev"][0] < 1e-9
    assert "averages frequency (lambda)" in err


def test_long_files_are_streamed(stability, tmp_path, monkeypatch):
    """As from memory up to the averaging factor that takes every term, and nearly so above."""
    values = np.cumsum(np.random.default_rng(3).standard_normal(30_000))
    values[5000:5010] = math.nan
    path = tmp_path / "long.txt"
    np.savetxt(path, values)
    whole = facts(stability, path, "--stat", "oadev,mdev,tierms")
    monkeypatch.setattr("qlab.stability.results._IN_MEMORY", 10_000)
    streamed = facts(stability, path, "--stat", "oadev,mdev,tierms")
    assert any(note.startswith("streamed") for note in streamed["notes"])
    assert (streamed["points"], streamed["missing"]) == (30_000, 10)
    for name, one in whole["stats"].items():
        exact = sum(tau <= 4096 for tau in one["tau"])
        assert exact == 13
        dev, n = (streamed["stats"][name][key] for key in ("dev", "n"))
        assert dev[:exact] == pytest.approx(one["dev"][:exact], rel=1e-9)
        assert dev[exact:] == pytest.approx(one["dev"][exact:], rel=0.01)
        assert n[:exact] == one["n"][:exact]
    monkeypatch.setattr("qlab.stability.results._MOST_IN_MEMORY", 20_000)
    code, _, err = stability(path, "--stat", "pdev")
    assert code == 2
    assert "more than 20,000 readings" in err
