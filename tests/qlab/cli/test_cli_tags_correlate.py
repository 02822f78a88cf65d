"""`qlab tags correlate`, `coincidences` and `deadtime`, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from protocols.timetags.synchronisation.clock_model import ClockModel
from qlab.cli import main
from qlab.tags.models import write_model

TICK_PS = 1000 / 256
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tags(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process; gives exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["tags", *(str(argument) for argument in arguments)])
        said = capsys.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return code, said.out, said.err

    return run


def stamps(path: Path, *streams: np.ndarray, shuffle: int = 0) -> Path:
    """Write times in ps as qcrypto stamps of channels 1, 2 ..., perhaps a little out of order."""
    ticks = np.concatenate([np.round(times / TICK_PS) for times in streams]).astype(np.uint64)
    flags = np.repeat([1 << place for place in range(len(streams))], [s.size for s in streams])
    order = np.argsort(ticks + np.random.default_rng(0).integers(0, shuffle + 1, ticks.size))
    ((ticks << np.uint64(10)) | flags.astype(np.uint64))[order].astype("<u8").tofile(path)
    return path


@pytest.fixture(scope="module")
def light() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 0.1 s of pairs of which one is 12.5 ns late by 150 ps, with singles, and of others."""
    draws = np.random.default_rng(1)
    pairs = draws.uniform(1e9, 1e11, 3_000)
    a = np.append(pairs, draws.uniform(1e9, 1e11, 20_000))
    b = np.append(pairs + 12_500 + draws.normal(0, 150, 3_000), draws.uniform(1e9, 1e11, 20_000))
    return a, b, draws.uniform(1e9, 1e11, 20_000)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, light: tuple[np.ndarray, ...]) -> Path:
    """Return a file whose tags are out of order by up to 100 ns."""
    return stamps(tmp_path_factory.mktemp("tags") / "pairs.dat", *light, shuffle=25_600)


def test_the_peak_of_a_file(tags: Run, file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "g2.png"
    code, out, _ = tags(
        "correlate", file, "--start", 1, "--stop", 2, "--bin", 40, "--range", 30_000,
        "--plot", picture, "--json",
    )  # fmt: skip
    facts = json.loads(out)
    assert code == 0
    assert facts["schema"] == "qlab.tags.correlate/1"
    assert facts["unit_ps"] == 3.90625
    assert facts["lag_ps"] == list(range(-30_000, 30_001, 40))
    assert len(facts["counts"]) == len(facts["g2"]) == len(facts["lag_ps"])
    assert abs(facts["lag_ps"][int(np.argmax(facts["counts"]))] - 12_500) < 200
    peak = facts["peak"]
    assert abs(peak["position_ps"] - 12_500) < 5 * peak["position_std_ps"] < 25
    assert abs(peak["fwhm_ps"] - 2.3548 * 150) < 5 * peak["fwhm_std_ps"] < 50
    assert abs(peak["pairs"] - 3_000) < 5 * peak["pairs_std"] < 400
    assert facts["coincidences"]["coincidence_to_accidental_ratio"] > 10
    assert facts["false_alarm_probability"] < 1e-100
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_first_stops_only(tags: Run, file: Path) -> None:
    code, out, _ = tags("correlate", file, "--start", 1, "--stop", 2, "--first", "--json")
    facts = json.loads(out)
    assert (code, facts["pairs"]) == (0, "first")
    assert facts["lag_ps"][0] == 0
    assert abs(facts["peak"]["position_ps"] - 12_500) < 5 * facts["peak"]["position_std_ps"]
    code, _, err = tags("correlate", file, "--start", 2, "--stop", 1, "--first")
    assert code == 1  # the partner came before
    assert "flat" in err


def test_a_person_reads_where_the_peak_is(tags: Run, file: Path) -> None:
    code, out, _ = tags("correlate", file, "--start", 2, "--stop", 1)
    assert code == 0
    assert "peak at -12,5" in out or "peak at -12,49" in out
    assert "coincidence-to-accidental ratio" in out


def test_two_files(tags: Run, light: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    """The other station began a little later, and writes its tags as channel 1."""
    a, b, _ = light
    first = stamps(tmp_path / "a.dat", a)
    second = stamps(tmp_path / "b.dat", b[b > 5e9])
    code, out, _ = tags("correlate", first, second, "--start", 1, "--stop", 1, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["other"] == str(second)
    assert abs(facts["peak"]["position_ps"] - 12_500) < 5 * facts["peak"]["position_std_ps"]
    assert abs(facts["duration_s"] - 0.095) < 1e-4
    code, _, err = tags("correlate", first, first, "--start", 1, "--stop", 1)
    assert code == 1
    assert "tick for tick" in err


def test_two_clocks(tags: Run, light: tuple[np.ndarray, ...], tmp_path: Path) -> None:
    """The other clock is 3 ms ahead and 20 ppm fast, and its ticks are picoseconds."""
    a, b, _ = light
    first, second = stamps(tmp_path / "a.dat", a), tmp_path / "b.csv"
    late = np.sort(b + 3e9 + 20e-6 * (b - a.min())).astype(np.int64)
    second.write_text("time_ps,channel\n" + "".join(f"{time},7\n" for time in late))
    tick_a, tick_b = Fraction(1, 256 * 10**9), Fraction(1, 10**12)
    origin = round(a.min() / TICK_PS)
    model = ClockModel.line(origin, Fraction(3, 1000), 20e-6, tick_a, tick_b)
    write_model(tmp_path / "clocks.json", model, overwrite=False)
    both = ("--start", 1, "--stop", 7)
    named = ("--model", tmp_path / "clocks.json", "--json")
    code, out, _ = tags("correlate", first, second, *both, *named)
    peak = json.loads(out)["peak"]
    assert code == 0
    assert abs(peak["position_ps"] - 12_500) < 5 * peak["position_std_ps"]
    assert abs(peak["sigma_ps"] - 150) < 5 * peak["sigma_std_ps"]
    assert tags("correlate", first, second, *both)[0] == 1
    code, _, err = tags("correlate", second, first, "--start", 7, "--stop", 1, *named)
    assert code == 2
    assert "other ticks" in err


def test_nothing_in_common_is_a_failure_without_a_peak(tags: Run, file: Path) -> None:
    code, out, err = tags("correlate", file, "--start", 1, "--stop", 3, "--bin", 500, "--json")
    facts = json.loads(out)
    assert code == 1
    assert facts["peak"] is None
    assert facts["coincidences"] is None
    assert abs(np.mean(facts["g2"]) - 1) < 0.1
    assert "the histogram is flat" in err
    code, out, _ = tags("correlate", file, "--start", 1, "--stop", 3, "--bin", 500)
    assert "no peak" in out
    assert " at " not in out


def test_a_channel_with_itself_may_be_flat(tags: Run, file: Path) -> None:
    code, out, _ = tags("correlate", file, "--start", 3, "--stop", 3, "--json")
    assert code == 0
    assert json.loads(out)["peak"] is None


def test_what_is_refused(tags: Run, file: Path, tmp_path: Path) -> None:
    both = ("--start", 1, "--stop", 2)
    for code, word, arguments in [
        (1, "no tags on channel 4", ("--start", 1, "--stop", 4)),
        (2, "narrower than the tick", (*both, "--bin", 3)),
        (2, "not a number", (*both, "--bin", "wide")),
        (2, "not above zero", (*both, "--range", "-5")),
        (2, "bins", (*both, "--bin", 4, "--range", 1e12)),
        (2, "ends in", (*both, "--plot", tmp_path / "g2.gif")),
        (2, "second file", (*both, "--model", file)),
    ]:
        ended, out, err = tags("correlate", file, *arguments)
        assert (ended, out) == (code, "")
        assert word in err


def test_coincidences(tags: Run, file: Path) -> None:
    """95.4 % of the pairs are within 300 ps; 5 standard deviations."""
    code, out, _ = tags(
        "coincidences", file, "--fold", "1,2", "--fold", "1,2,3", "--delay", "2:12500",
        "--window", 300, "--json",
    )  # fmt: skip
    facts = json.loads(out)
    two, three = facts["folds"]
    assert code == 0
    assert facts["window_ps"] == 76 * TICK_PS
    assert facts["delays_ps"] == {"2": 12_500}
    assert two["singles"] == [23_000, 23_000]
    chance = 23_000**2 / 0.099e12 * 600
    assert abs(two["accidentals"] - chance) < 0.1
    assert abs(two["coincidences"] - 0.954 * 3_000 - chance) < 5 * two["coincidences_std"]
    assert three["channels"] == [1, 2, 3]
    assert three["coincidences"] <= 3
    code, out, err = tags("coincidences", file, "--fold", "1,3")
    assert code == 1
    assert "as many coincidences as by chance" in err
    for wrong in (["--fold", "1"], ["--fold", "1,1"], ["--fold", "1,2", "--delay", "3:5"]):
        assert tags("coincidences", file, *wrong)[0] == 2
    assert tags("coincidences", file, "--fold", "1,4")[0] == 1


def test_dead_time(tags: Run, tmp_path: Path) -> None:
    draws = np.random.default_rng(5)
    detector = stamps(tmp_path / "d.dat", np.cumsum(80_000 + draws.exponential(1e7, 200_000)))
    picture = tmp_path / "d.png"
    code, out, _ = tags("deadtime", detector, "--channel", 1, "--plot", picture, "--json")
    facts = json.loads(out)
    assert code == 0
    assert abs(facts["dead_time_ps"] - 80_000) < 4 * facts["dead_time_std_ps"]
    assert 80_000 - 4 <= facts["shortest_ps"] < 81_000
    assert abs(facts["afterpulse_probability"]) < 5 * facts["afterpulse_probability_std"] < 0.02
    assert abs(facts["rate"] - 1e5) < 2e3
    assert picture.exists()
    code, out, _ = tags("deadtime", detector, "--channel", 1)
    assert "dead time 8" in out or "dead time 7" in out
    code, _, err = tags("deadtime", detector, "--channel", 1, "--range", "1e9", "--bin", "1e6")
    assert code == 1
    assert "the intervals do not tell" in err
