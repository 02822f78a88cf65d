"""Three seeds over all wires are, bit for bit, what the plant and `protocols` give without any."""

import itertools

import numpy as np
import pytest
from clock_runs import START_TAI_NS, run_clock

from drivers.simulated.devices.counter_edges import measured_interval
from drivers.simulated.plant.clocks import ClockParameters, ClockPlant
from protocols.clock.actuator import Actuator
from protocols.clock.ledger import correction
from protocols.clock.loop import Loop, Reading
from protocols.clock.states import Quality
from qlab.experiments.clock.options import ClockOptions
from qlab.runfile.reader import RunFile
from qlab.station import parse_station, read_table

SEEDS = (11, 12, 13)
FAULTS = [{"at_s": 250.5, "kind": "vanish", "for_s": 20.0}]


@pytest.fixture(scope="module", params=SEEDS)
def wired(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("wired") / "run.h5"
    return request.param, run_clock(path, 500.0, seed=request.param, faults=FAULTS)


def options_of(run):
    with RunFile.open(run.path) as found:
        return read_table(parse_station(found.config, "config"), "clock", ClockOptions)


def loop_of(options):
    actuator = Actuator(step=1e-12, lower=-1000, upper=1000, slew=1e-9)
    return Loop(options.loop(options.sites[0], actuator, can_place=True), 0)


def same(decision, row):
    """Check that a decision is that of the record, in every bit that is recorded."""
    told = (
        ("phase", decision.phase_s), ("phase_sigma", decision.phase_sigma_s),
        ("frequency", decision.frequency), ("residual", decision.residual_s),
        ("bound_95", decision.bound_95_s), ("setting", decision.setting),
        ("flags", int(decision.flags)), ("alarms", int(decision.alarms)),
        ("state", int(decision.state)), ("reason", int(decision.reason)),
    )  # fmt: skip
    for name, value in told:
        assert row[name] == value, name


def test_the_record_is_all_that_the_loop_depends_on(wired):
    _, run = wired
    options = options_of(run)
    loop = loop_of(options)
    calibrated = correction([each.delay() for each in options.sites[0].delays]).oldest_tai_ns
    confirmed = True
    for row in run.logs[0]:
        decision = loop.step(
            Reading(
                t_tai_ns=int(row["t_tai_ns"]),
                x_s=None if np.isnan(row["x"]) else float(row["x"]),
                quality=Quality(int(row["quality"])),
                temperature_c=float(row["temperature_c"]),
                healthy=bool(row["healthy"]),
                confirmed=confirmed,
                calibrated_tai_ns=calibrated,
            )
        )
        same(decision, row)
        confirmed = bool(row["confirmed"])


def test_without_the_wire(wired):
    """Plant, noise and loop joined directly; only when something happened is from the record."""
    seed, run = wired
    options = options_of(run)
    plant = ClockPlant(run.plant.parameters, seed)
    assert isinstance(run.plant.parameters, ClockParameters)
    site, loop = plant.sites[0], loop_of(options)
    ledger = correction([each.delay() for each in options.sites[0].delays])
    noise = np.random.default_rng((seed, *b"counter"))
    steered_ns = [piece[0] for piece in run.plant.sites[0].local._steers[1:]]
    commands = itertools.chain(steered_ns, itertools.repeat(None))
    next_ns, setting, last_ns = next(commands), 0, 0
    with RunFile.open(run.path) as record:
        armings = [each.time_ns for each in record.records() if each.data == b"READ?\n"]
    for row, armed_ns in zip(run.logs[0], armings, strict=True):
        t_ns = int(row["t_tai_ns"]) - START_TAI_NS
        x_s = None
        if not np.isnan(row["interval"]):
            time_base_s = site.delivered.phase_s
            found = measured_interval(site.pps, site.delivered_pps, time_base_s, armed_ns)
            value = found[1] + 100e-12 * float(noise.standard_normal())
            interval_s = float(f"{value:+.14E}")
            assert interval_s == row["interval"]
            x_s = interval_s - np.floor(interval_s + 0.5) + ledger.value_s
        decision = loop.step(
            Reading(
                t_tai_ns=START_TAI_NS + t_ns, x_s=x_s, quality=Quality(int(row["quality"])),
                temperature_c=float(row["temperature_c"]), calibrated_tai_ns=ledger.oldest_tai_ns,
            )
        )  # fmt: skip
        same(decision, row)
        if decision.setting != setting:
            assert next_ns is not None
            assert last_ns < next_ns
            site.local.steer(next_ns, decision.setting * 1e-12)
            setting, last_ns, next_ns = decision.setting, next_ns, next(commands)
    assert next_ns is None
    assert len(steered_ns) > 300
