"""`qlab inspect`: what it says of a file, and how it ends for one that does not hold."""

import json

import h5py
import pytest
from runfile_makers import START, make_run, make_unfinished, start_run

from drivers.core.context import Kind
from qlab.cli import main
from qlab.runfile.schema import companion_path
from qlab.runfile.seal import seal

#: 1970-01-01 is MJD 40587.
MJD = START.timestamp() / 86_400 + 40_587


@pytest.fixture
def inspect(capsys):
    """Run `qlab inspect`; gives exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["inspect", *map(str, arguments)])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


def line(out, name):
    return next(text for text in out.splitlines() if text.startswith(name)).split(None, 1)[1]


def test_verifying_includes_the_companion(inspect, tmp_path):
    path = make_run(tmp_path / "run.h5", operational=True)
    code, out, _ = inspect(path, "--verify")
    assert code == 0
    assert line(out, "verified").endswith("chain and data agree; companion good")
    facts = json.loads(inspect(path, "--verify", "--json")[1])
    assert facts["verification"]["good"] is True
    assert facts["verification"]["companion"] == "good"
    assert facts["verification"]["commits"] == facts["commits"]


def test_a_companion_that_is_missing_is_no_damage(inspect, tmp_path):
    path = make_run(tmp_path / "run.h5", operational=True)
    companion_path(path).unlink()
    code, out, _ = inspect(path, "--verify")
    assert code == 0
    assert "companion missing" in line(out, "verified")


def test_another_run_s_companion_is(inspect, tmp_path):
    path, other = (make_run(tmp_path / f"{n}.h5", operational=True) for n in ("run", "other"))
    companion_path(other).replace(companion_path(path))
    assert inspect(path)[0] == 0, "it is not opened unless asked for"
    code, out, err = inspect(path, "--verify")
    assert code == 8
    assert err.startswith(f"error: {path}: companion: ")
    assert "it is not the companion" in err
    assert "not the companion" in line(out, "verified")
    code, out, _ = inspect(path, "--verify", "--json")
    assert code == 8
    assert json.loads(out)["verification"]["good"] is False


def test_a_forged_seal(inspect, tmp_path):
    path = make_run(tmp_path / "run.h5")
    with h5py.File(path, "r+") as file:
        file["data/bob/timestamps"][3] += 1
    seal(path)
    assert inspect(path)[0] == 0
    code, _, err = inspect(path, "--verify")
    assert code == 8
    assert "does not match what it covers" in err


def test_an_unfinished_file_holds_as_far_as_it_goes(inspect, tmp_path):
    path = make_unfinished(tmp_path / "run.h5", records=10)
    code, out, _ = inspect(path, "--verify")
    assert code == 0
    assert "chain and data agree" in line(out, "verified")


@pytest.mark.parametrize("operational", [False, True])
@pytest.mark.parametrize(
    ("results", "key", "fit"),
    [
        ({}, "the results do not say", None),
        ({"fit_for_use": True, "no_key": None}, "fit for use", True),
        ({"fit_for_use": False, "no_key": None}, "not fit for use", False),
        ({"fit_for_use": False, "no_key": "too short"}, "none: too short", False),
        ({"fit_for_use": "yes"}, "the results do not say", None),
    ],
)
def test_where_raw_keys_are_and_whether_the_key_may_be_used(
    inspect, tmp_path, operational, results, key, fit
):
    """Two questions: a rehearsal keeps its raw keys apart and has no key to use."""
    path = tmp_path / "run.h5"
    with start_run(path, operational=operational) as writer:
        writer.result(results)
    _, out, _ = inspect(path)
    place = "in the companion" if operational else "in this file: simulated"
    assert line(out, "raw keys") == f"keys  {place}"
    assert line(out, "key ") == key
    assert json.loads(inspect(path, "--json")[1])["fit_for_use"] is fit


def test_texts_of_a_stranger_s_file_stay_in_their_line(inspect, tmp_path):
    path = tmp_path / "run.h5"
    with start_run(path, run_id="a\nstatus    forged") as writer:
        writer.record("laser\rkey       fit for use", Kind.WRITE, b"x")
        writer.record("run", Kind.LOG, b"\x1b[2J\nverified  7 commits")
    _, out, _ = inspect(path, "--tree")
    assert "\x1b" not in out and "\r" not in out
    for forged in ("status    forged", "key       fit for use", "verified  7 commits"):
        assert forged in out
        assert f"\n{forged}" not in out


def test_why_a_run_ended_early(inspect, tmp_path):
    path = tmp_path / "run.h5"
    with start_run(path) as writer:
        writer.result({"error": "laser: on fire"})
    assert line(inspect(path)[1], "status").endswith(": laser: on fire")
    assert json.loads(inspect(path, "--json")[1])["error"] == "laser: on fire"


def test_the_object_names_its_own_schema_beside_the_file_s(inspect, tmp_path):
    facts = json.loads(inspect(make_run(tmp_path / "run.h5"), "--json")[1])
    assert facts["schema"] == "qlab.inspect/1"
    assert facts["file_schema"] == "1.0"


def test_the_start_is_told_as_a_day_number_too(inspect, tmp_path):
    path = make_run(tmp_path / "run.h5")
    assert f"MJD {MJD:.5f}" in line(inspect(path)[1], "run")
    assert json.loads(inspect(path, "--json")[1])["start_mjd"] == pytest.approx(MJD, abs=1e-9)
