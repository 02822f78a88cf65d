"""What every experiment offers, and finding one by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from qlab.errors import UsageError
from qlab.experiments import EXPERIMENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qlab.context import RunContext
    from qlab.runfile.schema import DatasetSpec
    from qlab.station import StationFile

__all__ = ["Experiment", "Planner", "RecordedData", "experiment"]


class RecordedData(Protocol):
    """The data of a recorded run."""

    def data(self, name: str) -> NDArray[Any]:
        """Return the rows of ``/data/NAME``."""


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


def experiment(name: str) -> Planner:
    """Return what sets up the experiment called `name`.

    Raises
    ------
    UsageError
        If there is none.
    """
    try:
        module, _, attribute = EXPERIMENTS[name].partition(":")
    except KeyError:
        raise UsageError(
            f"there is no experiment {name!r}", remedy=f"known are {', '.join(EXPERIMENTS)}"
        ) from None
    found: Callable[[StationFile, Mapping[str, Any]], Experiment] = getattr(
        import_module(module), attribute
    )
    return found
