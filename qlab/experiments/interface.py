"""What every experiment offers, and finding one by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from qlab.errors import UsageError
from qlab.experiments import EXPERIMENTS, Entry

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from qlab.context import RunContext
    from qlab.runfile.reader import RunFile
    from qlab.runfile.schema import DatasetSpec
    from qlab.station import StationFile

__all__ = [
    "Experiment",
    "Judged",
    "Picture",
    "Planner",
    "RecordedData",
    "Summary",
    "experiment",
    "picture",
    "summary",
]


class RecordedData(Protocol):
    """The data of a recorded run."""

    def data(self, name: str) -> NDArray[Any]:
        """Return the rows of ``/data/NAME``."""


@runtime_checkable
class Judged(Protocol):
    """An experiment that judges its settings before it is run."""

    def warnings(self) -> list[str]:
        """Return what may go but should not, each with its remedy."""


class Experiment(Protocol):
    """One experiment, set up for one run.

    Attributes
    ----------
    name : str
        Its name on the command line.
    secret_sources : frozenset of str
        Journal sources whose payloads reveal key material.
    """

    name: str
    secret_sources: frozenset[str]

    @property
    def side(self) -> str:
        """Which of two parties the station is; ``both`` of one station, or where there are none."""

    @property
    def terms(self) -> Mapping[str, str]:
        """What the stations of two parties must have set alike."""

    @property
    def table(self) -> dict[str, Any]:
        """The options as resolved, as a table of a station file."""

    def datasets(self) -> Sequence[DatasetSpec]:
        """Declare what the run will store."""

    def run(self, ctx: RunContext) -> dict[str, Any]:
        """Run on instruments and return the results."""

    def reanalyse(self, ctx: RunContext, recorded: RecordedData) -> dict[str, Any]:
        """Compute the results anew from recorded data, without instruments."""


Planner = Callable[["StationFile", Mapping[str, Any]], Experiment]
"""Sets an experiment up for one run, with options that replace those of the station."""


Summary = Callable[[Mapping[str, Any]], str]
"""Writes the results of a run as text for a person."""

Picture = Callable[["RunFile", Mapping[str, Any], "Figure"], None]
"""Draws a recorded run into an empty figure; KeyError if its results are not what they are
after a complete run."""


def experiment(name: str) -> Planner:
    """Return what sets up the experiment called `name`.

    Raises
    ------
    UsageError
        If there is none.
    """
    planner: Planner = _load(_entry(name).planner)
    return planner


def summary(name: str) -> Summary:
    """Return what writes the results of the experiment called `name`; see `experiment`."""
    writes: Summary = _load(_entry(name).summary)
    return writes


def picture(name: str) -> Picture:
    """Return what draws the experiment called `name`; see `experiment`."""
    draws: Picture = _load(_entry(name).picture)
    return draws


def _entry(name: str) -> Entry:
    try:
        return EXPERIMENTS[name]
    except KeyError:
        raise UsageError(
            f"there is no experiment {name!r}", remedy=f"known are {', '.join(EXPERIMENTS)}"
        ) from None


def _load(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
