"""Pictures of recorded runs."""

from __future__ import annotations

from pathlib import Path

from qlab.errors import QlabError, UsageError
from qlab.experiments.interface import picture as drawn_by
from qlab.pictures import save_picture
from qlab.runfile.reader import RunFile

__all__ = ["plot_run"]


def plot_run(path: Path, picture: Path, *, overwrite: bool = False) -> None:
    """Draw the results of the run in `path` into the file `picture`.

    The format follows the ending: png, pdf or svg.

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
        raise UsageError(f"a picture ends in .png, .pdf or .svg, not {picture.suffix!r}")
    if picture.exists():
        if not overwrite:
            raise UsageError(f"{picture} exists", remedy="choose another name, or have it replaced")
        if path.exists() and picture.samefile(path):
            raise UsageError(f"{picture} is the run file itself", remedy="choose another name")
    with RunFile.open(path) as run:
        results = run.results[-1] if run.results else {}
        # Not by pyplot, whose backend and figures are a script's own.
        figure = Figure(figsize=(10, 7), layout="constrained")
        try:
            drawn_by(run.experiment)(run, results, figure)
        except KeyError:
            raise QlabError(
                f"{path.name} has no results to draw: {results.get('error', run.status.value)}",
                remedy="`qlab inspect` shows what it holds",
            ) from None
    save_picture(figure, picture, overwrite=overwrite)
