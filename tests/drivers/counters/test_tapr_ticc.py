from __future__ import annotations

import math

import numpy as np
import pytest
from driver_bench import joined
from hypothesis import given
from hypothesis import strategies as st

from drivers.core import (
    ConnectionLostError,
    IdentityMismatchError,
    InstrumentFaultError,
    LineSettings,
    MisuseError,
    ResponseTimeoutError,
    ValueOutOfRangeError,
)
from drivers.counters.tapr_ticc import TAPRTICC, Reading, parse_reading
from drivers.simulated.devices.tapr_ticc import TAPRTICCDevice
from drivers.simulated.time import VirtualTime

SERIAL = "ASRL5::INSTR"
BANNER = """\
#
# TAPR TICC Timestamping Counter
# Software Version: 20200412.1
# Channel Names: A/B
"""


class Steady:
    """Pulses with a constant frequency error and a phase, absent for a time."""

    def __init__(self, hertz=1.0, offset=0.0, phase=0.0, gone=(0.0, 0.0)):
        self.hertz, self.offset, self.phase, self.gone = hertz, offset, phase, gone

    def nominal_hz(self):
        return self.hertz

    def phase_s(self, t_ns):
        if self.gone[0] <= t_ns * 1e-9 < self.gone[1]:
            return math.nan
        return self.phase + self.offset * t_ns * 1e-9


def counter(*inputs, reference=None, **settings):
    terminals = {f"input{n}": source for n, source in enumerate(inputs, 1) if source is not None}
    if reference is not None:
        terminals["reference"] = reference
    return TAPRTICCDevice("ticc", VirtualTime(), terminals, **settings)


class Talks:
    """A transport that hands out its pieces one by one, then stays silent."""

    address, timeout_s = "TALK", 1.0

    def __init__(self, *pieces):
        self.pieces = list(pieces)

    def read_available(self, wait_s=0.0):
        return self.pieces.pop(0) if self.pieces else b""

    def read_until(self, end):
        said = b""
        while end not in said:
            if not self.pieces:
                raise ResponseTimeoutError("nothing more", partial=said)
            said += self.pieces.pop(0)
        line, _, rest = said.partition(end)
        if rest:
            self.pieces.insert(0, rest)
        return line + end

    def close(self):
        """Nothing is open."""


def listening(*pieces):
    """Open the driver onto a unit that says these pieces."""
    parts = [piece.replace("\n", "\r\n").encode() for piece in pieces]

    def connect(address: str, line: LineSettings) -> Talks:
        return Talks(*parts)

    return TAPRTICC("ticc", "TALK", connect)


# ---- lines -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "channel", "picoseconds"),
    [
        ("123.45678901234 chA", "A", 123_456_789_012_340),
        ("0.00000000123 TI(A->B)", "", 1230),
        ("-0.00000000123 TI(A->B)", "", -1230),
        ("1.00000000001 chB", "B", 1_000_000_000_010),
        ("7.00000000123 chC (int(B) + (B - A))", "C", 7_000_000_001_230),
        ("7. chx", "x", 7_000_000_000_000),
    ],
)
def test_a_line_of_results(line, channel, picoseconds):
    assert parse_reading(line) == Reading(channel, picoseconds)


@pytest.mark.parametrize(
    "line", ["", "# 1.0 chA", "1.0", "1 chA", "1.0 ch", "1.0 TI(B->A)", "1.0 chAB", "nan chA"]
)
def test_another_line(line):
    with pytest.raises(ValueError, match=r".*"):
        parse_reading(line)


@given(st.integers(-(10**17), 10**17), st.integers(0, 12), st.sampled_from("ABCxy1"))
def test_any_number_of_places(picoseconds, places, channel):
    whole, part = divmod(abs(picoseconds), 10**12)
    sign = "-" if picoseconds < 0 else ""
    found = parse_reading(f"{sign}{whole}.{f'{part:012d}'[:places]} ch{channel}")
    assert found.channel == channel
    assert abs(found.picoseconds - picoseconds) < 10 ** (12 - places)


@given(st.text())
def test_no_text_breaks_the_reader(text):
    try:
        reading = parse_reading(text)
    except ValueError:
        return
    assert isinstance(reading.picoseconds, int)


# ---- the driver against what a unit says ------------------------------------------------


@pytest.mark.parametrize(
    ("header", "mode"),
    [
        ("# timestamp (seconds with 11 decimal places)", "timestamp"),
        ("# time interval A->B (seconds with 11 decimal places)", "interval"),
        ("# period (seconds with 11 decimal places)", "period"),
        ("# timestamp chA, chB; interval chA->B (seconds with 11 decimal places)", "timelab"),
    ],
)
def test_the_start_names_version_and_mode(header, mode):
    with listening(BANNER, f"{header}\n") as unit:
        assert unit.identity == "TAPR TICC 20200412.1"
        assert unit.mode == mode


def test_a_start_in_pieces_is_put_together():
    text = BANNER + "# timestamp (seconds)\n"
    with listening(*text) as unit:
        assert unit.mode == "timestamp"


def test_results_from_before_the_reset_do_not_count():
    with listening("3.00000000000 chA\n4.0 chB\n", BANNER + "# timestamp (\n") as unit:
        assert (unit.identity, unit.mode) == ("TAPR TICC 20200412.1", "timestamp")


@pytest.mark.parametrize("seconds", [2, 100])
def test_a_unit_that_was_not_reset_goes_on_in_an_unknown_mode(seconds):
    with listening("7 chA\n", *(f"{n}.00000000000 chA\n" for n in range(seconds))) as unit:
        assert (unit.identity, unit.mode) == ("TAPR TICC", "")
        with pytest.raises(MisuseError, match="nobody knows what") as caught:
            unit.prepare_intervals()
        assert "Timestamp" in caught.value.remedy


def test_silence_and_strangers_at_the_start():
    with pytest.raises(ResponseTimeoutError, match="says nothing") as caught:
        listening().open()
    assert "10 MHz" in caught.value.remedy
    with pytest.raises(IdentityMismatchError):
        listening("# timestamp (of another make)\n").open()


def test_a_lost_reference_is_a_fault():
    with listening(BANNER + "# timestamp (\n", "# 10 MHZ Reference lost!\n") as unit:
        unit.prepare_intervals()
        with pytest.raises(InstrumentFaultError, match="Reference lost") as caught:
            unit.interval_s()
        assert "reopen" in caught.value.remedy
    with pytest.raises(InstrumentFaultError, match="COARSE_CLOCK"):
        listening(BANNER + "# No COARSE_CLOCK... is 10 MHz connected?\n").open()


def test_other_channels_than_two_are_refused():
    with listening(BANNER + "# timestamp (\n") as unit:
        for start, stop in ((1, 1), (1, 3)):
            with pytest.raises(ValueOutOfRangeError):
                unit.prepare_intervals(start, stop)


def test_pulses_far_apart_are_no_pair():
    lines = "5.0 chA\n6.0 chA\n6.00000000100 chB\n7.0 chA\n"
    with listening(BANNER + "# timestamp (\n", lines) as unit:
        unit.prepare_intervals(2, 1)
        assert unit.interval_s() == -1e-9
        assert math.isnan(unit.interval_s())


def test_readings_are_taken_as_they_come_and_cut_lines_are_dropped():
    with listening(BANNER + "# timestamp (\n", "5.0 ch", "A\nnoise\n6.1", "7 chB\n") as unit:
        assert unit.take_readings() == []
        assert unit.take_readings() == [Reading("A", 5 * 10**12)]
        assert unit.take_readings() == [Reading("B", 6_170_000_000_000)]


# ---- the driver against the simulated unit ----------------------------------------------


@pytest.mark.parametrize("mode", ["timestamp", "interval", "timelab"])
@pytest.mark.parametrize("lead_s", [30e-9, -30e-9])
def test_intervals_follow_the_pulses(mode, lead_s):
    device = counter(Steady(phase=lead_s), Steady(), mode=mode, edge_noise_ps=0.0)
    with joined(TAPRTICC, device, SERIAL) as unit:
        assert unit.identity.startswith("TAPR TICC 20250916.1")
        unit.prepare_intervals(1, 2)
        seconds = []
        for _ in range(5):
            unit.begin_interval()
            assert unit.interval_s() == pytest.approx(lead_s, abs=1.1e-11)
            seconds.append(round(device.time.now_ns() * 1e-9))
        assert np.diff(seconds).tolist() == [1] * 4


def test_time_stamps_are_on_the_reference_s_scale():
    device = counter(Steady(), Steady(), reference=Steady(10e6, offset=1e-9), edge_noise_ps=0.0)
    with joined(TAPRTICC, device, SERIAL) as unit:
        device.time.wait_until(110 * 10**9)
        stamps = [r.picoseconds for r in unit.take_readings() if r.channel == "A"]
        assert len(stamps) > 90
        assert np.diff(stamps).tolist() == pytest.approx([1_000_000_001_000] * (len(stamps) - 1))


def test_the_noise_is_what_is_set():
    device = counter(Steady(), Steady(), edge_noise_ps=50.0)
    with joined(TAPRTICC, device, SERIAL) as unit:
        unit.prepare_intervals()
        device.time.wait_until(510 * 10**9)
        stamps = unit.take_readings()
        first = np.array([r.picoseconds for r in stamps if r.channel == "A"])
        second = np.array([r.picoseconds for r in stamps if r.channel == "B"])
        assert first.size == second.size > 490
        # 500 normal numbers: outside four standard errors once in 16000
        assert np.std(second - first) == pytest.approx(50 * math.sqrt(2), rel=4 / math.sqrt(1000))


def test_a_missing_pulse_gives_nan_and_the_next_is_measured_again():
    device = counter(Steady(phase=1e-7), Steady(gone=(20.5, 26.5)), edge_noise_ps=0.0)
    with joined(TAPRTICC, device, SERIAL) as unit:
        unit.prepare_intervals(within_s=2.5)
        found = []
        while device.time.now_ns() < 40 * 10**9:
            unit.begin_interval()
            found.append(unit.interval_s())
        good = [x for x in found if not math.isnan(x)]
        assert len(good) > 20
        assert good == pytest.approx([1e-7] * len(good), abs=1.1e-11)


def test_in_interval_mode_the_firmware_pairs_wrongly_after_a_missing_pulse():
    device = counter(Steady(phase=1e-7, gone=(20.5, 21.5)), Steady(), mode="interval")
    with joined(TAPRTICC, device, SERIAL) as unit:
        unit.prepare_intervals()
        device.time.wait_until(18 * 10**9)
        unit.begin_interval()
        assert unit.interval_s() == pytest.approx(1e-7, abs=1e-9)
        device.time.wait_until(30 * 10**9)
        unit.begin_interval()
        assert unit.interval_s() == pytest.approx(1e-7 - 1.0, abs=1e-9)


def test_periods():
    device = counter(Steady(10.0, offset=1e-7), mode="period", edge_noise_ps=0.0)
    with joined(TAPRTICC, device, SERIAL) as unit:
        with pytest.raises(MisuseError, match="it prints period"):
            unit.prepare_intervals()
        device.time.wait_until(20 * 10**9)
        periods = [r.picoseconds for r in unit.take_readings()]
        assert len(periods) > 100
        assert periods == pytest.approx([100_000_000_000 - 10_000] * len(periods), abs=20)


def test_of_one_channel_time_stamps_come_two_by_two():
    device = counter(Steady(), edge_noise_ps=0.0)
    with joined(TAPRTICC, device, SERIAL) as unit:
        seen = []
        for second in range(12, 20):
            device.time.wait_until(second * 10**9 + 500_000_000)
            seen.append(len(unit.take_readings()))
        assert sorted(set(seen[1:])) == [0, 2]


def test_a_line_that_breaks_says_where():
    device = counter(Steady(), Steady())
    with joined(TAPRTICC, device, SERIAL) as unit:
        unit.prepare_intervals()
        device.sessions[0].hang_up()
        with pytest.raises(ConnectionLostError) as caught:
            unit.interval_s()
        assert caught.value.address == SERIAL


def test_without_signals_nothing_comes():
    with joined(TAPRTICC, counter(), SERIAL) as unit:
        unit.prepare_intervals(within_s=1.0)
        unit.begin_interval()
        assert math.isnan(unit.interval_s())


def test_opening_again_starts_again():
    device = counter(Steady(), Steady(), edge_noise_ps=0.0)
    with joined(TAPRTICC, device, SERIAL):
        device.time.wait_until(100 * 10**9)
    with joined(TAPRTICC, device, SERIAL) as unit:
        unit.prepare_intervals()
        device.time.wait_until(120 * 10**9)
        assert all(r.picoseconds < 15 * 10**12 for r in unit.take_readings())


def test_a_mode_that_is_none():
    with pytest.raises(MisuseError, match="debug"):
        counter(mode="debug")
