"""What is written as TOML is read back as the same."""

import tomllib
from datetime import UTC, date

from hypothesis import given
from hypothesis import strategies as st

from qlab.station.toml import toml_text

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False)
    | texts
    | st.dates(date(1900, 1, 1))
    | st.datetimes(timezones=st.just(UTC))
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(texts, values, max_size=5))
def test_round_trip(document):
    assert tomllib.loads(toml_text(document)) == document


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_every_bit(value):
    assert tomllib.loads(toml_text({"x": value}))["x"].hex() == value.hex()


def test_canonical_text_is_stable():
    document = {"t": {"s": {"x": 1.0}, "a": [1, {"b": True}]}, "e": [{"k": "v"}, {}], "n": "\x7f"}
    text = toml_text(document)
    assert text == (
        'n = "\\u007f"\n\n[t]\na = [1, {b = true}]\n\n[t.s]\nx = 1.0\n\n[[e]]\nk = "v"\n\n[[e]]\n'
    )
    assert toml_text(tomllib.loads(text)) == text
