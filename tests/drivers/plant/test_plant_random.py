from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.plant.kernels import (
    GOLDEN,
    kernel,
    mixed,
    normal_pair,
    sine_squared,
    stream_key,
    uniform,
)


@kernel
def _uniforms(key, count):
    out = np.empty(count)
    for i in range(count):
        key += GOLDEN
        out[i] = uniform(key)
    return out


@kernel
def _normals(key, count):
    out = np.empty((count, 2))
    for i in range(count):
        key += GOLDEN
        first = key
        key += GOLDEN
        out[i, 0], out[i, 1] = normal_pair(first, key)
    return out


@kernel
def _sine_squared(y):
    return sine_squared(y)


def test_the_generator_is_splitmix64():
    # First outputs for the seed 0, as published with the reference implementation.
    key = np.uint64(0)
    outputs = []
    with np.errstate(over="ignore"):
        for _ in range(3):
            key = np.uint64(key + GOLDEN)
            outputs.append(int(mixed(key)))
    assert outputs == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=4))
def test_a_key_depends_on_every_name(names):
    key = stream_key(*names)
    assert key == stream_key(*names)
    for i in range(len(names)):
        other = list(names)
        other[i] += 1
        assert stream_key(*other) != key
    assert stream_key(*names, 0) != key


def test_uniform_numbers_fill_the_open_interval():
    # Limits of five standard deviations: false alarm 5.7e-7 each.
    u = _uniforms(stream_key(3), 400_000)
    assert u.min() > 0.0
    assert u.max() < 1.0
    assert abs(u.mean() - 0.5) < 5.0 / math.sqrt(12 * u.size)
    counts = np.bincount((u * 100).astype(int), minlength=100)
    chi2 = ((counts - 4000) ** 2 / 4000).sum()
    assert abs(chi2 - 99) < 5.0 * math.sqrt(2 * 99)
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 5.0 / math.sqrt(u.size)


def test_normal_numbers_have_normal_moments():
    # Five standard deviations of each moment: false alarm 5.7e-7 each.
    n = _normals(stream_key(4), 200_000)
    for side in (n[:, 0], n[:, 1]):
        for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
            assert abs((side**power).mean() - mean) < 5.0 * math.sqrt(variance / side.size)
    assert abs((n[:, 0] * n[:, 1]).mean()) < 5.0 / math.sqrt(n.shape[0])


@given(st.floats(-1000.0, 1000.0))
def test_the_sine_is_the_librarys(y):
    assert abs(_sine_squared(y) - math.sin(math.pi * (y - round(y))) ** 2) < 2e-13
