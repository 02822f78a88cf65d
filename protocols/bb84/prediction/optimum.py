"""The best settings of a described link, at each loss, and how far it reaches.

A downhill simplex (Nelder and Mead, Comput. J. 7, 308, 1965) comes near to the summits
around several starts, and climbs the highest to its top, again and again from where it
ended, since a simplex can collapse early. Nothing is random.

Close to the largest loss with a key only settings close to the best give one, and beyond
it there is no slope to follow. So the search comes from below: the best settings at a
smaller loss are held while the loss grows, nearly as far as they give a key; there the
best are looked for again, and so on. What is not reached when this gains less than
`_EDGE_DB` is out of reach.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from protocols.bb84.prediction.asymptotic import largest
from protocols.bb84.prediction.counts import Settings
from protocols.bb84.prediction.finite import Case, Prediction, predict, worth

__all__ = ["FARTHEST_DB", "approach", "best_settings", "curve"]

FARTHEST_DB = 200.0
"""Loss beyond which no reach is looked for."""

_EDGE_DB = 2e-3
_ADVANCE = 0.9  # of the way to where settings that are held end
_COLD, _WARM = 0.5, 0.15  # sides of the first simplex, as logits
_CLIMBS = 2  # from the best of the sender's starts
_COLD_DB = 2.5  # after so much more loss these are tried again
_NEAR, _TOP = 1e-2, 1e-4  # tolerances of the rate


def best_settings(case: Case, loss_db: float, near: Settings | None = None) -> Settings | None:
    """Return the settings with the highest rate at a loss.

    Parameters
    ----------
    case : Case
    loss_db : float
    near : Settings, optional
        Settings that may be close to the best, such as those of a similar loss.

    Returns
    -------
    Settings or None
        None if no key was found. Next to the largest loss with a key `curve` finds more.
    """
    ranked = sorted(case.sender.starts, key=lambda start: -worth(case, loss_db, start))
    starts = [(start, _COLD) for start in ranked[:_CLIMBS]]
    return _best(case, loss_db, [*starts, *([(near, _WARM)] if near else [])])


def curve(
    case: Case, losses_db: Iterable[float], settings: Settings | None = None
) -> Iterator[Prediction]:
    """Give the prediction at each loss.

    Parameters
    ----------
    case : Case
    losses_db : floats
        In ascending order.
    settings : Settings, optional
        Of the stations; the best for each loss where not given. Where there is no key the
        best are those of the largest loss that was found to have one, or the first start.
    """
    path = _Path(case)
    for loss_db in losses_db:
        chosen = settings or path.to(loss_db) or path.settings or case.sender.starts[0]
        yield predict(case, loss_db, chosen)


def approach(
    case: Case, settings: Settings | None = None, below: Prediction | None = None
) -> list[Prediction]:
    """Return predictions with a key ever closer to the largest loss that has one, the reach.

    Parameters
    ----------
    case : Case
    settings : Settings, optional
        Of the stations; the best for each loss where not given.
    below : Prediction, optional
        One of the case with a key, and with the best settings if these are looked for, to
        begin with. No loss at all if not given.

    Returns
    -------
    list of Prediction
        In ascending order of loss, the last at the reach, which is at most `FARTHEST_DB`;
        empty if there is no key without any loss.
    """
    if settings is None:
        path = _Path(case, below)
        path.to(FARTHEST_DB)
        return [predict(case, loss_db, best) for loss_db, best in path.trail]
    start_db = below.loss_db if below else 0.0
    end_db = largest(partial(worth, case, settings=settings), start_db, FARTHEST_DB, 1.0)
    if end_db is None:
        return []
    steps = [start_db + (end_db - start_db) * (1 - 0.5**i) for i in range(1, 8)]
    return [predict(case, loss_db, settings) for loss_db in (*steps, end_db)]


class _Path:
    """The best settings at a loss that grows.

    Attributes
    ----------
    loss_db : float
        The largest loss so far that has a key.
    settings : Settings or None
        The best there; None before any was found.
    trail : list of (float, Settings)
        All losses with a key so far, and the best settings there.
    """

    def __init__(self, case: Case, below: Prediction | None = None) -> None:
        self._case = case
        self._edge_db = math.inf
        self._cold_db = -math.inf
        self.loss_db = below.loss_db if below else 0.0
        self.settings = below.settings if below else None
        self.trail: list[tuple[float, Settings]] = []

    def to(self, loss_db: float) -> Settings | None:
        """Return the best settings at a loss not below the last; None beyond the edge."""
        if loss_db >= self._edge_db:
            return None
        if self.settings is None or loss_db >= self._cold_db + _COLD_DB:
            self._cold_db = loss_db
            found = best_settings(self._case, loss_db, self.settings)
        else:
            found = _best(self._case, loss_db, [(self.settings, _WARM)])
        if self._take(loss_db, found):
            return self.settings
        if self.settings is None and not self._take(0.0, best_settings(self._case, 0.0)):
            self._edge_db = 0.0
            return None
        while self.settings is not None:
            before_db, ahead_db = self.loss_db, self._ahead(self.settings, loss_db)
            self._take(ahead_db, _best(self._case, ahead_db, [(self.settings, _WARM)]))
            if self.loss_db == loss_db:
                return self.settings
            if self.loss_db - before_db < _EDGE_DB:  # this summit ends: is there another?
                ahead_db = min(loss_db, self.loss_db + _EDGE_DB)
                if not self._take(ahead_db, best_settings(self._case, ahead_db)):
                    break
        self._edge_db = self.loss_db
        return None

    def _ahead(self, settings: Settings, loss_db: float) -> float:
        """Return a loss up to `loss_db` at which settings that are held still give a key."""
        worth_at = partial(worth, self._case, settings=settings)
        if worth_at(loss_db) > 0:
            return loss_db
        end = largest(worth_at, self.loss_db, loss_db, 1.0)
        return self.loss_db if end is None else self.loss_db + _ADVANCE * (end - self.loss_db)

    def _take(self, loss_db: float, found: Settings | None) -> bool:
        if found is None:
            return False
        self.loss_db, self.settings = loss_db, found
        self.trail.append((loss_db, found))
        return True


def _best(case: Case, loss_db: float, starts: Iterable[tuple[Settings, float]]) -> Settings | None:
    """Climb from each start, looking first as far around as is given with it."""
    ends = [_climb(case, loss_db, start, side, _NEAR) for start, side in starts]
    height, best = max(((worth(case, loss_db, end), end) for end in ends), key=lambda one: one[0])
    for _ in range(5 if height > -math.inf else 0):
        best = _climb(case, loss_db, best, _WARM, _TOP)
        below, height = height, worth(case, loss_db, best)
        if height - below < 3 * _TOP * abs(height):
            break
    return best if height > 0 else None


def _climb(case: Case, loss_db: float, start: Settings, side: float, tolerance: float) -> Settings:
    """Return where one simplex ends, not below its start."""
    sender = case.sender
    scale = abs(worth(case, loss_db, start))
    if not 0 < scale < math.inf:
        return start

    def cost(point: npt.NDArray[np.float64]) -> float:
        value = worth(case, loss_db, sender.settings(point.tolist())) / scale
        return -max(value, -1e9)  # a simplex cannot take differences of infinities

    point = np.array(sender.point(start))
    simplex = np.vstack([point, point + side * np.eye(point.size)])
    options = {"initial_simplex": simplex, "xatol": 0.1, "fatol": tolerance, "maxfev": 800}
    ended = minimize(cost, point, method="Nelder-Mead", options=options)
    return sender.settings(ended.x.tolist())
