"""Every error of every room has its exit code."""

import pytest

from drivers.core import errors as drivers
from protocols import errors as protocols
from qlab.errors import (
    ExitCode,
    InsecureRunError,
    QlabError,
    StationError,
    UsageError,
    exit_code,
    one_line,
    printable,
    remedy_of,
)
from qlab.runfile import errors as runfile


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (QlabError("x"), ExitCode.FAILURE),
        (UsageError("x"), ExitCode.USAGE),
        (StationError("x"), ExitCode.USAGE),
        (InsecureRunError("x"), ExitCode.INSECURE),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (ValueError("x"), ExitCode.FAILURE),
        (drivers.LimitError("x"), ExitCode.LIMIT),
        (drivers.UnknownDriverError("x"), ExitCode.USAGE),
        (drivers.ValueOutOfRangeError("x"), ExitCode.USAGE),
        (drivers.NoConnectionError("x"), ExitCode.INSTRUMENT),
        (drivers.ResponseTimeoutError("x"), ExitCode.INSTRUMENT),
        (drivers.InstrumentFaultError("x"), ExitCode.INSTRUMENT),
        (protocols.InsecureError("x"), ExitCode.INSECURE),
        (protocols.ParameterError("x"), ExitCode.USAGE),
        (protocols.MessageError("x"), ExitCode.INSECURE),
        (runfile.RunFileExistsError("x"), ExitCode.USAGE),
        (runfile.RunFileNotFoundError("x"), ExitCode.USAGE),
        (runfile.DamagedFileError("x"), ExitCode.DAMAGED),
        (runfile.ForeignFileError("x"), ExitCode.DAMAGED),
        (runfile.NewerSchemaError("x"), ExitCode.DAMAGED),
        (runfile.RunFileWriteError("x"), ExitCode.FAILURE),
    ],
)
def test_exit_code(error, code):
    assert exit_code(error) is code


def test_the_numbers_are_for_ever():
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]


@pytest.mark.parametrize(
    "error",
    [
        QlabError("it\nbroke", remedy="mend it"),
        StationError("it broke", file="a.toml", line=3, key="k", remedy="mend it"),
        drivers.NoConnectionError("it broke", instrument="laser", remedy="mend it"),
        runfile.DamagedFileError("it broke", remedy="mend it"),
    ],
)
def test_one_line_and_remedy(error):
    assert remedy_of(error) == "mend it"
    assert one_line(error).endswith("it broke")
    assert "\n" not in one_line(error)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("21 °C, Ω, 検出器", "21 °C, Ω, 検出器"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b31m\x7f", "\\x9b31m\\x7f"),
        ("a\r\n\tb", "a\\r\\n\\tb"),
        ("key \u202etif", "key \\u202etif"),
        ("\udce9", "\\udce9"),
    ],
)
def test_what_could_steer_a_terminal_is_spelt_out(text, shown):
    assert printable(text) == shown
    assert one_line(QlabError(f"said {text}")) == f"said {printable(' '.join(text.split()))}"


def test_an_error_without_words_has_its_name():
    assert one_line(ZeroDivisionError()) == "ZeroDivisionError"
