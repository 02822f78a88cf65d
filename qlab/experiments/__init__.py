"""Experiments: instruments and protocols in, a run file out."""

from dataclasses import dataclass

__all__ = ["EXPERIMENTS", "Entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where the parts of an experiment are, each as ``module:name``.

    Attributes
    ----------
    planner : str
        Sets up a run; see `qlab.experiments.interface.Planner`.
    summary : str
        ``summary(results) -> str``: the results as text for a person.
    picture : str
        ``draw(run, results, figure)``: draws a recorded run.
    keys : bool
        Whether its runs make keys.
    """

    planner: str
    summary: str
    picture: str
    keys: bool = False


#: By name; a table of the same name in the station file sets an experiment up.
EXPERIMENTS = {
    "bb84": Entry(
        "qlab.experiments.bb84.planning:planned_bb84",
        "qlab.experiments.bb84.summary:summary",
        "qlab.experiments.bb84.picture:draw",
        keys=True,
    ),
    "clock": Entry(
        "qlab.experiments.clock.experiment:planned_clock",
        "qlab.experiments.clock.summary:summary",
        "qlab.experiments.clock.picture:draw",
    ),
    "fibre": Entry(
        "qlab.experiments.fibre.experiment:Fibre",
        "qlab.experiments.fibre.summary:summary",
        "qlab.experiments.fibre.picture:draw",
    ),
    "counter": Entry(
        "qlab.experiments.counter.experiment:planned_counter",
        "qlab.experiments.counter.summary:summary",
        "qlab.experiments.counter.picture:draw",
    ),
    "tags": Entry(
        "qlab.experiments.tags.experiment:TagLog",
        "qlab.experiments.tags.summary:summary",
        "qlab.experiments.tags.picture:draw",
    ),
    "counter-skew": Entry(
        "qlab.experiments.calibrations.counter_skew:CounterSkewCalibration",
        "qlab.experiments.calibrations.summary:summary",
        "qlab.experiments.calibrations.picture:draw",
    ),
    "two-way": Entry(
        "qlab.experiments.calibrations.two_way:TwoWayCalibration",
        "qlab.experiments.calibrations.summary:summary",
        "qlab.experiments.calibrations.picture:draw",
    ),
    "steering": Entry(
        "qlab.experiments.calibrations.steering:SteeringCalibration",
        "qlab.experiments.calibrations.summary:summary",
        "qlab.experiments.calibrations.picture:draw",
    ),
}
