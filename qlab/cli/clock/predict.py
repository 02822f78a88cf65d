"""`qlab clock predict`: what a loop would make of two clocks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qlab.cli.numbers import POSITIVE
from qlab.cli.output import columns, emit, json_option
from qlab.errors import UsageError

if TYPE_CHECKING:
    from protocols.clock.clocks import Clock
    from protocols.clock.prediction import Holdover, Stability
    from protocols.clock.tuning import Design, Task

__all__ = ["predict"]

_NUMBER = r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?"
_WORDS = ("h0", "h-1", "h-2", "pm", "ageing")
_HOLDOVER_S = (10, 100, 1_000, 10_000, 86_400)
_NOISY = 0.7  # part of what is read of the reference, from which on its readings are to blame


@contextmanager
def _refused() -> Iterator[None]:
    """Turn what a prediction refuses into an error of usage, with its remedy."""
    from protocols.errors import ParameterError

    try:
        yield
    except ParameterError as error:
        remedy = "smaller gains, or none: the best are searched for"
        if "gain" not in str(error):
            remedy = "give numbers within that range"
        if "without noise" in str(error):
            remedy = "give h0, h-1 or h-2, or a clock's name"
        raise UsageError(str(error), remedy=remedy) from None


def _clock(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, Clock]:
    """Read a clock's name, or coefficients such as ``h0=8e-22,h-1=1.8e-25``."""
    from protocols.clock.clocks import CLOCKS, Clock
    from protocols.clock.model import NoiseCoefficients

    text = value.replace(" ", "").lower()
    if text in CLOCKS:
        return text, CLOCKS[text]
    parts = text.split(",")
    if not all(re.fullmatch(rf"[a-z0-9-]+=(?:{_NUMBER})", part) for part in parts):
        raise click.BadParameter(
            f"{value!r} is neither one of {', '.join(CLOCKS)} nor coefficients such as "
            "h0=8e-22,h-1=1.8e-25,h-2=1.4e-30,pm=1e-12,ageing=2e-17"
        )
    given = {word: float(number) for word, number in (part.split("=") for part in parts)}
    if not set(given) <= set(_WORDS):
        raise click.BadParameter(f"the coefficients are {', '.join(_WORDS)}")
    noise = {word: given.pop(word, 0.0) for word in ("h0", "h-1", "h-2")}
    with _refused():
        return text, Clock(
            noise=NoiseCoefficients(
                h_0=noise["h0"], h_minus_1=noise["h-1"], h_minus_2=noise["h-2"]
            ),
            white_phase_s=given.get("pm", 0.0),
            ageing_per_s=given.get("ageing", 0.0),
        )


def _gains(ctx: click.Context, param: click.Parameter, value: str | None) -> list[float] | None:
    """Read two or three numbers with commas between them."""
    if value is None:
        return None
    text = value.replace(" ", "")
    if not re.fullmatch(f"(?:{_NUMBER})(?:,(?:{_NUMBER})){{1,2}}", text):
        raise click.BadParameter(f"{value!r} is not two or three numbers, such as 0.18,8e-4,1")
    return [float(number) for number in text.split(",")]


@click.command(
    epilog="\b\nExamples:\n"
    "  qlab clock predict --local fs725 --reference 5071a-hp --noise 100e-12\n"
    "  qlab clock predict --local ocxo-noisy --reference maser --noise 20e-12 --plot loop.png\n"
    "  qlab clock predict --local h0=8e-22,h-1=1.8e-25 --reference 5071a --controller pi \\\n"
    "      --gains 0.01,2e-6,1 --json"
)
@click.option(
    "--local", callback=_clock, default="fs725", metavar="CLOCK",
    help="Clock that is steered: fs725 if not given, another name, or coefficients.",
)  # fmt: skip
@click.option(
    "--reference", callback=_clock, default="5071a-hp", metavar="CLOCK",
    help="Clock that it follows, in the same way; 5071a-hp if not given.",
)  # fmt: skip
@click.option(
    "--noise", type=POSITIVE, default=100e-12, metavar="S",
    help="White noise of a reading, link and counter, rms; 100e-12 if not given.",
)  # fmt: skip
@click.option(
    "--interval", type=POSITIVE, default=1.0, metavar="S", help="Between readings; 1 if not given."
)
@click.option(
    "--dead", type=click.FloatRange(0.0, 1.0), default=1.0, metavar="PART",
    help="Time from a reading until its command acts, in intervals; 1 if not given.",
)  # fmt: skip
@click.option(
    "--controller", type=click.Choice(["pi", "lqg"]),
    help="The better one if not given.",
)  # fmt: skip
@click.option(
    "--gains", callback=_gains, metavar="PHASE,FREQUENCY[,READING]",
    help="Of a design of your own; the best ones if not given.",
)  # fmt: skip
@click.option(
    "--short-ratio", type=POSITIVE, default=1.5, metavar="RATIO",
    help="What may be lost at 1, 2 and 5 intervals; 1.5 if not given.",
)  # fmt: skip
@click.option(
    "--phase", type=float, default=100e-9, metavar="S",
    help="Local - reference at a warm start; 100e-9 if not given.",
)  # fmt: skip
@click.option(
    "--frequency", type=float, default=1e-10, metavar="Y",
    help="Of the local clock at a warm start; 1e-10 if not given.",
)  # fmt: skip
@click.option(
    "--plot", "picture", metavar="PNG", type=click.Path(path_type=Path),
    help="Draw stability and holdover (.png, .pdf or .svg).",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace an existing picture.")
@json_option
def predict(
    local: tuple[str, Clock],
    reference: tuple[str, Clock],
    noise: float,
    interval: float,
    dead: float,
    controller: str | None,
    gains: list[float] | None,
    short_ratio: float,
    phase: float,
    frequency: float,
    picture: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Predict how stable a loop would make a clock, and choose its gains.

    From the noise coefficients of both clocks: the gains with the smallest worst ratio of the
    steered clock's time deviation to the better one of reference and free clock, over octaves
    of the averaging time; with these or with your own gains the stability of all three,
    bandwidth, phase margin, time to lock, and the error of holdover after a day.

    Clocks: 5071a, 5071a-hp, fs725, sa45s, sa5x, ocxo-noisy, ocxo-good, maser; or
    coefficients of S_y(f), white phase noise in seconds and ageing per second, such as
    h0=8e-22,h-1=1.8e-25,h-2=1.4e-30,pm=1e-12,ageing=2e-17.
    """
    import numpy as np

    from protocols.clock.prediction import (
        predicted_holdover,
        predicted_lock_s,
        predicted_stability,
    )
    from protocols.clock.tuning import SHORT_STEPS, Task, octaves

    if picture is not None:
        from qlab.pictures import check_picture

        check_picture(picture, overwrite=force)
    with _refused():
        task = Task(
            local=local[1], reference=reference[1], reading_s=noise, step_s=interval, dead=dead
        )
        design = _design(task, controller, gains, short_ratio)
        curves = predicted_stability(task, design, np.concatenate([SHORT_STEPS, octaves()]))
        after = np.array([max(round(t / interval), 1) for t in _HOLDOVER_S], np.int64)
        holdover = predicted_holdover(task, np.unique(after))
        lock_s = predicted_lock_s(task, design, phase_s=phase, frequency=frequency)
    advice = _advice(local[0], reference[0], task, curves)
    if picture is not None:
        from qlab.stability.loop_plot import draw_loop

        draw_loop(f"{local[0]} to {reference[0]}", task, design, picture, overwrite=force)
    facts = {
        "local": _clock_facts(*local),
        "reference": _clock_facts(*reference),
        "noise_s": noise,
        "interval_s": interval,
        "dead": dead,
        "design": {
            "controller": design.controller,
            "gains": design.gains._asdict(),
            "chosen": gains is None,
            "worst_ratio": design.worst_ratio,
        },
        "bandwidth_hz": curves.bandwidth_hz,
        "phase_margin_deg": curves.phase_margin_deg,
        "time_to_lock_s": lock_s,
        "steering_pays_from_s": curves.pays_from_s,
        "advice": advice,
        "stability": _curve_facts(curves),
        "holdover": {
            "t": holdover.times_s,
            "rms_s": holdover.rms_s,
            "bound_95_s": holdover.bound_95_s,
        },
        "picture": None if picture is None else str(picture),
    }

    def text() -> str:
        return _text(
            local[0], reference[0], task, design, curves, holdover, lock_s, picture, advice
        )

    emit("qlab.clock.predict/1", facts, text, as_json)


def _design(
    task: Task, controller: str | None, gains: list[float] | None, short_ratio: float
) -> Design:
    from protocols.clock.control import Gains
    from protocols.clock.response import CONTROLLERS
    from protocols.clock.tuning import judged, tune

    if gains is None:
        return tune(
            task,
            controllers=CONTROLLERS if controller is None else (controller,),
            short_ratio=short_ratio,
        )
    if controller is None:
        raise UsageError("gains belong to a controller", remedy="add --controller pi or lqg")
    return judged(task, controller, Gains(*gains))


def _advice(local: str, reference: str, task: Task, curves: Stability) -> str:
    """Say from which averaging time on steering pays, and what to do where it never does."""
    first_s, longest_s = curves.pays_from_s, float(curves.taus_s[-1])
    if first_s <= curves.taus_s[0]:
        return f"steering pays at every averaging time: {reference} as read is the better clock"
    if math.isfinite(first_s):
        return f"steering pays from {first_s:g} s on; below, {local} alone is the better clock"
    said = f"do not steer: {local} alone is better than {reference} as read up to {longest_s:g} s"
    readings = task.reading_s * math.sqrt(task.step_s / longest_s)
    if readings > _NOISY * curves.reference_tdev[-1]:
        return f"{said}; its readings are too noisy: take a better link or counter (--noise)"
    return f"{said}; leave it alone and only compare, or steer {reference} to {local}"


def _clock_facts(name: str, clock: Clock) -> dict[str, Any]:
    noise = clock.noise
    return {
        "name": name,
        "h0": noise.h_0,
        "h-1": noise.h_minus_1,
        "h-2": noise.h_minus_2,
        "pm_s": clock.white_phase_s,
        "ageing_per_s": clock.ageing_per_s,
        "source": clock.source,
    }


def _curve_facts(curves: Stability) -> dict[str, Any]:
    return {
        "tau": curves.taus_s,
        "steered_tdev": curves.steered_tdev,
        "reference_tdev": curves.reference_tdev,
        "free_tdev": curves.free_tdev,
        "ratio": curves.ratio,
        "steered_adev": curves.steered_adev,
        "reference_adev": curves.reference_adev,
        "free_adev": curves.free_adev,
    }


def _text(
    local: str,
    reference: str,
    task: Task,
    design: Design,
    curves: Stability,
    holdover: Holdover,
    lock_s: float | None,
    picture: Path | None,
    advice: str,
) -> str:
    gains, kind = design.gains, design.controller
    lock = "no lock within an hour" if lock_s is None else f"locked after {lock_s:.0f} s"
    margin = f"phase margin {curves.phase_margin_deg:.0f} degrees"
    lines = [
        f"{local} to {reference}: a reading every {task.step_s:g} s, {task.reading_s:g} s rms",
        f"commands act {task.dead * task.step_s:g} s after their reading",
        f"{kind}: gains {gains.phase:g}, {gains.frequency:g}, {gains.reading:g}",
        f"worst ratio {design.worst_ratio:.3f}",
        f"bandwidth {curves.bandwidth_hz:.3g} Hz, {margin}, {lock}",
        advice,
        "",
    ]
    rows: list[list[str]] = [
        ["tau s", "TDEV steered", "reference", "free", "ratio", "ADEV steered", "reference", "free"]
    ]
    rows += [
        [f"{tau:g}", *(f"{value:.3e}" for value in times), f"{ratio:.3f}",
         *(f"{value:.3e}" for value in frequencies)]
        for tau, ratio, times, frequencies in zip(
            curves.taus_s, curves.ratio,
            zip(curves.steered_tdev, curves.reference_tdev, curves.free_tdev, strict=True),
            zip(curves.steered_adev, curves.reference_adev, curves.free_adev, strict=True),
            strict=True,
        )
    ]  # fmt: skip
    lines += [columns(rows), "", "holdover after a day of readings"]
    held = zip(holdover.times_s, holdover.rms_s, holdover.bound_95_s, strict=True)
    lines.append(
        columns(
            [["after s", "rms s", "95 % s"],
             *([f"{t:g}", f"{rms:.3e}", f"{bound:.3e}"] for t, rms, bound in held)]
        )
    )  # fmt: skip
    if picture is not None:
        lines += ["", f"wrote {picture}"]
    return "\n".join(lines)
