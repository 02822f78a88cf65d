"""`qlab tags sync`: the common time of two stations."""

from __future__ import annotations

import math
import os
import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.output import emit, json_option
from qlab.errors import printable

if TYPE_CHECKING:
    from qlab.tags.syncing import Synchronised

__all__ = ["sync"]


def _channels(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> frozenset[int] | None:
    if value is None:
        return None
    if not re.fullmatch(r"\d{1,9}(?:,\d{1,9})*", value.replace(" ", "")):
        raise click.BadParameter(f"{value!r} is not channels such as 1,2")
    return frozenset(int(number) for number in value.split(","))


@click.command(
    epilog="\b\nExamples:\n"
    "  qlab tags sync alice.h5 bob.h5\n"
    "  qlab tags sync alice.dat bob.ptu --channels-a 1,2 --channels-b 1 --model-out clocks.json\n"
    "  qlab tags correlate alice.dat bob.ptu --start 1 --stop 1 --model clocks.json"
)
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--channels-a", callback=_channels, metavar="LIST", help="Channels of A; all if not given."
)
@click.option(
    "--channels-b", callback=_channels, metavar="LIST", help="Channels of B; all if not given."
)
@click.option(
    "--max-offset", "max_offset_s", type=float, default=1.0, metavar="S", show_default=True,
    help="Largest offset of the clocks in seconds, to both sides.",
)  # fmt: skip
@click.option(
    "--max-ppm", type=float, default=200.0, metavar="P", show_default=True,
    help="Largest frequency difference in ppm, to both sides.",
)  # fmt: skip
@click.option("--format", "format_name", metavar="NAME", help="Format of the files.")
@click.option(
    "--plot", "picture", metavar="PNG", type=click.Path(path_type=Path),
    help="Draw the clocks' track (.png, .pdf or .svg).",
)  # fmt: skip
@click.option(
    "--model-out", "model_file", metavar="FILE", type=click.Path(path_type=Path),
    help="Write the clock model, for --model of other commands.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace existing files.")
@json_option
def sync(
    a: Path,
    b: Path,
    channels_a: frozenset[int] | None,
    channels_b: frozenset[int] | None,
    max_offset_s: float,
    max_ppm: float,
    format_name: str | None,
    picture: Path | None,
    model_file: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Find how B's clock runs against A's, from photon pairs that both have detected.

    No settings need to be known beforehand, and no other link between the stations. Ends with
    exit code 1, and without a number, if the files have nothing in common or several offsets
    fit as well.
    """
    from qlab.kernels import compilation_announced
    from qlab.tags.models import check_model_file, write_model
    from qlab.tags.syncing import synchronise_files

    if model_file is not None:
        check_model_file(model_file, overwrite=force)
    if picture is not None:
        from qlab.pictures import check_picture

        check_picture(picture, overwrite=force)
    with compilation_announced(_note):
        found, notes = synchronise_files(
            a,
            b,
            channels_a,
            channels_b,
            max_offset_s,
            max_ppm * 1e-6,
            format_name,
            workers=os.cpu_count() or 1,
            progress=lambda line: click.echo(printable(line), err=True),
        )
    for note in notes:
        _note(note)
    title = f"{b.name} against {a.name}"
    if model_file is not None:
        write_model(model_file, found.model, overwrite=force)
    if picture is not None:
        from qlab.tags.sync_plot import draw_track

        draw_track(found, title, picture, overwrite=force)
    facts = {
        "a": str(a),
        "b": str(b),
        **_facts(found),
        "notes": notes,
        "model_file": None if model_file is None else str(model_file),
        "picture": None if picture is None else str(picture),
    }
    emit("qlab.tags.sync/1", facts, lambda: _text(title, facts), as_json)


def _note(text: str) -> None:
    click.echo(f"note: {printable(text)}", err=True)


def _facts(found: Synchronised) -> dict[str, Any]:
    """Return everything as JSON shows it."""
    from qlab.tags.syncing import GRAIN_S

    track = found.found
    grain_ps = float(GRAIN_S * 10**12)
    tick_a = found.model.tick_a
    return {
        "origin_ps": _whole(found.origin * tick_a),
        "offset_ps": _decimal(found.offset_s),
        "offset_std_ps": track.offset_std * grain_ps,
        "frequency_ratio_minus_1": track.rate,
        "frequency_std": track.rate_std,
        "drift_per_s": track.drift_per_s,
        "false_alarm_probability": math.exp(found.log_false_alarm),
        "false_alarm_log10": found.log_false_alarm / math.log(10),
        "pairs": track.pairs,
        "coincidence_window_ps": track.window * grain_ps,
        "residual_rms_ps": track.residual * grain_ps,
        "readings": track.readings,
        "track": {
            "time_s": track.seconds,
            "offset_ps": track.lags * grain_ps + float(found.offset_s * 10**12),
            "offset_std_ps": track.stds * grain_ps,
        },
    }


def _decimal(seconds: Fraction) -> Any:
    """Return picoseconds to a hundredth, which a float holds up to hours."""
    return float(round(seconds * 10**12, 2))


def _whole(seconds: Fraction) -> int:
    return int(seconds * 10**12 // 1)


def _text(title: str, facts: dict[str, Any]) -> str:
    alarm = facts["false_alarm_probability"]
    said = f"{alarm:.2g}" if alarm > 0 else f"1e{facts['false_alarm_log10']:.0f}"
    track = facts["track"]
    seconds = float(track["time_s"][-1] - track["time_s"][0])
    rate = facts["frequency_ratio_minus_1"]
    known = float((track["offset_std_ps"] ** 2).mean()) ** 0.5
    lines = [
        f"{title}: {facts['pairs']:,} pairs in {seconds:,.6g} s",
        f"offset at A's first tag {facts['offset_ps']:,.1f} ± {facts['offset_std_ps']:.1f} ps",
        f"frequency ratio − 1 = {rate:.13g} ± {facts['frequency_std']:.2g}",
    ]
    if facts["drift_per_s"]:
        lines.append(f"mean drift {facts['drift_per_s']:.3g} per second")
    lines += [
        f"pairs scatter by {facts['residual_rms_ps']:.1f} ps rms",
        f"coincidence window {facts['coincidence_window_ps']:,.0f} ps",
        f"false-alarm probability {said}",
        f"followed by {facts['readings']:,} readings; the track is known to {known:.1f} ps rms",
    ]
    lines += [f"wrote {facts[key]}" for key in ("model_file", "picture") if facts[key]]
    return "\n".join(lines)
