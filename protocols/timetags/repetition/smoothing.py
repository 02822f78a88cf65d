"""The smoothed course of a phase whose frequency walks at random.

State: phase, and its change per piece. The filter is Kalman's, the smoother Rauch, Tung and
Striebel's (AIAA Journal 3, 1445 (1965)). How much the frequency walks is what predicts each
reading best from those before it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Reading", "smoothed"]

#: Variances of the frequency's step from piece to piece that are tried, in units of the
#: readings' variance: nothing, and powers of 10.
_WALKS = (0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
#: A walk must predict better by this share than the next smaller one.
_BETTER = 0.01
_UNKNOWN = 1e12

_State = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """The phase at one slot, in ticks, its variance, and the tags above background."""

    slot: int
    phase: float
    variance: float
    signal: float


def smoothed(readings: list[Reading], step: int) -> tuple[list[float], float]:
    """Return the phase every `step` slots from the first reading to the last.

    Returns
    -------
    phases : list of float
    variance : float
        Of a smoothed phase, the mean over all.
    """
    typical = sum(r.variance for r in readings) / len(readings)
    walks = [walk * typical for walk in _WALKS]
    errors = [_filter(readings, step, walk)[1] for walk in walks]
    chosen = 0
    for place in range(1, len(walks)):
        if errors[place] < (1.0 - _BETTER) * errors[chosen]:
            chosen = place
    states, _ = _filter(readings, step, walks[chosen])
    return _smooth(states, walks[chosen])


def _filter(readings: list[Reading], step: int, walk: float) -> tuple[list[_State], float]:
    """Return the filtered state at each node, and how badly it predicted the readings."""
    first = readings[0]
    nodes = (readings[-1].slot - first.slot) // step + 1
    by_node = {(r.slot - first.slot) // step: r for r in readings}
    x, y = first.phase, 0.0
    p00, p01, p11 = first.variance, 0.0, _UNKNOWN * first.variance
    states = [(x, y, p00, p01, p11)]
    badness, count = 0.0, 0
    for node in range(1, nodes):
        x, y, p00, p01, p11 = _predicted((x, y, p00, p01, p11), walk)
        reading = by_node.get(node)
        if reading is not None:
            total = p00 + reading.variance
            gain, turn = p00 / total, p01 / total
            miss = reading.phase - x
            if node > 1:
                badness += miss * miss / reading.variance
                count += 1
            x, y = x + gain * miss, y + turn * miss
            p00, p01, p11 = p00 - gain * p00, p01 - gain * p01, p11 - turn * p01
        states.append((x, y, p00, p01, p11))
    return states, badness / max(count, 1)


def _predicted(state: _State, walk: float) -> _State:
    x, y, p00, p01, p11 = state
    return (
        x + y,
        y,
        p00 + 2.0 * p01 + p11 + walk / 3.0,
        p01 + p11 + walk / 2.0,
        p11 + walk,
    )


def _smooth(states: list[_State], walk: float) -> tuple[list[float], float]:
    """Run back over the filtered states."""
    x, y, s00, s01, s11 = states[-1]
    phases, variance = [x], s00
    for state in reversed(states[:-1]):
        a, b, p00, p01, p11 = state
        next_a, next_b, n00, n01, n11 = _predicted(state, walk)
        # gain G = P F' N^-1, with F' = [[1, 0], [1, 1]] and N the predicted covariance
        det = n00 * n11 - n01 * n01
        c00, c01, c10, c11 = p00 + p01, p01, p01 + p11, p11
        g00 = (c00 * n11 - c01 * n01) / det
        g01 = (c01 * n00 - c00 * n01) / det
        g10 = (c10 * n11 - c11 * n01) / det
        g11 = (c11 * n00 - c10 * n01) / det
        dx, dy = x - next_a, y - next_b
        d00, d01, d11 = s00 - n00, s01 - n01, s11 - n11
        e00, e01 = g00 * d00 + g01 * d01, g00 * d01 + g01 * d11
        e10, e11 = g10 * d00 + g11 * d01, g10 * d01 + g11 * d11
        x, y = a + g00 * dx + g01 * dy, b + g10 * dx + g11 * dy
        s00, s01 = p00 + e00 * g00 + e01 * g01, p01 + e00 * g10 + e01 * g11
        s11 = p11 + e10 * g10 + e11 * g11
        phases.append(x)
        variance += max(s00, 0.0)
    phases.reverse()
    return phases, variance / len(states)
