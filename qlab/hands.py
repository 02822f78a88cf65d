"""What has to be done by hand in a run: by a person, or on the simulated bench at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from qlab.context import HandWork, Tap
from qlab.errors import UsageError

if TYPE_CHECKING:
    from drivers.simulated.bench import Bench
    from qlab.station import Station

__all__ = ["Operator", "hands_of"]

#: Has a person do something and returns when it is done.
Operator = Callable[[HandWork], None]

_SLICE_S = 0.1


def hands_of(station: Station, operator: Operator | None, tap: Tap) -> Operator:
    """Return who does what has to be done by hand at a station.

    Parameters
    ----------
    station : Station
        Where. On a simulated bench nobody is asked.
    operator : callable, optional
        Asks a person. While it waits, the run can be stopped.
    tap : Tap
        Ends the wait if somebody asks for it.
    """
    if station.bench is not None:
        return partial(_on_the_bench, station.bench)
    if operator is None:
        return _nobody
    return partial(_asked, operator, tap)


def _nobody(work: HandWork) -> None:
    raise UsageError(
        f"somebody has to {work.text}", remedy="run it from a terminal, where you can be asked"
    )


def _on_the_bench(bench: Bench, work: HandWork) -> None:
    panel = getattr(bench.devices[work.instrument].terminals.get("input1"), "panel", None)
    if panel is None:
        raise UsageError(
            f"the simulated {work.instrument} has no leads that could be moved",
            remedy='wire its terminals to a panel, such as input1 = "sites.0.panel.input1"',
        )
    getattr(panel, work.action)()


def _asked(operator: Operator, tap: Tap, work: HandWork) -> None:
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            operator(work)
        except BaseException as failure:  # noqa: BLE001 - raised below, where the run is
            failures.append(failure)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    while asking.is_alive():
        tap.stop_if_asked("operator")
        asking.join(_SLICE_S)
    tap.stop_if_asked("operator")
    if failures:
        raise failures[0]
