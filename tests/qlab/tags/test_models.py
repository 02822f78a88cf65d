import contextlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.timetags.synchronisation.clock_model import ClockModel
from qlab.errors import QlabError, UsageError
from qlab.tags.models import check_model_file, read_model, write_model

MODEL = ClockModel.through(
    [10**12, 2 * 10**12, 5 * 10**12],
    [Fraction(1, 3), Fraction(1, 3) + Fraction(1, 10**5), Fraction(1, 3)],
    Fraction(1, 10**12),
    Fraction(1, 256 * 10**9),
)


def test_a_model_survives_its_file(tmp_path):
    write_model(tmp_path / "clocks.json", MODEL, overwrite=False)
    again = read_model(tmp_path / "clocks.json")
    assert (again.tick_a, again.tick_b) == (MODEL.tick_a, MODEL.tick_b)
    for name in ("ticks_a", "ticks_b", "fractions"):
        assert np.array_equal(getattr(again, name), getattr(MODEL, name))


def test_a_file_is_not_replaced_unasked(tmp_path):
    file = tmp_path / "clocks.json"
    file.write_text("mine")
    with pytest.raises(UsageError, match="exists"):
        check_model_file(file, overwrite=False)
    with pytest.raises(QlabError):
        write_model(file, MODEL, overwrite=False)
    assert file.read_text() == "mine"
    write_model(file, MODEL, overwrite=True)
    read_model(file)


@settings(max_examples=60, deadline=None)
@given(cut=st.data())
def test_whatever_is_no_model_is_refused_in_one_way(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("model")
    file = folder / "clocks.json"
    write_model(file, MODEL, overwrite=False)
    text = bytearray(file.read_bytes())
    place = cut.draw(st.integers(0, len(text) - 1))
    text[place : place + cut.draw(st.integers(0, 3))] = cut.draw(st.binary(max_size=3))
    file.write_bytes(text)
    with contextlib.suppress(UsageError):
        read_model(file)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_model(tmp_path / "none.json")
