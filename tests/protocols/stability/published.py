"""The sets of data that the field tests its programs with."""

import numpy as np
import numpy.typing as npt

#: NBS Monograph 140, annex 8.E: phase in seconds, and the differences as published.
NBS14_PHASE = np.array(
    [0, 103.11111, 123.22222, 157.33333, 166.44444, 48.55555, -96.33333, -2.22222, 111.88889, 0]
)
NBS14_FREQUENCY = np.array([892.0, 809, 823, 798, 671, 644, 883, 903, 677])


def sp1065_frequency() -> npt.NDArray[np.float64]:
    """Return the 1000 frequencies of NIST SP 1065, section 12.4, at 1 s."""
    number, found = 1234567890, []
    for _ in range(1000):
        found.append(number / 2147483647)
        number = 16807 * number % 2147483647
    return np.array(found)


def sp1065_phase() -> npt.NDArray[np.float64]:
    """Return the phase of the same, its mean frequency removed: 1001 points from 0."""
    frequency = sp1065_frequency()
    return np.concatenate([[0.0], np.cumsum(frequency - frequency.mean())])
