"""What the import contract cannot see: a global generator that comes with numpy."""

import ast
from pathlib import Path

import pytest

import protocols

ROOM = Path(protocols.__file__).parent


def global_randomness(source: str) -> list[str]:
    """Return every mention of `numpy.random` in a module's code."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "random":
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.startswith("numpy.random")]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numpy"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in names if name.startswith("numpy.random")]
    return found


def test_no_protocol_draws_from_numpy() -> None:
    modules = sorted(ROOM.rglob("*.py"))
    assert len(modules) > 20
    assert {m.name: f for m in modules if (f := global_randomness(m.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.random.default_rng()",
        "import numpy.random as r",
        "from numpy import random",
        "from numpy.random import default_rng",
    ],
)
def test_it_would_be_seen(source: str) -> None:
    assert global_randomness(source)
