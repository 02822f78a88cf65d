"""The command line: `qlab`, and how its commands end."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from typing import NoReturn

import click

from qlab import __version__
from qlab.cli.lazy import LazyGroup
from qlab.cli.output import Invocation, report_error
from qlab.errors import ExitCode, QlabError, UsageError, exit_code, printable

__all__ = ["cli", "main"]

# What `qlab --help` shows is here, so that it imports no command.
_COMMANDS = {
    "run": ("qlab.cli.run:run", "Run an experiment and record it."),
    "calibrate": ("qlab.cli.calibrate:calibrate", "Find delays and gains, and write them down."),
    "replay": ("qlab.cli.replay:replay", "Replay a run file and compare everything."),
    "inspect": ("qlab.cli.inspect:inspect", "Show what a run file holds, finished or not."),
    "plot": ("qlab.cli.plot:plot", "Draw a run's results."),
    "station": ("qlab.cli.station:station", "Write, check, show, serve a station; make it safe."),
    "instrument": ("qlab.cli.instrument:instrument", "Talk to one instrument of a station."),
    "key": ("qlab.cli.key:key", "Bound, predict, distil, store and export keys."),
    "clock": ("qlab.cli.clock:clock", "Work out how stable clocks are."),
    "tags": ("qlab.cli.tags:tags", "Read, convert, correlate and synchronise time tags."),
    "doctor": ("qlab.cli.doctor:doctor", "Check that this computer has what qlab needs."),
}


@click.command(
    cls=LazyGroup, table=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="qlab")
@click.option("--debug", is_flag=True, help="Show where an error came from.")
@click.pass_obj
def cli(known: Invocation, debug: bool) -> None:
    """Quantum key distribution and precise time in the laboratory.

    Without a station file every command works on a simulated bench.

    Exit codes: 0 done, 1 failure, 2 usage, 3 instrument, 4 limit or interlock,
    5 aborted to safe state, 6 replay diverged, 7 no key can be given, 8 damaged
    file, 130 Ctrl-C.
    """
    known.debug = debug


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with the code of what happened."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a console that lacks a sign shows another
            stream.reconfigure(errors="replace")
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # while the error of another was being shown
        code = int(ExitCode.INTERRUPTED)
    if arguments is None:  # the process ends here, and what it did is decided
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    known = Invocation(as_json="--json" in arguments)
    try:
        ended = cli.main(arguments, prog_name="qlab", standalone_mode=False, obj=known)
        return ended if isinstance(ended, int) else int(ExitCode.DONE)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return int(ExitCode.USAGE)
    except click.Abort:
        click.echo("stopped", err=True)
        return int(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the last place, nothing escapes
        if known.debug:
            import traceback

            for line in traceback.format_exc().splitlines():
                click.echo(printable(line), err=True)
        failure = _explained(error)
        with suppress(OSError):  # where nobody can be told, the exit code still tells
            report_error(failure, known)
        return int(exit_code(failure))


def _explained(error: Exception) -> Exception:
    """Return the error, or one with a remedy for those that have none."""
    if isinstance(error, click.UsageError):
        where = "qlab" if error.ctx is None else error.ctx.command_path
        return UsageError(error.format_message(), remedy=f"see `{where} --help`")
    if isinstance(error, click.ClickException):
        return QlabError(error.format_message())
    foreseen = isinstance(error, OSError) or hasattr(error, "remedy")
    if foreseen or exit_code(error) is not ExitCode.FAILURE:
        return error
    return QlabError(
        f"internal error: {type(error).__name__}: {error}",
        remedy="please report it with what `qlab --debug ...` prints",
    )
