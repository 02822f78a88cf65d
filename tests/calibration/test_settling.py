from __future__ import annotations

import pytest

from calibration.settling import wait_until_settled
from drivers.core.errors import InstrumentFaultError


class Bench:
    """A clock, and attenuators that arrive at given times."""

    def __init__(self, *arrivals_s):
        self.slept = 0
        self.attenuators = [Moving(self, at_s) for at_s in arrivals_s]

    @property
    def now_s(self):
        return self.now_ns() * 1e-9

    def now_ns(self):
        return self.slept

    def sleep(self, seconds):
        self.slept += round(seconds * 1e9)


class Moving:
    def __init__(self, bench, arrives_s):
        self.bench, self.arrives_s = bench, arrives_s
        self.path = f"voa.at{arrives_s:g}"

    @property
    def settled(self):
        return self.bench.now_s >= self.arrives_s


@pytest.mark.parametrize("arrivals_s", [(3.0, 1.0), (1.0, 3.0), (3.0,)])
def test_the_last_to_arrive_ends_the_wait(arrivals_s):
    bench = Bench(*arrivals_s)
    wait_until_settled(bench.attenuators, bench)
    assert 3.0 <= bench.now_s <= 3.1


def test_who_has_arrived_is_not_waited_for():
    bench = Bench(0.0, 0.0)
    wait_until_settled(bench.attenuators, bench)
    assert bench.now_s == 0.0


def test_the_slowest_filter_of_the_manual_arrives_in_time():
    bench = Bench(45.0 / 0.1)
    wait_until_settled(bench.attenuators, bench)
    assert 450.0 <= bench.now_s <= 450.1


def test_one_that_never_arrives_is_named():
    bench = Bench(1.0, 1e9)
    with pytest.raises(InstrumentFaultError, match="not arrived after 5 s") as caught:
        wait_until_settled(bench.attenuators, bench, timeout_s=5.0)
    assert caught.value.instrument == "voa.at1e+09"
    assert 5.0 <= bench.now_s <= 5.1
