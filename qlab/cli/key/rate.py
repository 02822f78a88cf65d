"""`qlab key rate`: the key that a described link should give."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.output import columns, emit, json_option
from qlab.cli.progress import run_progress
from qlab.errors import InsecureRunError, UsageError

if TYPE_CHECKING:
    from protocols.bb84.prediction.counts import Detections, Pulses
    from qlab.rates.curves import Curve, Point
    from qlab.rates.description import Description

__all__ = ["rate"]

_MOST_POINTS = 2000
_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?"


def _places(ctx: click.Context, param: click.Parameter, value: str | None) -> list[float] | None:
    """Read ``START:STOP:STEP``, or numbers with commas between them, in ascending order."""
    if value is None:
        return None
    text = value.replace(" ", "")
    if re.fullmatch(f"{_NUMBER}:{_NUMBER}:{_NUMBER}", text):
        start, stop, step = map(Decimal, text.split(":"))
        if step > 0 and stop >= start and (stop - start) / step < _MOST_POINTS:
            count = int((stop - start) / step) + 1
            return [float(start + i * step) for i in range(count)]
        raise click.BadParameter(f"{value!r} is not 1 to {_MOST_POINTS} places")
    if not re.fullmatch(f"{_NUMBER}(?:,{_NUMBER})*", text):
        raise click.BadParameter(f"{value!r} is neither like 0:200:5 nor like 10,50,100")
    return sorted({float(number) for number in text.split(",")})


def _numbers_of(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> list[float] | None:
    """Read numbers with commas between them."""
    if value is None:
        return None
    if not re.fullmatch(f"{_NUMBER}(?:,{_NUMBER})*", value.replace(" ", "")):
        raise click.BadParameter(f"{value!r} is not numbers, such as 0.5,0.15")
    return [float(number) for number in value.split(",")]


_SIZE = click.FloatRange(1.0, 1e15)


@click.command(
    epilog="\b\nExamples:\n"
    "  qlab key rate --link lim2014 --block 1e5 --block 1e7 --block 1e9 --plot rates.png\n"
    "  qlab key rate --link gys --asymptotic infinite --distance 0:150:10\n"
    "  qlab key rate --station my.toml --time 3600 --loss 0:30:1"
)
@click.argument("file", metavar="[LINK.toml]", required=False, type=click.Path(path_type=Path))
@click.option("--link", "name", metavar="NAME", help="A published link: gys, lim2014.")
@click.option(
    "--station",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A station by its table [bb84]; the simulated bench if no link is named.",
)
@click.option(
    "--distance", callback=_places, metavar="KM", help="Such as 0:200:5, which it is if not given."
)
@click.option(
    "--loss", callback=_places, metavar="DB", help="Such as 0:40:1, instead of distances."
)
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    type=click.Choice(["one-decoy", "two-decoy", "single-photon", "bbm92"]),
    help="A curve for each; that of the description if not given.",
)
@click.option(
    "--block", "blocks", multiple=True, type=_SIZE, metavar="N",
    help="Detections in the key basis of a block; a curve for each.",
)  # fmt: skip
@click.option(
    "--pulses",
    multiple=True,
    type=click.FloatRange(1.0, 1e18),
    metavar="N",
    help="The same by pulses sent.",
)
@click.option(
    "--time", "times", multiple=True, type=click.FloatRange(0.0, 1e10, min_open=True),
    metavar="S", help="The same by seconds of light.",
)  # fmt: skip
@click.option(
    "--asymptotic",
    multiple=True,
    type=click.Choice(["infinite", "vacuum-weak"]),
    help="The rate of blocks without end, by decoys of all intensities or of two.",
)
@click.option(
    "--optimise/--no-optimise",
    default=True,
    help="Look for the best settings at each loss (the default), or hold those described.",
)
@click.option("--intensities", callback=_numbers_of, metavar="MU,...", help="Hold these.")
@click.option("--probabilities", callback=_numbers_of, metavar="P,...", help="Hold these.")
@click.option(
    "--p-z", callback=_numbers_of, metavar="P[,P]", help="Hold Alice's and Bob's key basis."
)
@click.option("--efficiency", type=float, metavar="F", help="Of error correction, at least 1.")
@click.option(
    "--set", "changes", multiple=True, metavar="TABLE.KEY=VALUE",
    help="Change the description, such as link.misalignment=0.02.",
)  # fmt: skip
@click.option("--show", is_flag=True, help="Print the description as TOML and compute nothing.")
@click.option(
    "--plot",
    "picture",
    metavar="PNG",
    type=click.Path(path_type=Path),
    help="Draw the curves (.png, .pdf or .svg).",
)
@click.option("--force", is_flag=True, help="Replace an existing picture.")
@json_option
def rate(
    file: Path | None,
    name: str | None,
    station: Path | None,
    distance: list[float] | None,
    loss: list[float] | None,
    protocols: tuple[str, ...],
    blocks: tuple[float, ...],
    pulses: tuple[float, ...],
    times: tuple[float, ...],
    asymptotic: tuple[str, ...],
    optimise: bool,
    intensities: list[float] | None,
    probabilities: list[float] | None,
    p_z: list[float] | None,
    efficiency: float | None,
    changes: tuple[str, ...],
    show: bool,
    picture: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Predict the secret key rate of a link against its distance or loss.

    The link is described by a file (`--show` prints one to start from), published, or a
    station's. Expected counts go through the finite-key analysis of `qlab key length`; the
    intensities, their probabilities and the bias of the bases are optimised at each loss.

    Exit codes: 0 done, 2 usage, 7 no key at any of the losses.
    """
    from qlab.pictures import check_picture
    from qlab.rates.plot import draw_rates

    if distance is not None and loss is not None:
        raise UsageError("both --distance and --loss are given", remedy="give one of the two")
    held = {"intensities": intensities, "probabilities": probabilities, "p_z": p_z}
    given = [key for key, value in held.items() if value is not None]
    if given and optimise:
        raise UsageError(
            f"--{given[0].replace('_', '-')} holds what is to be optimised",
            remedy="add --no-optimise",
        )
    changes += tuple(f"settings.{key}={held[key]}" for key in given)
    if efficiency is not None:
        changes += ("correction.frame=0", f"correction.efficiency={efficiency}")
    described = _described(file, name, station, changes)
    if show:
        _show(described, as_json)
        return
    if picture is not None:
        check_picture(picture, overwrite=force)
    losses = loss if loss is not None else _losses(described, distance)
    sizes = _sizes(described, blocks, pulses, times)
    wanted = protocols or (described.protocol.name,)
    finite = [(protocol, size) for protocol in wanted for size in sizes]
    if asymptotic and not (protocols or blocks or pulses or times):
        finite = []
    found = _compute(described, finite, asymptotic, losses, optimise)
    if picture is not None:
        draw_rates(described.title, found, picture, over_loss=loss is not None, overwrite=force)
    facts = {
        "title": described.title,
        "description": described.document,
        "slot_rate_hz": described.link.slot_rate_hz,
        "curves": [_curve_facts(curve) for curve in found],
        "picture": None if picture is None else str(picture),
    }
    emit("qlab.key.rate/1", facts, lambda: _text(described, found, picture), as_json)
    if not any(point.rate for curve in found for point in curve.points):
        raise InsecureRunError(
            "no key at any of these losses" + _why(found),
            remedy="take a smaller loss, a larger block, or a link with fewer errors",
        )


def _described(
    file: Path | None, name: str | None, station: Path | None, changes: Sequence[str]
) -> Description:
    from qlab.rates.description import (
        changed,
        describe,
        file_document,
        published_document,
        station_document,
    )
    from qlab.station import load_station

    if sum(one is not None for one in (file, name, station)) > 1:
        raise UsageError(
            "the link is named twice", remedy="give one of LINK.toml, --link and --station"
        )
    if file is not None:
        document, source = file_document(file)
    elif name is not None:
        document, source = published_document(name)
    else:
        document, source = station_document(load_station(station))
    return describe(*changed(document, source, changes))


def _show(described: Description, as_json: bool) -> None:
    from qlab.station.toml import toml_text

    text = toml_text(described.document)
    emit("qlab.key.rate.show/1", described.document, lambda: text.rstrip("\n"), as_json)


def _losses(described: Description, distances: list[float] | None) -> list[float]:
    if distances is None:
        distances = [5.0 * i for i in range(41)]
    return [described.link.loss_db(distance) for distance in distances]


def _sizes(
    described: Description,
    blocks: Sequence[float],
    pulses: Sequence[float],
    times: Sequence[float],
) -> list[Detections | Pulses]:
    from protocols.bb84.prediction.counts import Detections, Pulses

    sizes: list[Detections | Pulses] = [Detections(count) for count in blocks]
    sizes += [Pulses(count) for count in pulses]
    sizes += [Pulses(seconds * described.link.slot_rate_hz) for seconds in times]
    return sizes or [described.block]


def _compute(
    described: Description,
    finite: Sequence[tuple[str, Detections | Pulses]],
    asymptotic: Sequence[str],
    losses: list[float],
    optimise: bool,
) -> list[Curve]:
    from qlab.rates.curves import amount, asymptotic_curve, finite_curve

    found = []
    with run_progress() as progress:
        for protocol, size in finite:
            progress.phase(f"{protocol}, {amount(size.count)} {size.unit}", len(losses))
            found.append(finite_curve(described, protocol, size, losses, optimise, progress.step))
        for decoys in dict.fromkeys(asymptotic):
            progress.phase(f"asymptotic, {decoys}", len(losses))
            found.append(asymptotic_curve(described, decoys, losses, optimise, progress.step))
    return found


def _why(found: Sequence[Curve]) -> str:
    reasons = [curve.points[0].facts.get("no_key") for curve in found]
    return f": {reasons[0]}" if reasons and reasons[0] else ""


def _curve_facts(curve: Curve) -> dict[str, Any]:
    end = curve.reach
    return {
        "label": curve.label,
        **curve.facts,
        "reach_db": None if end is None else end.loss_db,
        "reach_km": None if end is None else end.distance_km,
        "points": [_point_facts(point) for point in curve.points],
    }


def _point_facts(point: Point) -> dict[str, Any]:
    return {
        "distance_km": point.distance_km,
        "loss_db": point.loss_db,
        "rate_per_pulse": point.rate,
        "rate_bps": point.rate_bps,
        "qber_z": point.qber,
        "seconds": point.seconds,
        **dict.fromkeys(("intensities", "probabilities", "p_z")),
        **point.settings,
        **point.facts,
    }


def _text(described: Description, found: Sequence[Curve], picture: Path | None) -> str:
    parts = [described.title]
    for curve in found:
        parts += ["", _title(curve), columns(_table(curve)), _reach(curve)]
    if picture is not None:
        parts += ["", f"wrote {picture}"]
    return "\n".join(parts)


def _title(curve: Curve) -> str:
    return f"{curve.label} ({'best settings' if curve.facts['optimised'] else 'settings held'})"


def _table(curve: Curve) -> list[Sequence[str]]:
    head = ["km", "dB", "bits/pulse", "bit/s", "QBER %", "intensities", "probabilities", "p_z"]
    rows: list[Sequence[str]] = [[*head, "block"]]
    keys = [number for number, point in enumerate(curve.points) if point.rate]
    for point in curve.points[: max(keys, default=0) + 2]:  # beyond, there is nothing
        row = [f"{point.distance_km:.6g}", f"{point.loss_db:.4g}"]
        if point.rate:
            row += [f"{point.rate:.3e}", f"{point.rate_bps:.4g}", f"{100 * point.qber:.2f}"]
        else:
            row += ["-"] * 3
        row += [_numbers(point.settings.get(name)) for name in ("intensities", "probabilities")]
        row += [_numbers(dict.fromkeys(point.settings.get("p_z", ())))]
        rows.append([cell or "-" for cell in [*row, _duration(point.seconds)]])
    return rows


def _numbers(values: Iterable[float] | None) -> str:
    return " ".join(f"{value:.3g}" for value in values or ())


def _reach(curve: Curve) -> str:
    end = curve.reach
    if end is None:
        return "no key without any loss"
    blocks = "" if end.seconds is None else f", where a block takes {_duration(end.seconds)}"
    return f"reaches {end.distance_km:.2f} km ({end.loss_db:.2f} dB){blocks}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for size, unit in ((365.25 * 86400, "years"), (86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"
