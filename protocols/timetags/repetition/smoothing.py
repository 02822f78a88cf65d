"""The smoothed course of a phase whose frequency walks at random.

State: phase, and its change per piece. The filter is Kalman's, the smoother that of Bryson and
Frazier in its modified form (Bierman, Automatica 10, 503 (1974), and his Factorization Methods
for Discrete Sequential Estimation, 1977), which inverts no matrix. How much the frequency
walks is what predicts each reading best from those before it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Reading", "smoothed"]

#: Variances of the frequency's step from piece to piece that are tried, in units of the
#: readings' variance: nothing, and powers of 10.
_WALKS = (0.0, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
#: A walk must predict better by this share than the next smaller one.
_BETTER = 0.01
_UNKNOWN = 1e8

_State = tuple[float, float, float, float, float]
#: What a reading did to a state: its miss, the miss's variance, and the two gains.
_Step = tuple[float, float, float, float] | None


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
    errors = [_filter(readings, step, walk)[2] for walk in walks]
    chosen = 0
    for place in range(1, len(walks)):
        if errors[place] < (1.0 - _BETTER) * errors[chosen]:
            chosen = place
    states, steps, _ = _filter(readings, step, walks[chosen])
    return _smooth(states, steps)


def _filter(
    readings: list[Reading], step: int, walk: float
) -> tuple[list[_State], list[_Step], float]:
    """Return the filtered state at each node, how it came, and how badly it predicted."""
    first = readings[0]
    nodes = (readings[-1].slot - first.slot) // step + 1
    by_node = {(r.slot - first.slot) // step: r for r in readings}
    x, y = first.phase, 0.0
    p00, p01, p11 = first.variance, 0.0, _UNKNOWN * first.variance
    states: list[_State] = [(x, y, p00, p01, p11)]
    steps: list[_Step] = [None]
    badness, count = 0.0, 0
    for node in range(1, nodes):
        x, y, p00, p01, p11 = _predicted((x, y, p00, p01, p11), walk)
        reading = by_node.get(node)
        done: _Step = None
        if reading is not None:
            total = p00 + reading.variance
            gain, turn = p00 / total, p01 / total
            miss = reading.phase - x
            done = miss, total, gain, turn
            if node > 1:
                badness += miss * miss / reading.variance
                count += 1
            x, y = x + gain * miss, y + turn * miss
            p00, p01, p11 = p00 - gain * p00, p01 - gain * p01, p11 - turn * p01
        states.append((x, y, p00, p01, p11))
        steps.append(done)
    return states, steps, badness / max(count, 1)


def _predicted(state: _State, walk: float) -> _State:
    x, y, p00, p01, p11 = state
    return (
        x + y,
        y,
        p00 + 2.0 * p01 + p11 + walk / 3.0,
        p01 + p11 + walk / 2.0,
        p11 + walk,
    )


def _smooth(states: list[_State], steps: list[_Step]) -> tuple[list[float], float]:
    """Run back over the filtered states with what later readings add to each."""
    u, v = 0.0, 0.0
    m00, m01, m11 = 0.0, 0.0, 0.0
    phases, variance = [], 0.0
    for (x, _, p00, p01, _p11), done in zip(reversed(states), reversed(steps), strict=True):
        phases.append(x - p00 * u - p01 * v)
        less = p00 * p00 * m00 + 2.0 * p00 * p01 * m01 + p01 * p01 * m11
        variance += max(p00 - less, 0.0)
        if done is not None:
            miss, total, gain, turn = done
            # C = I - K H: its first column is (1 - gain, -turn), its second (0, 1)
            u = (1.0 - gain) * u - turn * v - miss / total
            left = (1.0 - gain) * m01 - turn * m11
            m00 = (1.0 - gain) * ((1.0 - gain) * m00 - turn * m01) - turn * left + 1.0 / total
            m01 = left
        # back through F = [[1, 1], [0, 1]]
        v += u
        m11 += 2.0 * m01 + m00
        m01 += m00
    phases.reverse()
    return phases, variance / len(states)
