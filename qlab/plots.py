"""Pictures of recorded runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from protocols.errors import ProtocolError
from qlab.errors import QlabError, UsageError
from qlab.experiments import EXPERIMENTS
from qlab.experiments.interface import picture as drawn_by
from qlab.pictures import save_picture
from qlab.replay import reanalyse_run
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus

__all__ = ["plot_run"]


def plot_run(path: Path, picture: Path, *, overwrite: bool = False) -> None:
    """Draw the results of the run in `path` into the file `picture`.

    The format follows the ending: png, pdf or svg. Of a run that was stopped what is there
    is drawn; not of one that was to give a key.

    Parameters
    ----------
    path, picture : Path
        The run file, and the picture.
    overwrite : bool
        Whether a picture of that name is replaced.

    Raises
    ------
    UsageError
        If the picture's ending is another, or there is such a file.
    QlabError
        If the run has no results to draw, or the picture cannot be written.
    RunFileError
        If the run file cannot be believed or read.
    """
    from matplotlib.figure import Figure

    if picture.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(
            f"a picture ends in .png, .pdf or .svg, not {picture.suffix!r}",
            remedy="choose another name",
        )
    if picture.exists():
        if not overwrite:
            raise UsageError(f"{picture} exists", remedy="choose another name, or have it replaced")
        if path.exists() and picture.samefile(path):
            raise UsageError(f"{picture} is the run file itself", remedy="choose another name")
    with RunFile.open(path) as run:
        said = run.results[-1] if run.results else {}
        results = _of_what_is_there(path, run) if "error" in said or not said else said
        # Not by pyplot, whose backend and figures are a script's own.
        figure = Figure(figsize=(10, 7), layout="constrained")
        try:
            drawn_by(run.experiment)(run, results, figure)
        except KeyError:
            raise QlabError(
                f"{path.name} has no results to draw: {said.get('error', run.status.value)}",
                remedy="`qlab inspect` shows what it holds",
            ) from None
        if run.status is not RunStatus.COMPLETE:
            title = f"{figure.get_suptitle()}  ·  {run.status.value}"
            figure.suptitle(title, fontsize=11, parse_math=False)
    save_picture(figure, picture, overwrite=overwrite)


def _of_what_is_there(path: Path, run: RunFile) -> Mapping[str, Any]:
    """Return the results of a run that was stopped, if its data alone give any without a key."""
    if EXPERIMENTS[run.experiment].keys or not any(
        rows for name, rows in run.covered_rows.items() if name.startswith("data/")
    ):
        return {}
    try:
        return reanalyse_run(path)
    except (QlabError, ProtocolError):  # too little of it, or of a station unknown here
        return {}
