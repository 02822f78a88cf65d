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
from collections.abc import Iterable
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from protocols.bb84.prediction.asymptotic import largest
from protocols.bb84.prediction.counts import Settings
from protocols.bb84.prediction.finite import Case, Prediction, predict, worth

__all__ = ["FARTHEST_DB", "BestSettings", "HeldSettings"]

FARTHEST_DB = 200.0
"""Loss beyond which no reach is looked for."""

_EDGE_DB = 3e-3
_ADVANCE = 0.6  # of the way to where settings that are held end
_COLD, _WARM = 0.5, 0.15  # sides of the first simplex, as logits
_CLIMBS = 2  # from the best of the sender's starts
_FALL = 0.5  # of the rate, after which these are tried again
_NEAR, _TOP = 1e-2, 3e-5  # tolerances of the rate


class HeldSettings:
    """Predictions with the same settings at all losses.

    Parameters
    ----------
    case : Case
    settings : Settings
    """

    def __init__(self, case: Case, settings: Settings) -> None:
        self._case, self._settings = case, settings
        self._key_db = 0.0

    def at(self, loss_db: float) -> Prediction:
        """Return the prediction at a loss, not below the last."""
        found = predict(self._case, loss_db, self._settings)
        if found.length:
            self._key_db = loss_db
        return found

    def reach(self) -> Prediction | None:
        """Return the prediction at the largest loss with a key, up to `FARTHEST_DB`.

        None if there is no key without any loss.
        """
        worth_at = partial(worth, self._case, settings=self._settings)
        end_db = largest(worth_at, self._key_db, FARTHEST_DB, 1.0)
        return None if end_db is None else predict(self._case, end_db, self._settings)


class BestSettings:
    """Predictions with the best settings for each loss.

    Parameters
    ----------
    case : Case
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self._edge_db = math.inf
        self._cold_rate = math.inf  # where the starts were tried last
        self._loss_db = 0.0  # the largest so far that has a key
        self._settings: Settings | None = None  # the best there

    def at(self, loss_db: float) -> Prediction:
        """Return the prediction at a loss, not below the last.

        Where there is no key the settings are the best of the largest loss that has one, or
        some.
        """
        found = self._to(loss_db) or self._settings or self._case.sender.starts[0]
        return predict(self._case, loss_db, found)

    def reach(self) -> Prediction | None:
        """Return the prediction at the largest loss with a key, up to `FARTHEST_DB`.

        None if there is no key without any loss.
        """
        self._to(FARTHEST_DB)
        return predict(self._case, self._loss_db, self._settings) if self._settings else None

    def _to(self, loss_db: float) -> Settings | None:
        """Return the best settings at a loss not below the last; None beyond the edge."""
        if loss_db >= self._edge_db:
            return None
        if self._take(loss_db, self._best_at(loss_db)):
            return self._settings
        if self._settings is None and not self._take(0.0, self._best_at(0.0)):
            self._edge_db = 0.0
            return None
        while self._settings is not None:
            before_db, ahead_db = self._loss_db, self._ahead(self._settings, loss_db)
            if ahead_db == loss_db:
                return self._settings if self._take(loss_db, self._best_at(loss_db)) else None
            self._take(ahead_db, _best(self._case, ahead_db, [(self._settings, _WARM)]))
            if self._loss_db - before_db < _EDGE_DB:  # this summit ends: is there another?
                ahead_db = min(loss_db, self._loss_db + _EDGE_DB)
                if not self._take(ahead_db, self._anywhere(ahead_db, self._settings)):
                    break
        self._edge_db = self._loss_db
        return None

    def _best_at(self, loss_db: float) -> Settings | None:
        """Return the best settings from those of the last loss, and now and then from afar."""
        near = self._settings
        if near is not None and worth(self._case, loss_db, near) > _FALL * self._cold_rate:
            return _best(self._case, loss_db, [(near, _WARM)])
        found = self._anywhere(loss_db, near)
        if found is not None:
            self._cold_rate = worth(self._case, loss_db, found)
        return found

    def _anywhere(self, loss_db: float, near: Settings | None) -> Settings | None:
        """Return the best settings from the best of the sender's starts, and from near."""
        ranked = sorted(
            self._case.sender.starts, key=lambda start: -worth(self._case, loss_db, start)
        )
        starts = [(start, _COLD) for start in ranked[:_CLIMBS]]
        return _best(self._case, loss_db, [*starts, *([(near, _WARM)] if near else [])])

    def _ahead(self, settings: Settings, loss_db: float) -> float:
        """Return a loss up to `loss_db` at which settings that are held still give a key."""
        worth_at = partial(worth, self._case, settings=settings)
        if worth_at(loss_db) > 0:
            return loss_db
        end = largest(worth_at, self._loss_db, loss_db, 1.0)
        return self._loss_db if end is None else self._loss_db + _ADVANCE * (end - self._loss_db)

    def _take(self, loss_db: float, found: Settings | None) -> bool:
        if found is None:
            return False
        self._loss_db, self._settings = loss_db, found
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
    options = {"initial_simplex": simplex, "xatol": 0.05, "fatol": tolerance, "maxfev": 800}
    ended = minimize(cost, point, method="Nelder-Mead", options=options)
    return sender.settings(ended.x.tolist())
