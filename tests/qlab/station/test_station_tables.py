"""Tables read into dataclasses: types, ranges, choices, missing and unknown keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from qlab.errors import StationError
from qlab.station import setting
from qlab.station.source import parse_toml
from qlab.station.tables import plain, read_dataclass


@dataclass(frozen=True)
class Inner:
    level: float = setting(1.0, doc="Level", unit="V", low=0.0, high=2.0)
    count: int = 3


@dataclass(frozen=True)
class Outer:
    rate_hz: float = setting(doc="Pulses per second.", unit="Hz", low=1.0)
    mode: str = setting("fast", doc="How", choices=("fast", "slow"))
    kind: Literal["a", "b"] = "a"
    pair: tuple[float, float] = (1.0, 2.0)
    lines: tuple[int, ...] = setting((), doc="Lines", low=0, high=9)
    limit: float | None = None
    either: bool | float | str = False
    inner: Inner = Inner(level=0.5)
    named: Mapping[str, float] = field(default_factory=dict)
    anything: Any = None

    def __post_init__(self) -> None:
        if self.rate_hz == 13.0:
            raise ValueError("13 brings bad luck")


def read(text: str) -> Outer:
    document, source = parse_toml("\n[x]\n" + text, "lab.toml")
    return read_dataclass(source, ("x",), document["x"], Outer)


def test_everything_is_read_with_its_type():
    found = read(
        'rate_hz = 5\nmode = "slow"\nkind = "b"\npair = [3, 4.5]\nlines = [1, 2]\nlimit = 2\n'
        'either = "off"\ninner = {count = 4}\nnamed = {u = 1}\nanything = [1, "x"]'
    )
    assert found == Outer(
        5.0, "slow", "b", (3.0, 4.5), (1, 2), 2.0, "off", Inner(0.5, 4), {"u": 1.0}, [1, "x"]
    )
    assert type(found.rate_hz) is type(found.limit) is type(found.pair[0]) is float


def test_what_is_left_out_keeps_its_default():
    assert read("rate_hz = 5.0") == Outer(5.0)
    assert read("rate_hz = 5.0").inner.level == 0.5


@pytest.mark.parametrize("value", ["true", "3", "1.5", '"on"'])
def test_a_union_takes_each_of_its_types(value):
    document, _ = parse_toml(f"v = {value}", "")
    assert read(f"rate_hz = 1.0\neither = {value}").either == document["v"]


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("rate_hz = 1.0\nrate_khz = 1", 4, "x.rate_khz", "unknown key; did you mean 'rate_hz'?"),
        ("", 2, "x", "'rate_hz' is missing; rate_hz: Pulses per second"),
        ("rate_hz = true", 3, "x.rate_hz", "must be a number, not true"),
        ("rate_hz = '1'", 3, "x.rate_hz", "must be a number, not '1'"),
        ("rate_hz = nan", 3, "x.rate_hz", "must be a number, not nan"),
        ("rate_hz = 0.5", 3, "x.rate_hz", "0.5 is outside 1 to inf Hz; rate_hz: Pulses per second"),
        ("rate_hz = 13", 2, "x", "13 brings bad luck"),
        ("rate_hz = 1\nmode = 'x'", 4, "x.mode", "'x' is not one of fast, slow; mode: How"),
        ("rate_hz = 1\nkind = 'c'", 4, "x.kind", "'c' is not one of a, b"),
        ("rate_hz = 1\npair = [1]", 4, "x.pair", "must have 2 elements, not 1"),
        ("rate_hz = 1\npair = 1", 4, "x.pair", "must be a list, not 1"),
        (
            "rate_hz = 1\nlines = [\n 1,\n 10]",
            6,
            "x.lines[1]",
            "10 is outside 0 to 9; lines: L",
        ),
        ("rate_hz = 1\nlines = [1.0]", 4, "x.lines[0]", "must be a whole number, not 1.0"),
        ("rate_hz = 1\ninner = 1", 4, "x.inner", "must be a table, not 1"),
        (
            "rate_hz = 1\n[x.inner]\nlevel = 3",
            5,
            "x.inner.level",
            "3 is outside 0 to 2 V; level: Level",
        ),
        ("rate_hz = 1\ninner.levl = 3", 4, "x.inner.levl", "unknown key; did you mean 'level'?"),
        ("rate_hz = 1\nnamed = {u = 'x'}", 4, "x.named.u", "must be a number, not 'x'"),
        ("rate_hz = 1\nnamed = 2", 4, "x.named", "must be a table, not 2"),
    ],
)
def test_each_mistake_has_its_line(text, line, key, said):
    with pytest.raises(StationError) as caught:
        read(text)
    assert (caught.value.line, caught.value.key) == (line, key)
    assert str(caught.value).startswith(f"lab.toml, line {line}: {key}: {said}")


def test_plain_leaves_nones_out():
    assert plain(Outer(5.0, limit=None)) == {
        "rate_hz": 5.0,
        "mode": "fast",
        "kind": "a",
        "pair": [1.0, 2.0],
        "lines": [],
        "either": False,
        "inner": {"level": 0.5, "count": 3},
        "named": {},
    }


@dataclass(frozen=True)
class Flavoured:
    sweetness: float = 0.0
    colour: str = "white"

    @classmethod
    def preset(cls, name: str) -> "Flavoured":
        if name != "lemon":
            raise ValueError(f"there is no {name!r}; known are lemon")
        return cls(0.3, "yellow")


@dataclass(frozen=True)
class Ice:
    scoops: tuple[Flavoured, ...] = ()
    top: Flavoured = Flavoured(0.9, "red")


def test_a_preset_is_what_the_table_begins_with():
    text = """
scoops = [{ preset = "lemon" }, { preset = "lemon", sweetness = 0.8 }, { sweetness = 0.1 }]
top = { preset = "lemon" }
"""
    document, source = parse_toml(text, "lab.toml")
    found = read_dataclass(source, (), document, Ice)
    assert found.scoops == (
        Flavoured(0.3, "yellow"),
        Flavoured(0.8, "yellow"),
        Flavoured(0.1, "white"),
    )
    assert found.top == Flavoured(0.3, "yellow")
    assert "preset" not in plain(found)["top"]


def test_an_unknown_preset_has_its_line():
    document, source = parse_toml('\n[top]\npreset = "mango"\n', "lab.toml")
    with pytest.raises(StationError, match="known are lemon") as caught:
        read_dataclass(source, (), document, Ice)
    assert (caught.value.line, caught.value.key) == (3, "top.preset")
