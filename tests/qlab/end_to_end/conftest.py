"""What the tests of whole runs share."""

import pytest

import qlab.runner
from qlab.station import Station


@pytest.fixture
def stations(monkeypatch):
    """Collect the stations that runs open."""
    opened = []

    class Kept(Station):
        def __init__(self, *arguments, **more):
            super().__init__(*arguments, **more)
            opened.append(self)

    monkeypatch.setattr(qlab.runner, "Station", Kept)
    return opened
