"""The line scanner against tomllib and against a writer that knows its lines."""

import random
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qlab.errors import StationError
from qlab.station.lines import key_lines
from qlab.station.source import parse_toml

BARE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")

keys = st.text(alphabet=list("ab.\"'#[]=\\ ]\n\té"), max_size=4) | st.sampled_from(
    ["a", "b", "c-d", "0", "true"]
)
scalars = (
    st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text(alphabet=list("x \"'#[]{},=\\\n\té"), max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(keys, values, max_size=4)


class Writer:
    """Writes a document in a style of its own choice and notes where each key came to stand."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.text = ""
        self.lines: dict[tuple[str | int, ...], int] = {}

    def put(self, text: str) -> None:
        self.text += text

    def here(self, path: tuple[str | int, ...]) -> None:
        self.lines.setdefault(path, self.text.count("\n") + 1)

    def end_line(self) -> None:
        self.put(self.chance.choice(["\n", " # a = 1 [b]\n", "\n\n", "\t\n# 'c'\n"]))

    def gap(self) -> None:
        self.put(self.chance.choice(["", " ", "\n", ' # ] } " \n', "\n\n"]))

    def key(self, key: str) -> None:
        if key and set(key) <= BARE and self.chance.random() < 0.7:
            self.put(key)
        elif "'" not in key and key.isprintable() and self.chance.random() < 0.5:
            self.put(f"'{key}'")
        else:
            self.put(self.basic(key))

    def basic(self, text: str) -> str:
        out = "".join({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}.get(c, c) for c in text)
        return f'"{out}"'

    def string(self, text: str) -> None:
        style = self.chance.randrange(4)
        if style == 1 and "'" not in text and "\n" not in text:
            self.put(f"'{text}'")
        elif style == 2 and "'''" not in text and not text.endswith("'"):
            self.put(f"'''\n{text}'''")
        elif style == 3:
            out = text.replace("\\", "\\\\").replace('"', '\\"')
            self.put(f'"""{chr(10) if out.startswith(chr(10)) else ""}{out}\\\n  """')
        else:
            self.put(self.basic(text))

    def value(self, path: tuple[str | int, ...], value: object) -> None:
        if isinstance(value, dict):
            self.put("{")
            for n, (key, inner) in enumerate(value.items()):
                self.put(", " if n else " ")
                self.pair((*path, key), key, inner)
            self.put(" }")
        elif isinstance(value, list):
            self.put("[")
            for n, inner in enumerate(value):
                self.gap()
                self.here((*path, n))
                self.value((*path, n), inner)
                self.gap()
                if n + 1 < len(value) or self.chance.random() < 0.5:
                    self.put(",")
            self.gap()
            self.put("]")
        elif isinstance(value, bool):
            self.put("true" if value else "false")
        elif isinstance(value, str):
            self.string(value)
        else:
            self.put(repr(value))

    def pair(self, path: tuple[str | int, ...], key: str, value: object) -> None:
        self.here(path)
        self.key(key)
        self.put(self.chance.choice(["=", " = ", "\t= "]))
        self.value(path, value)

    def table(
        self, path: tuple[str | int, ...], table: dict[str, object], names: list[str]
    ) -> None:
        later = []
        for key, value in table.items():
            is_tables = (
                isinstance(value, list) and value and all(isinstance(e, dict) for e in value)
            )
            if (isinstance(value, dict) or is_tables) and self.chance.random() < 0.7:
                later.append((key, value))
            else:
                self.pair((*path, key), key, value)
                self.end_line()
        for key, value in later:
            deeper, brackets = [*names, key], ("[", "]")
            elements = value if isinstance(value, list) else [value]
            for n, element in enumerate(elements):
                where = (*path, key)
                self.here(where)
                if isinstance(value, list):
                    brackets = ("[[", "]]")
                    where = (*where, n)
                    self.here(where)
                self.put(brackets[0])
                for position, name in enumerate(deeper):
                    self.put(self.chance.choice([".", " . "]) if position else "")
                    self.key(name)
                self.put(brackets[1])
                self.end_line()
                self.table(where, element, deeper)


def paths_of(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {path} if path else set()
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= paths_of(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found |= paths_of(inner, (*path, number))
    return found


@given(documents, st.randoms(use_true_random=False))
def test_every_key_is_found_on_its_line(document, chance):
    writer = Writer(chance)
    writer.table((), document, [])
    assert tomllib.loads(writer.text) == document
    found = key_lines(writer.text)
    assert set(found) == paths_of(document)
    assert found == writer.lines


@given(documents, st.randoms(use_true_random=False))
def test_carriage_returns_do_not_count(document, chance):
    writer = Writer(chance)
    writer.table((), document, [])
    text = writer.text.replace("\n", "\r\n")
    assert tomllib.loads(text) == document
    assert key_lines(text) == writer.lines


def test_dotted_keys_and_elements_of_inner_arrays():
    text = 'a.b = 1\n\n[t . "u.v"]\nx = [1,\n {y = 2, z.w = 3}]\n[[t.e]]\n[[t.e]]\n[t.e.f]\ng=1\n'
    assert key_lines(text) == {
        ("a",): 1,
        ("a", "b"): 1,
        ("t",): 3,
        ("t", "u.v"): 3,
        ("t", "u.v", "x"): 4,
        ("t", "u.v", "x", 0): 4,
        ("t", "u.v", "x", 1): 5,
        ("t", "u.v", "x", 1, "y"): 5,
        ("t", "u.v", "x", 1, "z"): 5,
        ("t", "u.v", "x", 1, "z", "w"): 5,
        ("t", "e"): 6,
        ("t", "e", 0): 6,
        ("t", "e", 1): 7,
        ("t", "e", 1, "f"): 8,
        ("t", "e", 1, "f", "g"): 9,
    }


@given(st.text(alphabet=list("ab=[]{}\"'#.,\n \\1"), max_size=40))
def test_any_text_gives_keys_or_a_station_error(text):
    try:
        document, source = parse_toml(text, "x.toml")
    except StationError:
        return
    assert set(source.lines) == paths_of(document)


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = \n", 2), ("a = 1\na = 2\n", 2), ("a = [1,\n", 2), ('a = "x\n', 1)],
)
def test_bad_toml_is_reported_with_its_line(text, line):
    with pytest.raises(StationError) as caught:
        parse_toml(text, "lab.toml")
    assert caught.value.line == line
    assert str(caught.value).startswith(f"lab.toml, line {line}: not valid TOML")


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = 1\n" * 1_000_000])
def test_monstrous_text_is_refused(text):
    with pytest.raises(StationError):
        parse_toml(text, "lab.toml")
