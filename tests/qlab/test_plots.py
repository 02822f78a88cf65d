"""Pictures of runs: nothing of a script's own is changed, and nothing overwritten."""

import subprocess
import sys

import pytest

from qlab.cli import main
from qlab.errors import QlabError, UsageError
from qlab.plots import plot_run
from qlab.runner import run_experiment
from qlab.station import load_station, parse_station


@pytest.fixture(scope="module")
def run_path(tmp_path_factory):
    """A run that is over in about a second: three blocks, and no key."""
    from qlab.keystore import KeyStore

    folder = tmp_path_factory.mktemp("run")
    short = {"slots": 300_000, "block_slots": 100_000}
    path = folder / "run.h5"
    station = parse_station(load_station().text(), "bench")
    outcome = run_experiment(
        "bb84", station, path, seed=3, overrides=short, key_store=KeyStore(folder / "keys")
    )
    assert outcome.error is None
    return path


@pytest.mark.parametrize(
    ("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_a_picture(run_path, tmp_path, ending, start):
    picture = tmp_path / f"run.{ending}"
    plot_run(run_path, picture)
    assert picture.read_bytes().startswith(start)
    assert picture.stat().st_size > 10_000


def test_an_existing_picture_stays(run_path, tmp_path, capsys):
    picture = tmp_path / "run.png"
    picture.write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists"):
        plot_run(run_path, picture)
    with pytest.raises(SystemExit) as ended:
        main(["plot", str(run_path), "-o", str(picture)])
    assert ended.value.code == 2
    assert "use --force" in capsys.readouterr().err
    assert picture.read_bytes() == b"precious"
    plot_run(run_path, picture, overwrite=True)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_never_takes_the_place_of_its_run(run_path, tmp_path):
    """Whatever the run file is called, and whatever may be replaced."""
    for name in ("run.png", "link.svg"):
        path = tmp_path / name
        path.hardlink_to(run_path)
        with pytest.raises(UsageError, match="the run file itself"):
            plot_run(path, path, overwrite=True)
        assert path.read_bytes() == run_path.read_bytes()


@pytest.mark.parametrize("name", [".", "", ".."])
def test_a_folder_has_no_picture(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["plot", name])
    assert ended.value.code == 2
    assert "this is a folder" in capsys.readouterr().err


def test_a_script_s_own_plotting_is_left_alone(run_path, tmp_path):
    """In a process of its own: neither the backend nor the list of figures changes."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "import matplotlib\n"
        "matplotlib.use('svg')\n"
        "from matplotlib import pyplot\n"
        "mine = pyplot.figure()\n"
        "from qlab.plots import plot_run\n"
        "plot_run(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "sys.exit(f'{matplotlib.get_backend().lower()} {pyplot.get_fignums()}')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run_path), str(tmp_path / "run.png")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() == "svg [1]"


def test_a_picture_that_cannot_be_written(run_path, tmp_path):
    with pytest.raises(UsageError, match="ends in"):
        plot_run(run_path, tmp_path / "run.txt")
    with pytest.raises(QlabError, match="cannot be written"):
        plot_run(run_path, tmp_path / "none" / "run.png")


def test_a_title_is_no_formula(run_path, tmp_path, monkeypatch):
    """The run's name comes from the file."""
    monkeypatch.setattr("qlab.experiments.bb84.picture._title", lambda *_: r"$\nonsense{")
    plot_run(run_path, tmp_path / "run.png")
