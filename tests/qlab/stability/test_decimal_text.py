import math
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qlab.stability.decimal import parse_lines

FORMATS = ["{!r}", "{:.18e}", "{:.16g}", "{:.3E}", "{:+.12f}", "{:.20e}"]

ORDINARY = st.floats(-1e9, 1e9).map(lambda value: value if abs(value) > 1e-60 else 0.0)


def parsed(*numbers: str, separator: str = " ", column: int = 1) -> npt.NDArray[np.float64]:
    """Read lines as the caller does: what is left open, Python reads."""
    text = "".join(f"{number}\n" for number in numbers).encode()
    data, at, found = np.frombuffer(text, np.uint8), 0, []
    while at < len(text):
        values, _, stop = parse_lines(data, at, ord(separator), (column, 0), 1000)
        found += values.tolist()
        if stop < len(text):
            end = text.index(b"\n", stop)
            found.append(float(text[stop:end]))
            stop = end + 1
        at = stop
    return np.array(found)


def same(found: float, expected: float) -> bool:
    return found == expected and math.copysign(1, found) == math.copysign(1, expected)


@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(FORMATS)),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=200, deadline=None)
def test_numbers_are_those_that_python_reads(drawn: list[tuple[float, str]]) -> None:
    texts = [form.format(value) for value, form in drawn]
    for found, text in zip(parsed(*texts), texts, strict=True):
        assert same(found, float(text))


@given(st.integers(-(10**19), 10**19), st.integers(-130, 130))
@example(9007199254740993, 0)  # between two floats: to the even one
@example(9007199254740993, 22)
@example(1, -22)
@settings(max_examples=300, deadline=None)
def test_digits_and_exponents_of_any_size(digits: int, exponent: int) -> None:
    assert same(parsed(f"{digits}e{exponent}")[0], float(f"{digits}e{exponent}"))


@given(st.floats(1e-30, 1e30))
@settings(max_examples=300, deadline=None)
def test_halfway_between_two_floats(value: float) -> None:
    exact = (Decimal(value) + Decimal(math.nextafter(value, math.inf))) / 2
    for text in (f"{exact:.18e}", f"{exact:.15e}", f"{exact:.16e}"):
        assert same(parsed(text)[0], float(text))


@pytest.mark.parametrize("text", ["1.5D-9", "+2d3", "-0", "-0.0e5", ".5", "5.", "000001", "0e400"])
def test_ways_of_writing(text: str) -> None:
    assert same(parsed(text)[0], float(text.replace("D", "e").replace("d", "e")))


@pytest.mark.parametrize("text", ["nan", "NaN", "NAN"])
def test_not_a_number_is_read_as_such(text: str) -> None:
    values, _, _ = parse_lines(np.frombuffer(f"{text}\n".encode(), np.uint8), 0, 32, (1, 0), 9)
    assert values.size == 1
    assert math.isnan(values[0])


NO_NUMBERS = ("-", "+", ".", "e5", "1e", "1e+", "--1", "1.2.3", "1x", "x1", "1e5.0", "0x10")
NO_NUMBERS += ("1_000", "nax", "in", "inf", "1e99999", "1e1e1", "١", "1,5")


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_whatever_else_is_left_to_the_caller(text: str) -> None:
    line = f"{text}\n".encode()
    values, _, stop = parse_lines(np.frombuffer(b"7\n" + line, np.uint8), 0, 32, (1, 0), 9)
    assert values.tolist() == [7.0]
    assert stop == 2


def test_a_line_without_its_end_is_left() -> None:
    values, _, stop = parse_lines(np.frombuffer(b"1\n2", np.uint8), 0, 32, (1, 0), 9)
    assert values.tolist() == [1.0]
    assert stop == 2


@given(
    st.lists(st.lists(ORDINARY, min_size=3, max_size=3), min_size=1, max_size=20),
    st.sampled_from([",", ";", " ", "\t"]),
    st.integers(1, 3),
    st.integers(1, 3),
)
@settings(max_examples=100, deadline=None)
def test_columns(rows: list[list[float]], separator: str, first: int, second: int) -> None:
    pad = "" if separator in " \t" else "  "
    text = "".join(f"{pad}{separator.join(map(repr, row))}{pad}\r\n" for row in rows).encode()
    code = 32 if separator == "\t" else ord(separator)
    other = second if second != first else 0
    values, others, stop = parse_lines(np.frombuffer(text, np.uint8), 0, code, (first, other), 99)
    assert stop == len(text)
    assert values.tolist() == [row[first - 1] for row in rows]
    assert others.tolist() == ([row[second - 1] for row in rows] if other else [])


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_left(text: bytes) -> None:
    for separator in b" ,;":
        for columns in ((1, 0), (2, 1), (5, 2)):
            values, others, stop = parse_lines(
                np.frombuffer(text, np.uint8), 0, separator, columns, 50
            )
            assert 0 <= stop <= len(text)
            assert text[:stop].count(b"\n") == values.size
            assert others.size == (values.size if columns[1] else 0)
