"""The display of progress: whatever becomes of the terminal, the run goes on."""

import io
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


def test_a_note_has_the_whole_width_below_the_bar(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    note = "a 11,141/s 11,108/s  b 12,454/s 12,545/s  sync +47.994717900 ms -4.9989e-06"
    with run_progress() as progress:
        progress.phase("seconds of tags", 2)
        progress.step(note)
    assert note in screen.getvalue()


def test_a_stream_that_was_never_open(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with run_progress() as progress:
        progress.phase("blocks", 3)
        progress.step()
