from __future__ import annotations

import pytest
from driver_bench import joined, settable, values_of
from hypothesis import given, settings
from hypothesis import strategies as st
from steered_oscillator import Pulses, Steered

from drivers.core import (
    IdentityMismatchError,
    InstrumentFaultError,
    MisuseError,
    ResponseTimeoutError,
    UnexpectedReplyError,
    ValueOutOfRangeError,
)
from drivers.frequency_standards.microchip_sa5x import ALARMS, MicrochipSA5x
from drivers.simulated.devices.microchip_sa5x import MicrochipSA5xDevice
from drivers.simulated.time import VirtualTime

SERIAL = "ASRL7::INSTR"
OPENING = [("{swrev?}", b"[=V1.1.7,SA5X]\r\n")]


def bracketed(command, held):
    return (command, f"[={held}]\r\n".encode())


def clock(oscillator=None, pps=None, **more):
    terminals = {"oscillator": oscillator, "pps_input": pps}
    given_ones = {name: it for name, it in terminals.items() if it is not None}
    return MicrochipSA5xDevice("mac", VirtualTime(), given_ones, **more)


def wait_until(device, seconds):
    device.time.wait_until(round(seconds * 1e9))


# ---- the driver against a conversation -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "command"),
    [
        ("steering", -1.23e-10, "{set,DigitalTuning,-123000}"),
        ("steering", 2e-8, "{set,DigitalTuning,20000000}"),
        ("steering", 0.6e-15, "{set,DigitalTuning,1}"),
        ("disciplining", True, "{set,Disciplining,1}"),
        ("discipline_time_constant_s", 10000, "{set,TauPps0,10000}"),
        ("discipline_threshold_s", 20e-9, "{set,DisciplineThresholdPps0,20}"),
        ("phase_metering", False, "{set,PhaseMetering,0}"),
        ("cable_delay_s", -30e-9, "{set,CableDelay,-30}"),
        ("pulse_offset_s", -30e-9, "{set,PpsOffset,-30}"),
        ("pulse_width_s", 0.08, "{set,PpsWidth,80000000}"),
    ],
)
def test_command(scripted, name, value, command):
    answer = command.rstrip("}").split(",")[-1]
    setattr(scripted(MicrochipSA5x, *OPENING, bracketed(command, answer)), name, value)


@pytest.mark.parametrize(
    ("name", "query", "held", "value"),
    [
        ("steering", "{get,DigitalTuning}", "-123000", -1.23e-10),
        ("effective_steering", "{get,EffectiveTuning}", "17", 17e-15),
        ("locked", "{get,Locked}", "1", True),
        ("lock_progress_percent", "{get,LockProgress}", "37", 37),
        ("temperature_c", "{get,Temperature}", "41523", 41.523),
        ("discipline_locked", "{get,DisciplineLocked}", "0", False),
        ("pulse_detected", "{get,PpsInDetected}", "1", True),
        ("phase_s", "{get,Phase}", "-12.5", -12.5e-9),
    ],
)
def test_reading(scripted, name, query, held, value):
    unit = scripted(MicrochipSA5x, *OPENING, bracketed(query, held))
    assert getattr(unit, name) == pytest.approx(value)


@given(st.integers(0, 2**32 - 1))
def test_each_alarm_has_its_name(bits):
    unit = MicrochipSA5x("mac", "SCRIPT", None)
    unit.link.query = lambda request: str(bits)
    names = unit.alarms()
    assert len(names) == bits.bit_count()
    assert {name for bit, name in ALARMS.items() if bits >> bit & 1} <= set(names)


def test_a_refusal_is_an_error_that_quotes_it(scripted):
    unit = scripted(
        MicrochipSA5x,
        *OPENING,
        ("{set,Disciplining,1}", b"[!7]\r\n"),
        ("{get,Locked}", b"[!9]\r\n"),
    )
    with pytest.raises(InstrumentFaultError, match=r"answered '\[!7\]' to '\{set,Disc") as caught:
        unit.disciplining = True
    assert (caught.value.instrument, caught.value.address) == ("unit", "SCRIPT::INSTR")
    with pytest.raises(InstrumentFaultError, match=r"\[!9\]"):
        _ = unit.locked


@pytest.mark.parametrize("reply", ["=1]", "[=1", "", "[1]", "hello"])
def test_an_answer_without_its_brackets_is_none(scripted, reply):
    unit = scripted(MicrochipSA5x, *OPENING, ("{get,Locked}", f"{reply}\r\n".encode()))
    with pytest.raises(UnexpectedReplyError, match=r"to '\{get,Locked\}'"):
        _ = unit.locked


def test_what_is_no_value_is_quoted(scripted):
    unit = scripted(
        MicrochipSA5x, *OPENING, bracketed("{get,Locked}", "7"), bracketed("{get,Alarms}", "x")
    )
    with pytest.raises(UnexpectedReplyError, match=r"'\{get,Locked\}' was answered by '7'"):
        _ = unit.locked
    with pytest.raises(UnexpectedReplyError, match="Alarms"):
        unit.alarms()


def test_another_instrument_is_refused(scripted):
    with pytest.raises(IdentityMismatchError):
        scripted(MicrochipSA5x, ("{swrev?}", b"[=BOOT]\r\n"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steering", 2.1e-8),
        ("discipline_time_constant_s", 9),
        ("pulse_width_s", 0.1),
        ("disciplining", 1),
    ],
)
def test_out_of_range_sends_nothing(scripted, name, value):
    unit = scripted(MicrochipSA5x, *OPENING)
    with pytest.raises(ValueOutOfRangeError):
        setattr(unit, name, value)


def test_latching_and_storing(scripted):
    unit = scripted(
        MicrochipSA5x,
        *OPENING,
        bracketed("{get,Disciplining}", "1"),
        bracketed("{get,Disciplining}", "0"),
        bracketed("{latch}", "1"),
        bracketed("{store}", "1"),
        bracketed("{serial?}", "2101MX00042"),
    )
    with pytest.raises(MisuseError, match="disciplines itself"):
        unit.latch_steering()
    unit.latch_steering()
    unit.store()
    assert unit.serial_number() == "2101MX00042"


# ---- the driver against the simulated unit ----------------------------------------------


def test_a_warm_unit_is_locked():
    with joined(MicrochipSA5x, clock(), SERIAL) as unit:
        assert unit.identity == "V1.1.7,SA5X"
        assert unit.locked
        assert unit.lock_progress_percent == 100
        assert unit.temperature_c == pytest.approx(41.5)
        assert unit.alarms() == ("no 1PPS input",)
        for name, prop in MicrochipSA5x.properties().items():
            if prop.query is not None:
                getattr(unit, name)


def test_a_cold_unit_locks_in_time():
    device = clock(warm=False, warm_up_s=200.0)
    with joined(MicrochipSA5x, device, SERIAL) as unit:
        wait_until(device, 100)
        assert (unit.locked, unit.lock_progress_percent) == (False, 50)
        wait_until(device, 201)
        assert (unit.locked, unit.lock_progress_percent) == (True, 100)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_simulated_unit_keeps_its_settings(data):
    device = clock()
    with joined(MicrochipSA5x, device, SERIAL) as unit:
        for name, prop in settable(unit).items():
            value = data.draw(values_of(prop), label=name)
            setattr(unit, name, value)
            assert prop.agrees(prop.check(value), getattr(unit, name))
    assert device.memory_writes == 0


@settings(max_examples=25, deadline=None)
@given(st.floats(-2e-8, 2e-8))
def test_steering_pulls_the_oscillator_in_steps(value):
    oscillator = Steered(offset=3e-11)
    with joined(MicrochipSA5x, clock(oscillator), SERIAL) as unit:
        unit.steering = value
        pulled = oscillator.frequency(10**18) - 3e-11
        assert pulled == pytest.approx(value, abs=0.51e-15)
        assert unit.steering == pytest.approx(pulled, abs=1e-20)


def test_latching_keeps_the_frequency():
    oscillator = Steered()
    device = clock(oscillator)
    with joined(MicrochipSA5x, device, SERIAL) as unit:
        unit.steering = 5e-11
        unit.latch_steering()
        assert unit.steering == 0.0
        assert oscillator.frequency(10**18) == pytest.approx(5e-11)
        unit.steering = -1e-11
        assert oscillator.frequency(10**18) == pytest.approx(4e-11)
        assert device.memory_writes == 1


def test_disciplining_follows_the_input_and_leaves_its_steering():
    oscillator = Steered(offset=2e-10, phase_s=0.02)
    device = clock(oscillator, Steered())
    with joined(MicrochipSA5x, device, SERIAL) as unit:
        unit.phase_metering = True
        assert unit.phase_s == pytest.approx(0.02, abs=1e-6)
        unit.discipline_time_constant_s = 50
        unit.disciplining = True
        wait_until(device, 1000)
        assert unit.discipline_locked
        assert unit.alarms() == ()
        assert abs(unit.phase_s) <= 2e-9
        assert unit.effective_steering == pytest.approx(-2e-10, abs=2e-11)
        assert unit.steering == 0.0
        unit.disciplining = False
        held = unit.steering
        assert held == unit.effective_steering
        wait_until(device, 2000)
        assert unit.steering == held


def test_an_offset_moves_the_pulses():
    pulses = Pulses(late_s=0.1)
    device = MicrochipSA5xDevice("mac", VirtualTime(), {"pps_output": pulses})
    with joined(MicrochipSA5x, device, SERIAL) as unit:
        unit.pulse_offset_s = 500e-9
        assert pulses.late == pytest.approx(0.1 + 500e-9)
        unit.pulse_offset_s = -300e-9
        assert pulses.late == pytest.approx(0.1 - 300e-9)


def test_the_unit_refuses_what_it_does_not_know_or_take():
    with joined(MicrochipSA5x, clock(), SERIAL) as unit:
        for command in ("{get,Nothing}", "{set,Nothing,1}", "{set,Locked,1}", "{bogus}"):
            with pytest.raises(InstrumentFaultError):
                unit.tell(command)
        for command in ("{set,DigitalTuning,20000001}", "{set,PpsWidth,105}"):
            with pytest.raises(InstrumentFaultError):
                unit.tell(command)
        assert unit.ask("\\{get,Locked}") == "1"


def test_silence_garbage_and_refusals_are_told():
    device = clock()
    with joined(MicrochipSA5x, device, SERIAL) as unit:
        device.faults.silent(times=1)
        assert unit.locked  # asked again
        device.faults.garbage(times=1)
        with pytest.raises(UnexpectedReplyError):
            _ = unit.locked
        device.faults.report_error(4)
        with pytest.raises(InstrumentFaultError, match=r"\[!4\]"):
            unit.steering = 1e-12
        device.faults.silent(matching="DigitalTuning")
        with pytest.raises(ResponseTimeoutError, match="DigitalTuning") as caught:
            unit.steering = 1e-12
        assert caught.value.address == SERIAL
        device.faults.clear()
        unit.steering = 2e-12
        assert unit.steering == pytest.approx(2e-12)
