"""Pictures of key rates over distance or loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qlab.errors import QlabError, UsageError, printable
from qlab.rates.curves import Curve, Point, repeaterless_bound

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_picture", "draw_rates"]

# Okabe and Ito's colours, those that stay apart in print first.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", "-.", ":")
_DECADES = 10
_DIGITS = "₁₂₃"


def check_picture(picture: Path, *, overwrite: bool) -> None:
    """Refuse a picture that could not be written.

    Raises
    ------
    UsageError
        If its ending is not png, pdf or svg, or there is such a file.
    """
    if picture.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"a picture ends in .png, .pdf or .svg, not {picture.suffix!r}")
    if picture.exists() and not overwrite:
        raise UsageError(f"{picture} exists", remedy="choose another name or use --force")


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
    drawing = _Drawing(over_loss)
    chosen = [curve for curve in curves if curve.facts["optimised"] and "block" in curve.facts]
    alone = len(chosen) == 1 and any(point.settings for point in chosen[0].points)
    # Not by pyplot, whose backend and figures are a script's own.
    figure = Figure(figsize=(7, 7.2 if alone else 5), layout="constrained")
    if alone:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(5, 3))
        drawing.settings(lower, chosen[0])
    else:
        upper = lower = figure.subplots()
    drawing.rates(upper, curves)
    lower.set_xlabel("loss between the stations (dB)" if over_loss else "distance (km)")
    figure.suptitle(printable(title), fontsize=11, parse_math=False)
    try:
        with picture.open("wb" if overwrite else "xb") as out:
            figure.savefig(out, format=picture.suffix[1:].lower(), dpi=150)
    except OSError as error:
        raise QlabError(f"the picture cannot be written: {error}") from None


class _Drawing:
    """What both axes share: where a point is drawn."""

    def __init__(self, over_loss: bool) -> None:
        self._over_loss = over_loss

    def _at(self, point: Point) -> float:
        return point.loss_db if self._over_loss else point.distance_km

    def rates(self, axes: Axes, curves: Sequence[Curve]) -> None:
        """Draw rates on a logarithmic scale, with the bound for any link without repeaters."""
        rates = [point.rate for curve in curves for point in curve.points if point.rate]
        top = max(rates, default=1.0)
        floor = max(min(rates, default=1e-3) / 3, top * 10.0**-_DECADES)
        for number, curve in enumerate(curves):
            last = curve.points[-1]
            edge = [point for point in curve.edge if self._at(point) < self._at(last)]
            drawn = sorted([*(p for p in curve.points if p.rate), *edge], key=self._at)
            axes.plot(
                [self._at(point) for point in drawn],
                [point.rate for point in drawn],
                color=_COLOURS[number % len(_COLOURS)],
                linestyle=_STYLES[number // len(_COLOURS) % len(_STYLES)],
                linewidth=1.6,
                marker="o" if len(drawn) == 1 else None,
                label=curve.label,
            )
            if edge:  # there it ends, wherever that is
                end = drawn[-1]
                axes.plot(
                    [self._at(end)] * 2,
                    [end.rate, floor / 10],
                    color=_COLOURS[number % len(_COLOURS)],
                    linestyle=_STYLES[number // len(_COLOURS) % len(_STYLES)],
                    linewidth=1.6,
                )
        self._bound(axes, curves[0].points)
        self._limit(axes, curves)
        axes.set_yscale("log")
        axes.set_ylim(floor, max(top * 10, 10 * floor))
        axes.set_ylabel("secret key rate (bits per pulse)")
        axes.grid(visible=True, color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(fontsize=8, frameon=False, loc="lower left")
        _bits_per_second(axes, curves)

    def _bound(self, axes: Axes, points: Sequence[Point]) -> None:
        bound = [(self._at(point), repeaterless_bound(point.loss_db)) for point in points]
        finite = [(x, y) for x, y in bound if math.isfinite(y)]
        if len(finite) > 1:
            axes.plot(
                [x for x, _ in finite],
                [y for _, y in finite],
                color="0.55",
                linewidth=1,
                linestyle=(0, (1, 2)),
                label="repeaterless bound",
            )

    def _limit(self, axes: Axes, curves: Sequence[Curve]) -> None:
        """Leave out losses at which no curve has a key any more."""
        places = [self._at(point) for point in curves[0].points]
        ends = [self._at(curve.edge[-1]) for curve in curves if curve.edge]
        low, high = places[0], places[-1]
        if ends and max(ends) < high:
            high = max(low, max(ends)) + 0.05 * (max(ends) - low)
        if high > low:
            axes.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))

    def settings(self, axes: Axes, curve: Curve) -> None:
        """Draw what the stations should choose."""
        drawn = [point for point in (*curve.points, *curve.edge) if point.settings]
        drawn.sort(key=self._at)
        lines: list[tuple[str, str, Sequence[float]]] = []
        for key, letter, style in (("intensities", "µ", "-"), ("probabilities", "p", "--")):
            values = list(zip(*(point.settings[key] for point in drawn), strict=True))
            if len(values) == 1 and key == "probabilities":
                continue  # the only intensity is always sent
            lines += [
                (letter + (_DIGITS[i] if len(values) > 1 else ""), style, line)
                for i, line in enumerate(values)
            ]
        lines.append(("p(z)", ":", [point.settings["p_z"][0] for point in drawn]))
        for number, (label, style, line) in enumerate(lines):
            colour: Any = _COLOURS[number % len(_COLOURS)]
            places = [self._at(point) for point in drawn]
            axes.plot(places, line, style, color=colour, linewidth=1.5, label=label)
        axes.set_ylim(0, 1)
        axes.set_ylabel("best settings")
        axes.grid(visible=True, color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(
            fontsize=8, frameon=False, ncols=len(lines), loc="lower left", bbox_to_anchor=(0, 1)
        )


def _bits_per_second(axes: Axes, curves: Sequence[Curve]) -> None:
    point = next((p for curve in curves for p in curve.points if p.rate), None)
    if point is None:
        return
    per_pulse = point.rate_bps / point.rate

    def up(rate: Any) -> Any:
        return rate * per_pulse

    def down(rate_bps: Any) -> Any:
        return rate_bps / per_pulse

    axes.secondary_yaxis("right", functions=(up, down)).set_ylabel("secret key rate (bit/s)")
