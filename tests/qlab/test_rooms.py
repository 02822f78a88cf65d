"""`import qlab`: it finds its own rooms or says what hides them, and loads nothing heavy."""

import subprocess
import sys

import pytest

import qlab


def run_in(folder, code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("room", ["drivers", "protocols", "calibration"])
@pytest.mark.parametrize("shape", ["package", "folder", "module"])
def test_a_foreign_room_is_named(tmp_path, room, shape):
    if shape == "module":
        (tmp_path / f"{room}.py").write_text("")
    else:
        (tmp_path / room).mkdir()
        if shape == "package":
            (tmp_path / room / "__init__.py").write_text("")
    done = run_in(tmp_path, "import qlab")
    said = done.stderr.splitlines()[-1] if done.stderr else ""
    if shape == "folder" and done.returncode == 0:
        return  # an installed package goes before a folder without __init__.py
    assert done.returncode == 1
    assert said.startswith(f"ImportError: qlab needs its own package '{room}' in ")
    assert str(tmp_path) in said
    assert f"rename your folder or file '{room}' (such as to 'my_{room}')" in said


def test_a_foreign_room_that_is_loaded_already(tmp_path):
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers" / "__init__.py").write_text("")
    done = run_in(tmp_path, "import drivers, qlab")
    assert "needs its own package 'drivers'" in done.stderr


def test_a_harmless_neighbour_is_left_alone(tmp_path):
    (tmp_path / "my_drivers").mkdir()
    assert run_in(tmp_path, "import qlab; qlab.open_station").returncode == 0


def test_importing_loads_nothing_heavy():
    heavy = "{'numpy', 'h5py', 'pyvisa', 'numba', 'matplotlib', 'serial', 'click', 'drivers'}"
    done = run_in(".", f"import sys, qlab; sys.exit(str({heavy} & set(sys.modules)))")
    assert done.stderr.strip() == "set()"


def test_what_a_script_needs_is_there():
    for name in qlab.__all__:
        assert getattr(qlab, name) is not None
    assert dir(qlab) == sorted(qlab.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'opn_station'"):
        _ = qlab.opn_station


def test_a_script_beside_a_clone_called_qlab_finds_the_package(tmp_path):
    (tmp_path / "qlab").mkdir()
    done = run_in(tmp_path, "import qlab; print(qlab.__version__)")
    assert done.stdout.strip() == qlab.__version__, done.stderr
