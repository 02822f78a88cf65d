"""Swabian's own files, with a stand-in for their library."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from qlab.errors import ExitCode, QlabError
from qlab.tags.opening import open_tags
from qlab.tags.source import DamagedTagsError

# Type, missed events, channel, picoseconds.
EVENTS = [
    (0, 0, 1, 5),
    (0, 0, -1, 9),
    (2, 0, 0, 10),
    (4, 7, 1, 12),
    (4, 5, -1, 12),
    (3, 0, 0, 20),
    (0, 0, 8, -(1 << 40)),
    (1, 0, 0, 30),
    (0, 0, 1, 1 << 60),
]


class Buffer:
    def __init__(self, rows):
        self._columns = list(zip(*rows, strict=True)) or [()] * 4

    def getEventTypes(self):  # noqa: N802 - their name
        return np.array(self._columns[0], np.uint8)

    def getMissedEvents(self):  # noqa: N802 - their name
        return np.array(self._columns[1], np.uint16)

    def getChannels(self):  # noqa: N802 - their name
        return np.array(self._columns[2], np.int32)

    def getTimestamps(self):  # noqa: N802 - their name
        return np.array(self._columns[3], np.int64)


class FileReader:
    """Gives four events at most, as theirs may give fewer than asked for."""

    def __init__(self, path):
        if not Path(path).read_bytes():
            raise RuntimeError("no header\nof ours")
        self._rows = list(EVENTS)

    def hasData(self):  # noqa: N802 - their name
        return bool(self._rows)

    def getData(self, count):  # noqa: N802 - their name
        rows, self._rows = self._rows[: min(count, 4)], self._rows[min(count, 4) :]
        return Buffer(rows)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "a.ttbin"
    path.write_bytes(b"\0\1\2\xff" * 50)
    return path


@pytest.fixture(params=["Swabian.TimeTagger", "TimeTagger"])
def library(request, monkeypatch):
    for name in ("Swabian", "Swabian.TimeTagger", "TimeTagger"):
        monkeypatch.setitem(sys.modules, name, None)
    module = ModuleType(request.param)
    module.FileReader = FileReader
    monkeypatch.setitem(sys.modules, request.param, module)
    if "." in request.param:
        monkeypatch.setitem(sys.modules, "Swabian", ModuleType("Swabian"))
    return module


@pytest.mark.usefixtures("library")
def test_tags_come_from_the_library_and_losses_are_told(path):
    with open_tags(path) as source:
        chunks = list(source.chunks())
    found = [
        pair
        for tags in chunks
        for pair in zip(tags.ticks.tolist(), tags.channels.tolist(), strict=True)
    ]
    assert found == [(5, 1), (9, -1), (-(1 << 40), 8), (1 << 60, 1)]
    assert (source.records, source.leftover, source.tick_s) == (9, 0, Fraction(1, 10**12))
    assert source.notes == [
        "the tagger overflowed 1 times, 12 tags missing",
        "the tagger reported 1 errors",
    ]
    assert list(source.chunks()) == []


@pytest.mark.usefixtures("library")
def test_what_the_library_refuses_is_damaged(tmp_path):
    path = tmp_path / "b.ttbin"
    path.write_bytes(b"")
    with pytest.raises(DamagedTagsError, match="cannot read it: no header;"):
        open_tags(path, "swabian")


def test_a_library_that_never_ends_is_not_followed(path, library):
    class Endless(FileReader):
        def hasData(self):  # noqa: N802 - their name
            return True

    library.FileReader = Endless
    with open_tags(path) as source:
        assert sum(map(len, source.chunks())) == 4


def test_without_the_library_the_remedy_is_told(path, monkeypatch):
    for name in ("Swabian", "TimeTagger"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(QlabError, match="pip install Swabian-TimeTagger") as caught:
        open_tags(path)
    assert caught.value.exit_code is ExitCode.FAILURE
