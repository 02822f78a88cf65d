"""Pictures of key rates over distance or loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qlab.errors import printable
from qlab.pictures import COLOURS, check_picture, save_picture
from qlab.rates.curves import Curve, Point, repeaterless_bound

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_rates"]

_STYLES = ("-", "--", "-.", ":")
_DECADES = 10
_DIGITS = "₁₂₃"


def draw_rates(
    title: str,
    curves: Sequence[Curve],
    picture: Path,
    *,
    over_loss: bool = False,
    overwrite: bool = False,
) -> None:
    """Draw the rates of curves, and the best settings where there is one finite curve.

    The format follows the ending: png, pdf or svg.

    Parameters
    ----------
    title : str
        Of the link.
    curves : sequence of Curve
        At the same losses.
    picture : Path
    over_loss : bool
        Whether the rates are drawn against the loss instead of the distance.
    overwrite : bool
        Whether a picture of that name is replaced.

    Raises
    ------
    UsageError
        As `check_picture`.
    QlabError
        The picture cannot be written.
    """
    from matplotlib.figure import Figure

    check_picture(picture, overwrite=overwrite)
    floor, top = _range(curves)
    lines = [_Line.of(curve, over_loss, floor) for curve in curves]
    finite = [line for line in lines if "block" in line.curve.facts]
    alone = len(finite) == 1 and finite[0].curve.facts["optimised"]
    # Not by pyplot, whose backend and figures are a script's own.
    figure = Figure(figsize=(7, 7.2 if alone else 5), layout="constrained")
    if alone:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(5, 3))
        _settings(lower, finite[0])
    else:
        upper = lower = figure.subplots()
    _rates(upper, lines, floor, top)
    _limit(upper, lines)
    _bound(upper, lines[0])
    upper.legend(fontsize=8, frameon=False, loc="lower left")
    lower.set_xlabel("loss between the stations (dB)" if over_loss else "distance (km)")
    figure.suptitle(printable(title), fontsize=11, parse_math=False)
    save_picture(figure, picture, overwrite=overwrite)


@dataclass(frozen=True)
class _Line:
    """A curve with the points that are drawn of it, and where.

    Attributes
    ----------
    curve : Curve
    over_loss : bool
    points : list of Point
        Those in the picture, and more of them where the curve falls.
    falls : bool
        Whether the curve's reach lies among its losses.
    """

    curve: Curve
    over_loss: bool
    points: list[Point]
    falls: bool

    @classmethod
    def of(cls, curve: Curve, over_loss: bool, floor: float) -> _Line:
        points, reach = [point for point in curve.points if point.rate >= floor], curve.reach
        first, last = curve.points[0].loss_db, curve.points[-1].loss_db
        if reach is None or not first <= reach.loss_db < last:
            return cls(curve, over_loss, points, falls=False)
        edge = (*curve.edge(), reach)
        points += [point for point in edge if point.loss_db >= first and point.rate >= floor]
        points.sort(key=lambda point: point.loss_db)
        return cls(curve, over_loss, points, falls=True)

    def at(self, point: Point) -> float:
        """Return where a point is drawn."""
        return point.loss_db if self.over_loss else point.distance_km

    @property
    def end(self) -> float:
        """Where it leaves the picture: its reach, a little beyond the last point."""
        reach = self.curve.reach
        return self.places[-1] if reach is None else self.at(reach)

    @property
    def places(self) -> list[float]:
        return [self.at(point) for point in self.points]


def _range(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return the lowest rate that is drawn, and the highest that there is."""
    rates = [point.rate for curve in curves for point in curve.points if point.rate]
    top = max(rates, default=1.0)
    return max(min(rates, default=1e-3) / 3, top * 10.0**-_DECADES), top


def _rates(axes: Axes, lines: Sequence[_Line], floor: float, top: float) -> None:
    for number, line in enumerate(lines):
        fall = [(line.end, floor / 10)] if line.falls else []
        drawn = [*zip(line.places, (point.rate for point in line.points), strict=True), *fall]
        axes.plot(
            [x for x, _ in drawn],
            [y for _, y in drawn],
            color=COLOURS[number % len(COLOURS)],
            linestyle=_STYLES[number // len(COLOURS) % len(_STYLES)],
            linewidth=1.6,
            marker="o" if len(drawn) == 1 else None,
            label=line.curve.label,
        )
    axes.set_yscale("log")
    axes.set_ylim(floor, max(top * 10, 10 * floor))
    axes.set_ylabel("secret key rate (bits per pulse)")
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    _bits_per_second(axes, lines)


def _bits_per_second(axes: Axes, lines: Sequence[_Line]) -> None:
    point = next((point for line in lines for point in line.points), None)
    if point is None:
        return
    per_pulse = point.rate_bps / point.rate

    def up(rate: Any) -> Any:
        return rate * per_pulse

    def down(rate_bps: Any) -> Any:
        return rate_bps / per_pulse

    axes.secondary_yaxis("right", functions=(up, down)).set_ylabel("secret key rate (bit/s)")


def _bound(axes: Axes, line: _Line) -> None:
    """Draw what no link without repeaters exceeds, if it comes into the picture."""
    bound = [
        (line.at(point), repeaterless_bound(point.loss_db))
        for point in line.curve.points
        if point.loss_db > 0
    ]
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    if len(bound) > 1 and any(x < right and y < top for x, y in bound):
        axes.plot(
            [x for x, _ in bound],
            [y for _, y in bound],
            color="0.55",
            linewidth=1,
            linestyle=(0, (1, 2)),
            label="repeaterless bound",
        )


def _limit(axes: Axes, lines: Sequence[_Line]) -> None:
    """Leave out losses at which no curve has a key any more."""
    points = lines[0].curve.points
    low, high = lines[0].at(points[0]), lines[0].at(points[-1])
    if all(line.falls for line in lines):
        end = max(line.end for line in lines)
        high = min(high, end + 0.05 * (end - low))
    if high > low:
        axes.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))


def _settings(axes: Axes, line: _Line) -> None:
    """Draw what the stations should choose."""
    drawn: list[tuple[str, str, Sequence[float]]] = []
    for key, letter, style in (("intensities", "µ", "-"), ("probabilities", "p", "--")):
        values = list(zip(*(point.settings[key] for point in line.points), strict=True))
        if len(values) > 1:
            drawn += [(letter + _DIGITS[i], style, each) for i, each in enumerate(values)]
        elif key == "intensities":  # the only one is always sent
            drawn += [(letter, style, each) for each in values]
    drawn.append(("p(z)", ":", [point.settings["p_z"][0] for point in line.points]))
    for number, (label, style, values_drawn) in enumerate(drawn):
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(line.places, values_drawn, style, color=colour, linewidth=1.5, label=label)
    axes.set_ylim(-0.03, 1)  # an intensity of almost nothing is seen, too
    axes.set_ylabel("best settings")
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.legend(
        fontsize=8, frameon=False, ncols=len(drawn), loc="lower left", bbox_to_anchor=(0, 1)
    )
