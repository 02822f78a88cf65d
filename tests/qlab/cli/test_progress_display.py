"""The display of progress: whatever becomes of the terminal, the run goes on."""

import sys

import pytest

from qlab.cli.progress import run_progress


class Gone:
    """A terminal, or a log, that has been closed at its other end."""

    encoding = "utf-8"

    def __init__(self, terminal):
        self._terminal = terminal
        self.tried = 0

    def isatty(self):
        return self._terminal

    def fileno(self):
        raise OSError("no such file")

    def write(self, text):
        self.tried += 1
        raise OSError(5, "Input/output error")

    def flush(self):
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_is_gone_ends_no_run(monkeypatch, terminal):
    gone = Gone(terminal)
    monkeypatch.setattr(sys, "stderr", gone)
    with run_progress() as progress:
        progress.phase("blocks", 3)
        for _ in range(3):
            progress.step("note")
        progress.phase("distillation")
    assert gone.tried


def test_a_stream_that_was_never_open(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with run_progress() as progress:
        progress.phase("blocks", 3)
        progress.step()
