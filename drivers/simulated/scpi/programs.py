"""What a message means to a device: its units as steps, remembered by the bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivers.simulated.scpi.commands import Command
from drivers.simulated.scpi.errors import ScpiError
from drivers.simulated.scpi.headers import HeaderTree, Word, split_header
from drivers.simulated.scpi.messages import Token, split_message

__all__ = ["Programs", "Step"]

_REMEMBERED = 4096  # messages
_WORTH_KEEPING = 128  # bytes; longer ones hardly ever come again


@dataclass(frozen=True, slots=True)
class Step:
    """One unit of a message, or the number of the error that it is.

    `arguments` holds suffixes and values if the unit has no data, else None.
    """

    command: Command | None
    is_query: bool = False
    is_indefinite: bool = False
    suffixes: tuple[int, ...] = ()
    tokens: tuple[Token, ...] = ()
    arguments: tuple[Any, ...] | None = None
    error: int = 0

    def run(self, device: Any) -> Any:
        """Execute the unit and return the answer of a query, None for a command.

        Raises
        ------
        ScpiError
            If it is no command, or the device cannot obey.
        """
        command = self.command
        if command is None:
            raise ScpiError(self.error)
        if self.arguments is not None:
            answer = command.call(device, *self.arguments)
        else:
            values = command.values(self.tokens, device, self.suffixes)
            answer = command.call(device, *self.suffixes, *values)
        return answer if self.is_query else None


class Programs:
    """Reads the messages of one device class.

    Parameters
    ----------
    tree : HeaderTree
        Its headers.
    commands : Mapping
        Its commands by attribute and whether they are queries.
    """

    def __init__(self, tree: HeaderTree, commands: Mapping[tuple[str, bool], Command]) -> None:
        self._tree = tree
        self._commands = commands
        self._known: dict[bytes, list[Step]] = {}

    def read(self, message: bytes) -> list[Step]:
        """Return the steps of a message; an error is the last of them."""
        steps = self._known.get(message)
        if steps is None:
            steps = self._parse(message)
            if len(message) <= _WORTH_KEEPING:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[message] = steps
        return steps

    def _parse(self, message: bytes) -> list[Step]:
        units, error = split_message(message)
        steps: list[Step] = []
        path: list[Word] = []
        for header, tokens in units:
            try:
                step, path = self._step(header, tokens, path)
                steps.append(step)
            except ScpiError as wrong:
                error = wrong
                break
        if error is not None:
            steps.append(Step(None, error=error.code))
        return steps

    def _step(
        self, header: bytes, tokens: list[Token], path: list[Word]
    ) -> tuple[Step, list[Word]]:
        """Return the step and the path on which the next unit's header begins."""
        is_query = header.endswith(b"?")
        name = header[:-1] if is_query else header
        if b"?" in name:
            raise ScpiError(-111)
        if name.startswith(b"*"):
            words: list[Word] = [("*" + split_header(name[1:])[0][0], None)]
        else:
            relative = split_header(name.removeprefix(b":"))
            words = relative if name.startswith(b":") else path + relative
            path = words[:-1]
        entry = self._tree.find(words, query=is_query)
        suffixes = entry.select([number for _, number in words])
        command = self._commands[entry.attribute, is_query]
        arguments = None
        if not tokens and all(parameter.optional for parameter in command.parameters):
            arguments = (*suffixes, *[None] * len(command.parameters))
        step = Step(command, is_query, command.indefinite, suffixes, tuple(tokens), arguments)
        return step, path
