"""`qlab tags sync`, as a person types it."""

import json

import numpy as np
import pytest

from qlab.cli import main
from qlab.tags.models import read_model

STAMP_PS = 1000 / 256


@pytest.fixture
def sync(capsys):
    """Run a command line in this process; gives exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["tags", "sync", *(str(argument) for argument in arguments)])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


def stamps(path, times_s, channels=None):
    """Write times as qcrypto stamps."""
    ticks = np.rint(np.asarray(times_s) * 1e12 / STAMP_PS).astype(np.uint64)
    flags = np.ones(ticks.size, np.uint64) if channels is None else 1 << (channels - 1)
    order = np.argsort(ticks, kind="stable")
    ((ticks << np.uint64(10)) | flags.astype(np.uint64))[order].astype("<u8").tofile(path)
    return path


@pytest.fixture(scope="module")
def light():
    """Return 2 s of pairs and singles, B's clock 0.2 s ahead and 30 ppm slow."""
    draws = np.random.default_rng(11)
    born = draws.uniform(4, 6, 3_000)
    a = np.append(born, draws.uniform(4, 6, 7_000))
    b = np.append(born + draws.normal(0, 250e-12, born.size), draws.uniform(4, 6, 9_000))
    return a, b + 0.2 - 30e-6 * (b - a.min())


def test_two_stations_find_their_common_time(sync, light, tmp_path):
    a, b = light
    channels = np.repeat([2, 1], [a.size, 5_000])
    noisy = np.append(a, np.random.default_rng(1).uniform(4, 6, 5_000))
    files = stamps(tmp_path / "a.dat", noisy, channels), stamps(tmp_path / "b.dat", b)
    model = tmp_path / "clocks.json"
    code, out, err = sync(
        *files, "--channels-a", "2", "--json", "--model-out", model,
        "--plot", tmp_path / "track.png",
    )  # fmt: skip
    assert code == 0, err
    said = json.loads(out)
    assert said["schema"] == "qlab.tags.sync/1"
    # five standard deviations, and what a tick of 1/256 ns hides of the first tag
    assert abs(said["offset_ps"] - 0.2e12) < 5 * said["offset_std_ps"] + 4
    assert said["offset_std_ps"] < 12
    assert abs(said["frequency_ratio_minus_1"] + 30e-6) < 5 * said["frequency_std"]
    assert said["false_alarm_probability"] < 1e-6
    assert abs(said["pairs"] - 3_000) < 60
    assert 240 < said["residual_rms_ps"] < 262
    assert len(said["track"]["time_s"]) == len(said["track"]["offset_std_ps"])
    assert (tmp_path / "track.png").stat().st_size > 1000
    tags = np.rint(b[:3_000] * 1e12 / STAMP_PS).astype(np.int64)
    back = read_model(model).to_a(tags) * STAMP_PS * 1e-12
    assert np.sqrt(np.mean((back - a[:3_000]) ** 2)) < 270e-12
    code, _, err = sync(*files, "--model-out", model)
    assert code == 2
    assert "exists" in err
    code, out, err = sync(*files, "--channels-a", "2", "--model-out", model, "--force")
    assert code == 0, err
    assert "pairs scatter by" in out


def test_stations_with_nothing_in_common_are_told_so(sync, tmp_path):
    draws = np.random.default_rng(5)
    files = [stamps(tmp_path / name, draws.uniform(1, 1.3, 200)) for name in ("a", "b")]
    code, out, _ = sync(*files, "--json", "--max-offset", "0.001")
    assert code == 1
    said = json.loads(out)
    assert said["schema"] == "qlab.error/1"
    assert "nothing in common" in said["error"]
    assert not any(key in said for key in ("offset_ps", "pairs"))


def test_a_copy_is_told_from_a_partner(sync, light, tmp_path):
    files = [stamps(tmp_path / name, light[0]) for name in ("a", "b")]
    code, out, err = sync(*files, "--json")
    assert code == 0
    assert json.loads(out)["offset_ps"] == pytest.approx(0, abs=2)
    assert "the same, tick for tick" in err


def test_wrong_arguments_are_refused(sync, light, tmp_path):
    files = stamps(tmp_path / "a.dat", light[0]), stamps(tmp_path / "b.dat", light[1])
    for arguments in (
        ("--channels-a", "one"), ("--max-offset", "-1"), ("--max-ppm", "0"), ("--plot", "a.doc"),
    ):  # fmt: skip
        code, out, _ = sync(*files, *arguments)
        assert (code, out) == (2, "")
    code, _, err = sync(*files, "--channels-b", "7")
    assert code == 1
    assert "channel 7" in err
