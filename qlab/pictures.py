"""What all pictures share: their colours, their names, and how they are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qlab.errors import QlabError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BLUE", "COLOURS", "GREEN", "GREY", "ORANGE", "check_picture", "save_picture"]

# Colours that stay apart for colour-blind readers and in print (Okabe and Ito).
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#999999"
#: The same for many curves, those that stay apart in print first.
COLOURS = (BLUE, "#D55E00", GREEN, "#CC79A7", ORANGE, "#56B4E9", "#000000")


def check_picture(picture: Path, *, overwrite: bool) -> None:
    """Refuse a picture that could not be written.

    Raises
    ------
    UsageError
        If its ending is not png, pdf or svg, or there is such a file, or no such folder.
    """
    if picture.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(
            f"a picture ends in .png, .pdf or .svg, not {picture.suffix!r}",
            remedy="choose another name",
        )
    if not picture.parent.is_dir():
        raise UsageError(
            f"there is no folder {picture.parent}", remedy="make it, or name another picture"
        )
    if picture.is_dir():
        raise UsageError(f"{picture} is a folder", remedy="name a file")
    if picture.exists() and not overwrite:
        raise UsageError(f"{picture} exists", remedy="choose another name or use --force")


def save_picture(figure: Figure, picture: Path, *, overwrite: bool) -> None:
    """Write a figure; the format follows the ending of the picture's name.

    Raises
    ------
    QlabError
        It cannot be written.
    """
    try:
        with picture.open("wb" if overwrite else "xb") as out:
            figure.savefig(out, format=picture.suffix[1:].lower(), dpi=150)
    except OSError as error:
        raise QlabError(f"the picture cannot be written: {error}") from None
