"""`qlab clock stability`: the statistics of a file of readings."""

from __future__ import annotations

import math
import re
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.numbers import POSITIVE
from qlab.cli.output import emit, json_option
from qlab.cli.progress import run_progress
from qlab.errors import UsageError, printable

if TYPE_CHECKING:
    from protocols.stability import Stability
    from protocols.stability.drift import Drift
    from protocols.stability.taus import Taus
    from qlab.context import Progress
    from qlab.stability.results import Results

__all__ = ["stability"]

_PATIENT_S, _LONG_S = 1.0, 10.0  # without a word; what deserves a warning
_WORDS: dict[str, Taus] = {"octave": "octave", "decade": "decade", "all": "all"}
_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?"


def _statistics(ctx: click.Context, param: click.Parameter, value: str) -> list[str]:
    """Read names with commas between them."""
    names = [name.strip().lower() for name in value.split(",")]
    return list(dict.fromkeys(name for name in names if name))


def _taus(ctx: click.Context, param: click.Parameter, value: str) -> Taus:
    """Read a word, or times with commas between them."""
    text = value.replace(" ", "").lower()
    if text in _WORDS:
        return _WORDS[text]
    if not re.fullmatch(f"(?:{_NUMBER})(?:,(?:{_NUMBER}))*", text):
        raise click.BadParameter(f"{value!r} is not octave, decade, all or times such as 1,10,100")
    return sorted({float(number) for number in text.split(",")})


@click.command(
    epilog="\b\nExamples:\n"
    "  qlab clock stability phase.txt --rate 1 --stat oadev,mdev,mtie --plot sigma.png\n"
    "  qlab clock stability counter.csv --column 2 --input frequency --taus decade\n"
    "  qlab clock stability ticc.log.gz --json"
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--input",
    "quantity",
    type=click.Choice(["phase", "frequency"]),
    help="Phase in seconds (the default) or fractional frequency.",
)
@click.option(
    "--rate", "rate_hz", type=POSITIVE, metavar="HZ",
    help="Readings a second; 1 if neither this nor the file says.",
)  # fmt: skip
@click.option(
    "--column", type=click.IntRange(min=1), metavar="N",
    help="Column of the readings, from 1; of a TICC's log, the channel.",
)  # fmt: skip
@click.option(
    "--time-column", type=click.IntRange(min=0), metavar="N",
    help="Column of time stamps; 0 for none. The first, if it looks like that.",
)  # fmt: skip
@click.option("--dataset", metavar="NAME", help="Which readings of a run file.")
@click.option(
    "--nominal", "nominal_hz", type=POSITIVE, metavar="HZ",
    help="Readings are frequencies in Hz, meant to be this one.",
)  # fmt: skip
@click.option(
    "--estimator",
    type=click.Choice(["pi", "lambda", "omega"]),
    help="How the counter averaged frequency, if the file does not say.",
)
@click.option(
    "--stat", "names", callback=_statistics, default="oadev", metavar="LIST",
    help="Statistics with commas between them; oadev if not given.",
)  # fmt: skip
@click.option(
    "--taus", callback=_taus, default="octave", metavar="octave|decade|all|LIST",
    help="Averaging times: 1, 2, 4, 8 ...; 1, 2, 4, 10 ...; every one; or in seconds.",
)  # fmt: skip
@click.option(
    "--confidence", type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    default=0.683, metavar="P", help="Of the limits; 0.683 if not given.",
)  # fmt: skip
@click.option(
    "--outliers", type=POSITIVE, metavar="SIGMA",
    help="Mask readings that lie farther than this from their neighbours; 7 is a good value.",
)  # fmt: skip
@click.option(
    "--drift", metavar="MODEL",
    help="Take off, of phase: endpoints, linear, quadratic, three-point, second-difference; "
    "of frequency: mean, linear, bisection, logarithmic.",
)  # fmt: skip
@click.option(
    "--jumps", type=click.IntRange(min=1), metavar="N",
    help="Look for jumps of frequency and phase with means over so many readings.",
)  # fmt: skip
@click.option(
    "--plot",
    "picture",
    metavar="PNG",
    type=click.Path(path_type=Path),
    help="Draw them (.png, .pdf or .svg).",
)
@click.option("--force", is_flag=True, help="Replace an existing picture.")
@json_option
def stability(
    file: Path,
    quantity: Any,
    rate_hz: float | None,
    column: int | None,
    time_column: int | None,
    dataset: str | None,
    nominal_hz: float | None,
    estimator: Any,
    names: list[str],
    taus: Taus,
    confidence: float,
    outliers: float | None,
    drift: str | None,
    jumps: int | None,
    picture: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Work out the stability of recorded phase or frequency.

    FILE is text in columns (commas, semicolons or blanks; lines that begin with # are
    comments), plain or gzip; a file of Stable32; the log of a TICC; or a run file.
    Readings that are missing are left out of every statistic, and frequency is never
    cumulated over them.

    Statistics: adev, oadev, mdev, tdev, hdev, ohdev, totdev, mtotdev, ttotdev, htotdev,
    theo1, pdev, mtie, tierms, sd.
    """
    from protocols.stability import STATISTICS
    from qlab.kernels import compilation_announced, interruptible
    from qlab.stability.opening import open_readings
    from qlab.stability.readings import Wanted
    from qlab.stability.results import Task, work_out

    unknown = [name for name in names if name not in STATISTICS]
    if unknown or not names:
        raise UsageError(
            f"there is no statistic {unknown[0]!r}" if names else "no statistic is named",
            remedy=f"there are {', '.join(STATISTICS)}",
        )
    if picture is not None:
        from qlab.pictures import check_picture
        from qlab.stability.plot import draw_stability

        check_picture(picture, overwrite=force)
    if nominal_hz is not None:
        quantity = quantity or "frequency"
    wanted = Wanted(quantity, rate_hz, column, time_column, dataset, nominal_hz, estimator)
    task = Task(tuple(names), taus, confidence, outliers, drift, jumps)
    with compilation_announced(_note), interruptible(), _Patience() as patience:
        readings = open_readings(file, wanted)
        found = work_out(readings, task, patience.told)
    for note in readings.notes:
        _note(note)
    if picture is not None:
        draw_stability(found, confidence, picture, overwrite=force)
    facts = {
        "file": str(file),
        "kind": readings.kind,
        "input": readings.quantity,
        "tau0_s": readings.interval_s,
        "points": found.points,
        "missing": found.missing,
        "outliers": found.outliers,
        "drift": None if found.drift is None else _drift_facts(drift, found.drift),
        "jumps": None if found.jumps is None else [asdict(jump) for jump in found.jumps],
        "confidence": confidence,
        "stats": {one.statistic: _facts(one) for one in found.statistics},
        "notes": readings.notes,
        "picture": None if picture is None else str(picture),
    }
    emit("qlab.clock.stability/1", facts, lambda: _text(found, confidence, picture), as_json)


class _Patience:
    """Says nothing of short work; of longer work how far it is, and first how long it takes."""

    def __init__(self) -> None:
        self._shown = ExitStack()
        self._bars: Progress | None = None
        self._name = ""
        self._since = 0.0
        self._warned = False

    def __enter__(self) -> _Patience:
        self._since = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def told(self, name: str, done: int, of: int) -> None:
        """Learn how many pieces of a statistic are done; see `protocols.stability.stability`."""
        now = time.monotonic()
        if name != self._name:
            self._name, self._since = name, now if self._name else self._since
            self._began(name, of, 0)
        elif self._bars is not None:
            self._bars.step()
        took_s = now - self._since
        if took_s < _PATIENT_S or self._warned:
            return
        self._warned = True
        left_s = took_s * (of - done) / done
        if left_s > _LONG_S:
            _note(
                f"{name} may take {_spoken(left_s)} more; Ctrl-C stops it, and --taus octave or "
                "decade needs a small part of that"
            )
        self._bars = self._shown.enter_context(run_progress())
        self._began(name, of, done)

    def _began(self, name: str, of: int, done: int) -> None:
        if self._bars is not None:
            self._bars.phase(name, of)
            for _ in range(done):
                self._bars.step()


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120.0 else f"{seconds / 60.0:.0f} minutes"


def _note(text: str) -> None:
    click.echo(f"note: {printable(text)}", err=True)


def _drift_facts(model: str | None, found: Drift) -> dict[str, Any]:
    return {"model": model, "frequency": found.frequency, "drift_per_s": found.drift_per_s}


def _facts(found: Stability) -> dict[str, Any]:
    return {
        "tau": found.tau,
        "dev": found.dev,
        "lo": found.lo,
        "hi": found.hi,
        "alpha": [None if math.isnan(alpha) else int(alpha) for alpha in found.alpha.tolist()],
        "n": found.n,
    }


def _text(found: Results, confidence: float, picture: Path | None) -> str:
    readings = found.readings
    gaps = f", {found.missing:,} missing" if found.missing else ""
    interval = f"tau0 {readings.interval_s:.6g} s ({readings.interval_from})"
    lines = [
        f"{readings.path.name}: {readings.kind}, {readings.quantity}",
        f"{found.points:,} points{gaps}, {interval}",
    ]
    if found.outliers is not None:
        lines.append(f"{found.outliers:,} outliers masked")
    if found.drift is not None:
        frequency, drift = found.drift.frequency, found.drift.drift_per_s
        lines.append(f"taken off: frequency {frequency:.6e}, drift {drift:.6e} /s")
    for jump in found.jumps or ():
        unit = " s" if jump.kind == "phase" else ""
        lines.append(
            f"{jump.kind} jump at {jump.index:,}: {jump.size:+.4e}{unit}, {jump.sigmas:.1f} sigmas"
        )
    if found.jumps == ():
        lines.append("no jumps found")
    for one in found.statistics:
        lines += ["", *_table(one, readings.interval_s, confidence)]
    if picture is not None:
        lines += ["", f"wrote {picture}"]
    return "\n".join(lines)


def _table(found: Stability, tau0_s: float, confidence: float) -> list[str]:
    """Write a statistic as Stable32 does."""
    lines = [
        f"{found.statistic.upper()}, limits at {100 * confidence:.4g} %",
        f"{'AF':>8}  {'tau':>10}  {'#':>9}  {'alpha':>5}  {'min':>10}  {'sigma':>10}  {'max':>10}",
    ]
    for tau, dev, lo, hi, alpha, n in zip(
        found.tau, found.dev, found.lo, found.hi, found.alpha, found.n, strict=True
    ):
        noise = "-" if math.isnan(alpha) else f"{alpha:.0f}"
        lines.append(
            f"{tau / tau0_s:8.8g}  {tau:10.4e}  {n:9d}  {noise:>5}  "
            f"{_number(lo):>10}  {_number(dev):>10}  {_number(hi):>10}"
        )
    return lines


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4e}"
