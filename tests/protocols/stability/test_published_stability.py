"""The published numbers, to their printed digits."""

from __future__ import annotations

import numpy as np
import pytest
from published import NBS14_FREQUENCY, NBS14_PHASE, sp1065_frequency, sp1065_phase

from protocols.stability import stability


@pytest.fixture(scope="module")
def frequency() -> np.ndarray:
    return sp1065_frequency()


@pytest.fixture(scope="module")
def phase() -> np.ndarray:
    """Stable32's PHASE.DAT."""
    return sp1065_phase()


def test_the_generator_is_the_published_one(frequency: np.ndarray) -> None:
    numbers = np.round(frequency * 2147483647).astype(int).tolist()
    assert numbers[:4] == [1234567890, 395529916, 1209410747, 633705974]
    assert numbers[999] == 1560135652
    assert frequency.mean() == pytest.approx(0.489774, abs=5e-7)
    assert frequency.std(ddof=1) == pytest.approx(0.288466, abs=5e-7)


# Half a unit of the last digit; HDEV at 100 is printed once as ...861 and once as ...860.
@pytest.mark.parametrize(
    ("statistic", "printed"),
    [
        ("adev", [2.922319e-1, 9.965736e-2, 3.897804e-2]),
        ("oadev", [2.922319e-1, 9.159953e-2, 3.241343e-2]),
        ("mdev", [2.922319e-1, 6.172376e-2, 2.170921e-2]),
        ("tdev", [1.687202e-1, 3.563623e-1, 1.253382]),
        ("hdev", [2.943883e-1, 1.052754e-1, 3.910861e-2]),
        ("ohdev", [2.943883e-1, 9.581083e-2, 3.237638e-2]),
        ("sd", [2.884664e-1, 9.296352e-2, 3.206656e-2]),
    ],
)
def test_sp_1065(frequency: np.ndarray, statistic: str, printed: list[float]) -> None:
    found = stability(frequency, 1.0, statistic, [1.0, 10.0, 100.0], input="frequency")
    assert [float(f"{dev:.6e}") for dev in found.dev] == printed


@pytest.mark.parametrize(
    ("statistic", "printed"),
    [
        ("adev", [91.22945, 115.8082]),
        ("oadev", [91.22945, 85.95287]),
        ("mdev", [91.22945, 74.78849]),
        ("tdev", [52.67135, 86.35831]),
        ("hdev", [70.80607, 116.7980]),
        ("ohdev", [70.80607, 85.61487]),
        ("sd", [100.9770, 102.6039]),
    ],
)
def test_nbs_14(statistic: str, printed: list[float]) -> None:
    found = stability(NBS14_FREQUENCY, 1.0, statistic, [1, 2], input="frequency")
    assert [float(f"{dev:.6e}") for dev in found.dev] == printed
    # The phase is printed with five decimals.
    found = stability(NBS14_PHASE, 1.0, statistic, [1, 2])
    assert found.dev == pytest.approx(printed, abs=2e-5 * 3)


def test_pdev_of_sigmatheta(phase: np.ndarray) -> None:
    printed = [
        0.29223187810675, 0.21445233564253, 0.15618112158618, 0.11709745745448, 0.069029585189839,
        0.049749707730399, 0.038947417330714, 0.030862392741372, 0.012447414341333,
    ]  # fmt: skip
    found = stability(phase, 1.0, "pdev")
    assert found.tau.tolist() == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert found.dev == pytest.approx(printed, rel=1e-12)


def test_mtie_of_stable32(phase: np.ndarray) -> None:
    printed = {
        1: 0.50597, 3: 1.2984, 7: 2.2922, 15: 2.9949, 31: 4.4550, 63: 6.5989, 127: 6.8061,
        255: 7.8205, 511: 7.8205,
    }  # fmt: skip
    found = stability(phase, 1.0, "mtie", list(printed))
    assert [float(f"{dev:.4e}") for dev in found.dev] == list(printed.values())
    octaves = {
        2: 0.933483479, 4: 1.538664413, 8: 2.461153886, 16: 2.994908335, 64: 6.598898281,
        256: 7.820496757,
    }  # fmt: skip
    found = stability(phase, 1.0, "mtie", list(octaves))
    assert [float(f"{dev:.9f}") for dev in found.dev] == list(octaves.values())


def test_mtie_takes_the_mean_off_frequency_and_leaves_phase_alone(frequency: np.ndarray) -> None:
    of_frequency = stability(frequency, 1.0, "mtie", [10.0], input="frequency")
    assert float(f"{of_frequency.dev[0]:.6f}") == 2.698815
    whole = np.concatenate([[0.0], np.cumsum(frequency)])
    assert float(f"{stability(whole, 1.0, 'mtie', [10.0]).dev[0]:.6f}") == 7.596560


def test_limits_of_stable32(phase: np.ndarray) -> None:
    # Its inverse chi-squared is approximate: about three digits.
    printed = {
        1: (0.28515, 0.29223, 0.29987), 4: (0.13931, 0.14479, 0.15098),
        16: (0.057696, 0.061915, 0.067217), 64: (0.031755, 0.036237, 0.043377),
        128: (0.023045, 0.027674, 0.037027),
    }  # fmt: skip
    found = stability(phase, 1.0, "oadev", list(printed), confidence=0.683)
    assert found.alpha.tolist() == [0.0] * 5
    for lo, dev, hi, wanted in zip(found.lo, found.dev, found.hi, printed.values(), strict=True):
        assert (lo, dev, hi) == pytest.approx(wanted, rel=5e-4)


@pytest.mark.parametrize(
    ("statistic", "tau", "printed"),
    [
        ("oadev", 1, 782.0303), ("oadev", 10, 135.0714), ("oadev", 100, 12.8149),
        ("mdev", 10, 94.6343), ("ohdev", 10, 113.6989), ("adev", 10, 66.9876),
    ],
)  # fmt: skip
def test_degrees_of_freedom(phase: np.ndarray, statistic: str, tau: int, printed: float) -> None:
    found = stability(phase, 1.0, statistic, [1.0, float(tau)])
    assert found.alpha[-1] == 0.0
    assert float(f"{found.edf[-1]:.4f}") == printed
