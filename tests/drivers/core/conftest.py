from __future__ import annotations

from collections.abc import Iterator

import pytest
from core_devices import Wired


@pytest.fixture
def wired() -> Iterator[Wired]:
    """Return a Slate on all connectors."""
    made = Wired()
    yield made
    made.manager.close()
