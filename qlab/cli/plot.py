"""`qlab plot`: a picture of a run."""

from __future__ import annotations

from pathlib import Path

import click

from qlab.cli.output import emit, json_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Picture (.png, .pdf or .svg); FILE with .png if not given.",
)
@click.option("--force", is_flag=True, help="Replace an existing picture.")
@json_option
def plot(file: Path, output: Path | None, force: bool, as_json: bool) -> None:
    """Draw a run's results."""
    from qlab.errors import UsageError
    from qlab.plots import plot_run

    picture = output or file.parent / f"{file.stem or 'run'}.png"
    if not picture.parent.is_dir():
        raise UsageError(f"there is no folder {picture.parent}", remedy="make it first")
    if picture.exists() and not force:
        raise UsageError(f"{picture} exists", remedy="choose another name or use --force")
    plot_run(file, picture, overwrite=force)
    emit("qlab.plot/1", {"picture": str(picture)}, lambda: f"wrote {picture}", as_json)
