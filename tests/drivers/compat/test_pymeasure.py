"""PyMeasure's own drivers, unmodified, on our devices over a TCP socket."""

from __future__ import annotations

import numpy as np
import pytest
from driver_bench import Calls
from pymeasure.instruments.agilent import Agilent33500
from pymeasure.instruments.thorlabs import ThorlabsPM100USB

from drivers.simulated.devices.keysight_33600a import Keysight33600ADevice
from drivers.simulated.devices.thorlabs_pm100d import ThorlabsPM100DDevice
from drivers.simulated.server import Server
from drivers.simulated.tcp import serve_tcp
from drivers.simulated.time import RealTime

# PyMeasure says so of every instrument that it did not try with *IDN?.
pytestmark = pytest.mark.filterwarnings("ignore:It is not known whether:FutureWarning")


class Head:
    def power_w(self, t_ns, average_s):
        return 4.2e-6


@pytest.fixture
def served():
    """Return a function that serves a device and gives its VISA resource name."""
    with Server(RealTime()) as server:

        def serve(kind, terminals):
            device = kind("unit", server.time, terminals)
            host, port = serve_tcp(server, device.port("socket"))
            return device, f"TCPIP::{host}::{port}::SOCKET"

        yield serve


def opened(driver, resource):
    return driver(
        resource, visa_library="@py", read_termination="\n", write_termination="\n", timeout=3000
    )


@pytest.fixture
def generator(served):
    device, resource = served(Keysight33600ADevice, {"output1": Calls(), "output2": Calls()})
    unit = opened(Agilent33500, resource)
    yield unit, device
    unit.adapter.close()


CHANNEL = [
    ("shape", "SQU", "SQU"),
    ("frequency", 1.5e6, 1.5e6),
    ("amplitude", 2.5, 2.5),
    ("amplitude_unit", "VRMS", "VRMS"),
    ("offset", -0.5, -0.5),
    ("voltage_high", 2.0, 2.0),
    ("voltage_low", -1.0, -1.0),
    ("phase", 90.0, 90.0),
    ("square_dutycycle", 25.0, 25.0),
    ("ramp_symmetry", 40.0, 40.0),
    ("pulse_period", 2e-3, 2e-3),
    ("pulse_width", 5e-5, 5e-5),
    ("pulse_dutycycle", 20.0, 20.0),
    ("pulse_transition", 2e-8, 2e-8),
    ("pulse_hold", "DCYC", "DCYC"),
    ("output", True, True),
    ("output_load", 1000, 1000.0),
    ("output_load", "INF", 9.9e37),
    ("burst_state", True, True),
    ("burst_mode", "GAT", "GAT"),
    ("burst_period", 0.2, 0.2),
    ("burst_ncycles", 7, 7),
    ("arb_advance", "SRAT", "SRAT"),
    ("arb_filter", "STEP", "STEP"),
    ("arb_srate", 1e6, 1e6),
]


@pytest.mark.parametrize("part", ["instrument", "channel 2"])
def test_every_property_of_the_generator(generator, part):
    unit, _ = generator
    unit.reset()
    target = unit if part == "instrument" else unit.ch_2
    for name, value, expected in CHANNEL:
        setattr(target, name, value)
        actual = getattr(target, name)
        assert actual == (pytest.approx(expected) if isinstance(expected, float) else expected), (
            name
        )
    assert unit.check_errors() == []


def test_identity_and_triggers(generator):
    unit, device = generator
    assert unit.id == "Agilent Technologies,33622A,MY53801234,A.02.03-3.15-03-64-02"
    unit.reset()
    unit.shape = "ARB"
    unit.data_volatile_clear()
    unit.data_arb("ramp", range(-10000, 10000, 20), data_format="DAC")
    unit.arb_file = "ramp"
    unit.arb_srate = 1e6
    unit.trigger_source = "BUS"
    unit.burst_ncycles = 1
    unit.burst_state = True
    unit.ext_trig_out = True
    unit.output = True
    assert unit.trigger_source == "BUS"
    assert unit.ext_trig_out is True
    unit.trigger()
    unit.wait_for_trigger()
    assert unit.complete == "1"
    assert unit.arb_file == '"ramp"'
    method, _, waveform = device.terminals["output1"].last
    assert method == "play"
    assert np.array_equal(waveform.codes, np.arange(-10000, 10000, 20))
    unit.phase_sync()
    unit.display = "QKD"
    unit.clear_display()
    unit.beep()
    assert unit.check_errors() == []


def test_a_float_record_and_what_the_generator_refuses(generator):
    unit, device = generator
    unit.reset()
    unit.ch_2.data_arb("half", [0.5, -0.5] * 16, data_format="float")
    unit.ch_2.arb_file = "half"
    assert unit.ch_2.arb_file == '"half"'
    assert device.memory[2].record[0] == 16384
    unit.ch_2.data_arb("half", [0.5, -0.5] * 16, data_format="float")
    assert unit.check_errors() == [[786.0, '"Specified arb waveform already exists"']]


def test_the_power_meter(served):
    _, resource = served(ThorlabsPM100DDevice, {"head": Head()})
    unit = opened(ThorlabsPM100USB, resource)
    assert unit.sensor_name == "S154C"
    assert unit.is_power_sensor
    assert unit.wavelength_settable
    assert not unit.is_energy_sensor
    unit.wavelength = 1310
    assert unit.wavelength == 1310.0
    assert (unit.wavelength_min, unit.wavelength_max) == (800.0, 1700.0)
    assert unit.power == pytest.approx(4.2e-6)
    unit.adapter.close()


def test_a_power_meter_without_a_sensor(served):
    _, resource = served(ThorlabsPM100DDevice, {})
    with pytest.raises(OSError, match="No sensor"):
        opened(ThorlabsPM100USB, resource)
