"""The plant of a clock bench: fibres, pulses, faults and the truth about them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.core.errors import MisuseError
from drivers.simulated.bench import DeviceSpec, PlantSpec, build_bench
from drivers.simulated.devices.counter_edges import measured_interval
from drivers.simulated.plant.clock_fibre import ClockFibre, ClockFibreParameters
from drivers.simulated.plant.clocks import ClockParameters, ClockPlant, SiteParameters
from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.signals import Fault
from drivers.simulated.plant.temperatures import TemperatureParameters
from drivers.simulated.plants import PLANTS, plant_kind
from drivers.simulated.time import VirtualTime

_S = 1_000_000_000
_DAY = np.arange(0, 86_401, 10) * _S
STILL = ClockFibreParameters(air_daily_k=0, air_yearly_k=0, air_wander_k=0, acoustic_h=0)
PERFECT = OscillatorParameters()


def perfect(*faults, fibre=STILL, local=PERFECT, **figures):
    site = SiteParameters(local=local, fibre=fibre, temperature=TemperatureParameters(), **figures)
    return ClockPlant(ClockParameters(reference=PERFECT, sites=(site,), faults=faults), 1)


# ---- the fibre ---------------------------------------------------------------------


def test_fifty_kilometres_take_245_microseconds():
    fibre = ClockFibre(STILL, (1,))
    assert fibre.forward_s == fibre.backward_s == pytest.approx(50 * 4.8967e-6, rel=1e-5)
    assert fibre.way(back=False).delay_s(5 * _S) == fibre.forward_s


def test_the_exposed_ends_follow_the_air():
    # 38 ps/km/K, 0.5 km, 5 K: a daily sine of 95 ps.
    figures = replace(STILL, air_daily_k=5.0, exposed_km=0.5, burial_m=10.0)
    change = ClockFibre(figures, (1,)).change_at(_DAY)
    assert change[2160] == pytest.approx(95e-12, rel=1e-6)
    assert np.ptp(change) == pytest.approx(190e-12, rel=1e-4)


@pytest.mark.parametrize(
    ("seconds", "expected_k"),
    [(86_400, 5.0 * math.exp(-1.0 / 0.12)), (365.25 * 86_400, 10.0 * math.exp(-1.0 / 2.4))],
)
def test_soil_damps_the_day_and_hardly_the_year(seconds, expected_k):
    # at 1 m the day is left with 2.4e-4, the year with 0.66
    day = seconds == 86_400
    figures = replace(
        STILL,
        exposed_km=0.0,
        air_daily_k=5.0 if day else 0.0,
        air_yearly_k=0.0 if day else 10.0,
    )
    times = np.linspace(0, seconds * 1e9, 2001).astype(np.int64)
    change = ClockFibre(figures, (1,)).change_at(times)
    assert np.ptp(change) == pytest.approx(2 * 50 * 38e-12 * expected_k, rel=1e-4)
    assert change[0] == 0.0


def test_acoustic_noise_is_h_l_over_f_squared():
    # h = 10, L = 50: 8.2e-14 at 1 s at 193.4 THz; 20 seeds of 4000 s scatter by 0.25 %.
    figures = replace(STILL, acoustic_h=10.0)
    times = np.arange(4000) * _S
    gained = [np.diff(ClockFibre(figures, (seed,)).change_at(times)) for seed in range(20)]
    expected = math.sqrt(0.5 * 10.0 * 50.0) / 193.4e12
    assert expected == pytest.approx(8.2e-14, rel=0.01)
    assert np.std(gained) == pytest.approx(expected, rel=5.0 / math.sqrt(2 * 80_000))


@pytest.mark.parametrize(
    ("figures", "apart_s"),
    [
        ({"asymmetry": 2.5e-4}, 2.5e-4 * 50 * 4.8967e-6),
        ({"wavelength_difference_nm": 0.8}, 17e-12 * 0.8 * 50),
        ({"east_km": 100.0}, 2 * 0.37e-9),
    ],
)
def test_there_is_not_as_far_as_back(figures, apart_s):
    fibre = ClockFibre(replace(STILL, **figures), (1,))
    apart = fibre.forward_s - fibre.backward_s
    assert apart == pytest.approx(apart_s, rel=2e-4)
    if "asymmetry" in figures:
        assert fibre.forward_s / fibre.backward_s - 1.0 == pytest.approx(2.5e-4, rel=1e-9)


def test_two_way_time_transfer_is_off_by_half_the_asymmetry():
    # x_B - x_A = (R_B - R_A)/2 - (d_AB - d_BA)/2, R the arrival on one's own clock
    plant = perfect(
        fibre=replace(STILL, asymmetry=1e-4, air_daily_k=5.0, acoustic_h=10.0),
        local=replace(PERFECT, offset=3e-11),
    )
    site, t_ns = plant.sites[0], 30_000 * _S
    r_b = site.pps.phase_s(t_ns) - site.delivered_pps.phase_s(t_ns)
    r_a = plant.reference_pps.phase_s(t_ns) - site.returned_pps.phase_s(t_ns)
    found = 0.5 * (r_b - r_a)
    apart_s = site.fibre.forward_s - site.fibre.backward_s
    x_s = site.local.phase_s(t_ns)
    assert x_s == pytest.approx(9e-7)
    assert found - 0.5 * apart_s == pytest.approx(x_s, abs=2e-14)


# ---- pulses and what a counter makes of them ---------------------------------------


def test_the_interval_of_local_and_delivered_is_their_phase_and_the_delay():
    plant = perfect(local=replace(PERFECT, offset=1e-9))
    site = plant.sites[0]
    found = measured_interval(site.pps, site.delivered_pps, lambda _: 0.0, 999 * _S + 17)
    assert found is not None
    end_ns, interval_s = found
    x_s = 1e-9 * (1000 - 1e-6)  # at the local pulse
    assert interval_s == pytest.approx(x_s + site.fibre.forward_s, abs=2e-16)
    assert end_ns == 1000 * _S + round(site.fibre.forward_s * 1e9)


def test_pulses_are_placed():
    site = perfect(pulses_late_s=0.25).sites[0]
    assert site.pps.phase_s(5 * _S) == -0.25
    site.pps.place(10 * _S, 1e-6)
    assert site.pps.phase_at(np.array([9, 10, 11]) * _S).tolist() == [-0.25, -1e-6, -1e-6]
    assert site.pps.phase_s(9 * _S) == -0.25
    site.pps.place(10 * _S, 2e-6)
    assert site.pps.late_s(20 * _S) == 2e-6


# ---- faults and truth --------------------------------------------------------------


def test_faults_happen_when_they_are_due():
    plant = perfect(
        Fault(at_s=100, kind="step", amount=1e-6),
        Fault(at_s=200, kind="drift", amount=1e-9, for_s=50),
        Fault(at_s=300, kind="vanish", amount=-2e-6, for_s=60),
        Fault(at_s=400, kind="vanish", site=0, for_s=10),
    )
    seconds = np.array([99, 101, 199, 210, 260, 299, 330, 361, 405, 411])
    truth = plant.truth(seconds * _S)
    nothing = math.nan
    wrong = [0, 1e-6, 1e-6, 1.01e-6, 1.05e-6, 1.05e-6, nothing, -0.95e-6, nothing, -0.95e-6]
    # what arrives left 245 us before
    assert truth.delivered_s == pytest.approx(wrong, abs=1e-12, nan_ok=True)
    assert truth.healthy.tolist() == [1, 1, 1, 0, 1, 1, 0, 1, 0, 1]
    assert np.isnan(truth.reference_s).tolist() == [False] * 6 + [True] + [False] * 3
    one_by_one = [plant.sites[0].delivered_pps.phase_s(int(t)) for t in seconds * _S]
    together = plant.sites[0].delivered_pps.phase_at(seconds * _S)
    assert np.array_equal(together, one_by_one, equal_nan=True)


def test_a_vanished_reference_gives_no_interval():
    site = perfect(Fault(at_s=50, kind="vanish")).sites[0]
    assert measured_interval(site.pps, site.delivered_pps, lambda _: 0.0, 40 * _S) is not None
    assert measured_interval(site.pps, site.delivered_pps, lambda _: 0.0, 60 * _S) is None


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"at_s": -1.0, "kind": "step"}, "not negative"),
        ({"at_s": 1.0, "kind": "step", "amount": math.nan}, "finite"),
        ({"at_s": 1.0, "kind": "vanish", "site": 1}, "site 1, which does not exist"),
    ],
)
def test_impossible_faults(fault, words):
    with pytest.raises(ValueError, match=words):
        perfect(Fault(**fault))


def test_the_steered_reference_reaches_the_sites():
    plant = perfect(Fault(at_s=1e6, kind="step"))
    plant.reference.steer(10 * _S, 1e-10)
    assert plant.sites[0].delivered.phase_s(110 * _S) == pytest.approx(
        1e-8 - plant.sites[0].fibre.forward_s, abs=1e-12
    )


def test_the_truth_keeps_the_free_clock():
    plant = ClockPlant(ClockParameters(), 5)
    plant.sites[0].local.steer(1000 * _S, 5e-11)
    truth, free = plant.truth(_DAY), ClockPlant(ClockParameters(), 5).truth(_DAY)
    assert np.array_equal(truth.free_s, free.local_s)
    assert truth.local_s[-1] - free.local_s[-1] == pytest.approx(85_400 * 5e-11, rel=1e-9)
    assert np.array_equal(truth.delivered_s, free.delivered_s)
    assert abs(truth.delivered_s - truth.reference_s).max() < 1e-9


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9_600 * _S), min_size=1, max_size=10))
def test_every_signal_is_the_same_asked_one_by_one_and_at_once(times):
    faults = (Fault(at_s=500, kind="drift", amount=1e-9), Fault(at_s=9e3, kind="vanish", for_s=60))
    first, second = (ClockPlant(ClockParameters(faults=faults), 6) for _ in range(2))
    for name in ("local", "pps", "delivered", "delivered_pps", "returned", "returned_pps"):
        together = getattr(second.sites[0], name).phase_at(np.array(times))
        signal = getattr(first.sites[0], name)
        assert np.array_equal(together, [signal.phase_s(t) for t in times], equal_nan=True)


def test_sites_and_seeds_are_independent():
    plant = ClockPlant(ClockParameters(sites=(SiteParameters(), SiteParameters())), 5)
    other = ClockPlant(ClockParameters(), 6)
    clocks = [plant.sites[0].local, plant.sites[1].local, other.sites[0].local]
    noise = np.array([np.diff(clock.phase_at(np.arange(4001) * _S)) for clock in clocks])
    # 4000 steps: a correlation scatters by 0.016; five of these, 6e-7 each
    assert np.abs(np.corrcoef(noise)[np.triu_indices(3, 1)]).max() < 5.0 / math.sqrt(4000)


# ---- the bench ---------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANTS)
def test_every_kind_of_plant_is_built_from_its_defaults(name):
    kind = plant_kind(name)
    bench = build_bench([], PlantSpec(kind), 1, VirtualTime())
    assert isinstance(bench.plant, kind.plant)
    assert bench.plant.parameters == kind.parameters()


def test_an_unknown_plant():
    with pytest.raises(MisuseError, match="no plant 'garden'"):
        plant_kind("garden")


def test_a_device_finds_its_terminals_in_the_plant():
    counter = DeviceSpec(
        "counter",
        "keysight-53230a",
        ("USB0::0x0957::0x1907::MY50001484::INSTR",),
        {"interval_noise_ps": 100.0},
        {"input1": "sites.0.pps", "input2": "sites.0.delivered_pps"},
    )
    bench = build_bench([counter], PlantSpec(plant_kind("clocks")), 3, VirtualTime())
    assert bench.devices["counter"].terminals["input1"] is bench.plant.sites[0].pps
    assert bench.devices["counter"].seed == (3, *b"counter")
