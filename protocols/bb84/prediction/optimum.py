"""The best settings of a described link, at each loss, and how far it reaches.

A downhill simplex (Nelder and Mead, Comput. J. 7, 308, 1965) climbs from several starts,
and again from where it ended, since a simplex can collapse early. Nothing is random.

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

__all__ = ["FARTHEST_DB", "best_settings", "curve", "reach"]

FARTHEST_DB = 200.0
"""Loss beyond which no reach is looked for."""

_EDGE_DB = 2e-3
_ADVANCE = 0.9  # of the way to where settings that are held end
_COLD, _WARM = 0.5, 0.15  # sides of the first simplex, as logits
_CLIMBS = 2  # from the best of the sender's starts
_TOLERANCE = 1e-4  # of the rate


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


def reach(case: Case, settings: Settings | None = None, below: Prediction | None = None) -> float:
    """Return the largest loss in dB with a key, looking up to `FARTHEST_DB`.

    Parameters
    ----------
    case : Case
    settings : Settings, optional
        Of the stations; the best for each loss where not given.
    below : Prediction, optional
        One of the case with a key and with the best settings, to go on from.

    Returns
    -------
    float
        Minus infinity if there is no key without any loss.
    """
    if settings is not None:
        found = largest(lambda loss: worth(case, loss, settings), 0.0, FARTHEST_DB, 1.0)
        return -math.inf if found is None else found
    path = _Path(case, below)
    path.to(FARTHEST_DB)
    return path.loss_db if path.settings else -math.inf


class _Path:
    """The best settings at a loss that grows.

    Attributes
    ----------
    loss_db : float
        The largest loss so far that has a key.
    settings : Settings or None
        The best there; None before any was found.
    """

    def __init__(self, case: Case, below: Prediction | None = None) -> None:
        self._case = case
        self._edge_db = math.inf
        self.loss_db = below.loss_db if below else 0.0
        self.settings = below.settings if below else None

    def to(self, loss_db: float) -> Settings | None:
        """Return the best settings at a loss not below the last; None beyond the edge."""
        if loss_db >= self._edge_db:
            return None
        if self._take(loss_db, best_settings(self._case, loss_db, self.settings)):
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
        return True


def _best(case: Case, loss_db: float, starts: Iterable[tuple[Settings, float]]) -> Settings | None:
    """Climb from each start, looking first as far around as is given with it."""
    best, highest = None, 0.0
    for start, side in starts:
        found, value = _climb(case, loss_db, start, side)
        if value > highest:
            best, highest = found, value
    return best


def _climb(case: Case, loss_db: float, start: Settings, side: float) -> tuple[Settings, float]:
    """Return where a search from `start` ends, and the rate there."""
    sender = case.sender
    scale = abs(worth(case, loss_db, start))
    if not 0 < scale < math.inf:
        return start, -math.inf

    def cost(point: npt.NDArray[np.float64]) -> float:
        value = worth(case, loss_db, sender.settings(point.tolist())) / scale
        return -max(value, -1e9)  # a simplex cannot take differences of infinities

    point, lowest = np.array(sender.point(start)), math.inf
    for _ in range(5):
        simplex = np.vstack([point, point + side * np.eye(point.size)])
        options = {"initial_simplex": simplex, "xatol": 0.02, "fatol": _TOLERANCE, "maxfev": 800}
        ended = minimize(cost, point, method="Nelder-Mead", options=options)
        gained, point, lowest = lowest - ended.fun, ended.x, ended.fun
        if gained < _TOLERANCE * abs(lowest):
            break
        side = _WARM
    settings = sender.settings(point.tolist())
    return settings, worth(case, loss_db, settings)
