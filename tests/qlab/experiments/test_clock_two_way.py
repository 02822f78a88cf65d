"""Two-way transfer: the fibre's delay drops out, its asymmetry has to be calibrated."""

import numpy as np
import pytest
from clock_runs import bench_text, run_text

from drivers.simulated.plant.clock_fibre import ClockFibre, ClockFibreParameters
from qlab.errors import StationError
from qlab.replay import replay_run
from qlab.runner import run_experiment
from qlab.station import parse_station

FAR = """[instruments.far]
driver = "keysight-53230a"
address = "USB0::0x0957::0x1907::MY50001486::INSTR"

# ---- What each is for"""
FAR_DEVICE = """[simulation.devices.far]
serial_number = "MY50001486"
interval_noise_ps = 100.0
terminals = { input1 = "reference_pps", input2 = "sites.0.returned_pps", reference = "reference" }

[simulation.devices.counter]"""
#: A fibre in the open, whose two ways differ.
FIBRE = "fibre = { length_km = 50.0, exposed_km = 50.0, air_daily_k = 20.0, asymmetry = 2.5e-4 }"


def station(difference_s, date, **more):
    """Return a station whose delays are calibrated so, and then."""
    calibrated = f"asymmetry_s = {difference_s!r}\nasymmetry_date = '{date}'"
    text = bench_text(
        swaps=[
            ("# ---- What each is for", FAR),
            ('counter = ["counter"]', 'counter = ["counter"]\nfar_counter = ["far"]'),
            ('reference_clock = "5071a-hp"', 'two_way = true\nreference_clock = "5071a-hp"'),
            ('clock = "fs725"', f'clock = "fs725"\n{calibrated}'),
            ("[simulation.devices.counter]", FAR_DEVICE),
            ("fibre = { length_km = 50.0, exposed_km = 0.5 }", FIBRE),
        ],
        **more,
    )
    before, _, rest = text.partition("[[clock.sites.delays]]")
    return before + rest[rest.index("# Two-way transfer") :]


def difference_of_the_ways():
    """Return d_AB - d_BA of the plant's fibre."""
    fibre = ClockFibre(ClockFibreParameters(length_km=50.0, asymmetry=2.5e-4), (1,))
    return fibre.forward_s - fibre.backward_s


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    difference_s = difference_of_the_ways()
    text = station(difference_s, "2033-01-01")
    path = tmp_path_factory.mktemp("two_way") / "run.h5"
    return difference_s, run_text(path, text, 600.0)


def test_it_reads_the_clocks_themselves(calibrated):
    """Noise of 100 ps at either end makes 71 ps; the fibre moves by more and is not seen."""
    difference_s, run = calibrated
    assert abs(difference_s) == pytest.approx(61e-9, rel=0.01)
    times_ns, x_s = run.times_ns(), run.logs[0]["x"]
    site = run.plant.sites[0]
    truth_s = site.pps.phase_at(times_ns) - run.plant.reference_pps.phase_at(times_ns)
    error_s = x_s - truth_s
    assert np.std(error_s) == pytest.approx(100e-12 / np.sqrt(2.0), rel=0.15)
    assert abs(np.mean(error_s)) < 5 * 71e-12 / np.sqrt(error_s.size)
    moved_s = np.ptp(site.fibre.change_at(times_ns))
    assert moved_s > 1e-9


def test_it_locks_and_replays(calibrated):
    _, run = calibrated
    [site] = run.results["sites"]
    assert (run.outcome.error, site["state"]) == (None, "locked")
    assert "calibration" not in site["alarms"]
    assert np.all(np.isfinite(run.logs[0]["interval_back"]))
    assert replay_run(run.path).matched


def test_an_asymmetry_that_nobody_calibrated_is_half_in_the_phase(calibrated, tmp_path):
    difference_s, _ = calibrated
    run = run_text(tmp_path / "run.h5", station(0.0, "2033-01-01"), 120.0)
    times_ns = run.times_ns()
    truth_s = run.plant.sites[0].pps.phase_at(times_ns) - run.plant.reference_pps.phase_at(times_ns)
    wrong_s = np.mean(run.logs[0]["x"] - truth_s)
    assert wrong_s == pytest.approx(difference_s / 2.0, abs=50e-12)


def test_an_old_calibration_raises_the_alarm(tmp_path):
    run = run_text(tmp_path / "run.h5", station(61e-9, "2031-01-01"), 60.0)
    assert "calibration" in run.results["sites"][0]["alarms"]


def test_without_the_far_end_there_is_no_reading(tmp_path):
    lost = {"far": [{"kind": "garbage", "matching": "READ", "at_s": 100.5, "times": 4}]}
    run = run_text(tmp_path / "run.h5", station(61e-9, "2033-01-01", devices=lost), 150.0)
    assert run.outcome.error is None
    assert run.results["sites"][0]["missing"] == 4
    assert "holdover" in [change["state"] for change in run.results["sites"][0]["changes"]]
    assert replay_run(run.path).matched


def test_the_far_counter_needs_its_role(tmp_path):
    text = station(0.0, "2033-01-01").replace('far_counter = ["far"]', "")
    with pytest.raises(StationError, match="nothing plays the role 'far_counter'"):
        run_experiment("clock", parse_station(text, "clock.toml"), tmp_path / "run.h5")
