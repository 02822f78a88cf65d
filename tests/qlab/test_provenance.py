"""Where a run came from, asked of the lab's own repository without running its programs."""

import shutil
import subprocess
import sys

import pytest

from qlab.provenance import provenance

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one committed file, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")

    def git(*arguments):
        subprocess.run(["git", *arguments], check=True, capture_output=True)

    git("init")
    git("config", "user.name", "lab")
    git("config", "user.email", "lab@example.org")
    (tmp_path / "scan.py").write_text("step = 1\n")
    (tmp_path / ".gitattributes").write_text("*.py diff=mine\n")
    git("add", "scan.py", ".gitattributes")
    git("commit", "-m", "first")
    return git


def test_the_diff_is_git_s_own(repository, tmp_path):
    (tmp_path / "scan.py").write_text("step = 2\n")
    found = provenance(7)
    assert found["seed"] == "7"
    assert len(found["git_commit"]) == 40
    assert "-step = 1\n+step = 2\n" in found["git_diff"]


@pytest.mark.skipif(sys.platform == "win32", reason="a program by its first line")
@pytest.mark.parametrize(
    "setting", ["diff.external", "diff.mine.command", "diff.mine.textconv", "core.fsmonitor"]
)
def test_programs_of_the_repository_do_not_run(repository, tmp_path, setting):
    ran, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho ran >> '{ran}'\n")
    program.chmod(0o755)
    repository("config", setting, str(program))
    repository("config", "color.ui", "always")
    (tmp_path / "scan.py").write_text("step = 2\n")
    found = provenance(None)
    assert not ran.exists()
    assert "-step = 1\n+step = 2\n" in found["git_diff"]


def test_outside_of_a_repository(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    found = provenance(None)
    assert "git_commit" not in found and "git_diff" not in found
