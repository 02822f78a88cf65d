"""The message exchange of an IEEE 488.2 instrument, and the status behind it.

After a command error the rest of a message is dropped; an execution error costs
only its own command.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from drivers.simulated.device import Device, Later, Session
from drivers.simulated.scpi.commands import Command, Setting, collect
from drivers.simulated.scpi.errors import ERRORS, ScpiError, event_bit
from drivers.simulated.scpi.headers import HeaderTree
from drivers.simulated.scpi.messages import MessageScanner
from drivers.simulated.scpi.programs import Programs, Step
from drivers.simulated.scpi.replies import encode
from drivers.simulated.time import BenchTime

__all__ = ["ScpiEngine"]

_MAV = 0x10
_ESB = 0x20
_MSS = 0x40


class ScpiEngine(Device):
    """A device that speaks SCPI; `drivers.simulated.scpi.ScpiDevice` adds the common commands.

    Attributes
    ----------
    error_depth : int
        How many errors the queue holds.
    input_limit, output_limit : int
        Bytes that the input buffer and the output queue hold.
    reply_end : bytes
        What ends an answer on all ports but the serial one.
    stream_ends : bytes
        The characters that end a message on raw sockets and serial lines.
    absent : tuple of str
        Headers that a base class declares and this device does not have.
    """

    error_depth: ClassVar[int] = 20
    input_limit: ClassVar[int] = 1 << 26
    output_limit: ClassVar[int] = 1 << 28
    reply_end: ClassVar[bytes] = b"\n"
    stream_ends: ClassVar[bytes] = b"\n"
    absent: ClassVar[tuple[str, ...]] = ()

    _tree: ClassVar[HeaderTree] = HeaderTree()
    _commands: ClassVar[Mapping[tuple[str, bool], Command]] = {}
    _settings: ClassVar[list[Setting]] = []

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._tree, cls._commands, cls._settings = collect(cls, cls.absent)

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self.errors: deque[tuple[int, str]] = deque()  # numbers and texts, oldest first
        self.event_status = 0x80  # power on
        self.event_enable = 0
        self.service_mask = 0
        self.values_of: dict[str, dict[Any, Any]] = {}
        self._programs = Programs(self._tree, self._commands)
        self._operation_ends_ns = 0
        self._complete_at_ns: int | None = None
        for setting in self._settings:
            self.values_of[setting.name] = setting.initial(self)

    # ---- for subclasses ----------------------------------------------------------

    def reset(self) -> None:
        """Bring the device to its *RST state; extend it for what is no `Setting`.

        The methods named by the settings' ``then`` are called for all of them.
        """
        self._operation_ends_ns = self.t_ns
        self._complete_at_ns = None
        changed = [setting for setting in self._settings if setting.resets]
        for setting in changed:
            self.values_of[setting.name].update(setting.initial(self))
        for setting in changed:
            if setting.then:
                for suffixes in setting.every_suffix():
                    getattr(self, setting.then)(*suffixes)

    def trigger(self) -> None:
        """React to *TRG and to a group execute trigger."""
        raise ScpiError(-211)

    def start_operation(self, seconds: float) -> None:
        """Begin something that *OPC, *OPC? and *WAI wait for, from `t_ns` on."""
        self._operation_ends_ns = max(self._operation_ends_ns, self.t_ns + round(seconds * 1e9))

    def cancel_operation(self) -> None:
        """End what `start_operation` began, as ABORt does; what *OPC awaits is then over."""
        self._operation_ends_ns = self.t_ns
        if self._complete_at_ns is not None:
            self._complete_at_ns = min(self._complete_at_ns, self.t_ns)

    @property
    def operation_ends_ns(self) -> int:
        """Bench time at which all overlapped operations are over."""
        return self._operation_ends_ns

    def more_status(self) -> int:
        """Return the device's own bits of the status byte (0, 1, 3 and 7)."""
        return 0

    def complain(self, error: ScpiError) -> bytes:
        """Return what is sent at once when `error` is queued; most devices say nothing."""
        return b""

    # ---- status --------------------------------------------------------------------

    def report_error(self, code: int, text: str = "") -> None:
        """Queue an error and set its bit of the event status register."""
        self._queue(ScpiError(code, text))

    def _queue(self, error: ScpiError) -> None:
        self.event_status |= event_bit(error.code)
        if len(self.errors) >= self.error_depth:
            self.errors[-1] = (-350, ERRORS[-350])
            self.event_status |= event_bit(-350)
        else:
            self.errors.append((error.code, error.text))
        text = self.complain(error)
        if text and self.session is not None:
            self.session.send(text, self.t_ns)

    def events(self, t_ns: int) -> int:
        """Return the standard event status register as it is at `t_ns`."""
        if self._complete_at_ns is not None and t_ns >= self._complete_at_ns:
            self._complete_at_ns = None
            self.event_status |= 0x01
        return self.event_status

    def arm_completion(self) -> None:
        """Set the operation-complete bit when all is done (*OPC)."""
        self._complete_at_ns = max(self.t_ns, self._operation_ends_ns)

    def clear_status(self) -> None:
        """Clear the event register and the error queue (*CLS)."""
        self.errors.clear()
        self.event_status = 0
        self._complete_at_ns = None

    def status_at(self, session: Session | None, t_ns: int, *, answer_waits: bool) -> int:
        """Return the status byte; bit 6 is the master summary."""
        byte = self.more_status() & 0x8B
        if self.errors:
            byte |= 0x04
        if answer_waits:
            byte |= _MAV
        if self.events(t_ns) & self.event_enable:
            byte |= _ESB
        return byte | (_MSS if byte & self.service_mask else 0)

    def status(self, session: Session) -> int:
        """Return the status byte as a serial poll of `session` sees it."""
        now_ns = self.time.now_ns()
        self.bring_up(now_ns)
        return self.status_at(session, now_ns, answer_waits=session.waiting() > 0)

    def service_request_at(self, session: Session) -> int | None:
        """Return when the next service request is due, as far as it can be foreseen."""
        times = []
        if self.service_mask & _MAV:
            times.append(session.ready_at())
        if self.service_mask & _ESB and self.event_enable & 0x01:
            times.append(self._complete_at_ns)
        return min((time for time in times if time is not None), default=None)

    # ---- the message exchange ------------------------------------------------------

    def receive(self, session: Session, data: bytes, end: bool, arrival_ns: int) -> None:
        """Take bytes; each message that is whole is executed."""
        self._interrupt(session)
        pending = session.input
        closed = end and session.marks_end
        if closed and not pending and self._is_one_message(data):
            self.exchange(session, data, arrival_ns)
            return
        if session.parser is None:
            session.parser = MessageScanner(
                b"\n" if session.marks_end else self.stream_ends, to_end=session.marks_end
            )
        scanner: MessageScanner = session.parser
        pending += data
        if len(pending) > self.input_limit:
            self.cleared(session)
            self._queue(ScpiError(-363))
            return
        while (at := scanner.find(pending)) >= 0:
            message = bytes(pending[:at])
            del pending[: at + 1]
            self._message(session, message, arrival_ns)
            if session.lost:
                return
        if closed and pending:
            message = bytes(pending)
            self.cleared(session)
            self._message(session, message, arrival_ns)

    def cleared(self, session: Session) -> None:
        """Forget what has come in of an unfinished message."""
        session.input.clear()
        session.parser = None

    def _is_one_message(self, data: bytes) -> bool:
        """Return whether no line end closes a message before the end."""
        last = len(data) - 1
        if data.find(b"\n", 0, last) < 0:
            return True
        if b"#" not in data:
            return False
        at = MessageScanner(b"\n", to_end=True).find(data)
        return at < 0 or at == last

    def _interrupt(self, session: Session) -> None:
        """Drop an answer that the host has not read before it goes on."""
        if session.marks_end and session.has_output:
            session.drop_output()
            self._queue(ScpiError(-410))

    def _message(self, session: Session, message: bytes, arrival_ns: int) -> None:
        self._interrupt(session)
        self.exchange(session, message, arrival_ns)

    def addressed_to_talk(self, session: Session) -> None:
        """Report that nothing was asked, or not to the end of the message."""
        if session.marks_end:
            self.cleared(session)
            self._queue(ScpiError(-420))

    def triggered(self, session: Session, t_ns: int) -> None:
        """Obey a group execute trigger."""
        self.t_ns = t_ns
        self.bring_up(t_ns)
        try:
            self.trigger()
        except ScpiError as error:
            self._queue(error)

    def obey(self, session: Session, message: bytes) -> None:
        """Execute a message and send the answers to its queries."""
        program = self._programs.read(message)
        if len(program) != 1 or session.connector == "serial":
            self._obey_units(session, message, program)
            return
        try:  # one unit, as nearly always
            answer = program[0].run(self)
        except ScpiError as error:
            self._queue(error)
            return
        if answer is None:
            return
        self.t_ns += self._latency_ns
        if type(answer) is Later:
            self.t_ns = max(self.t_ns, answer.ready_ns)
            answer = Later(self.t_ns, self._settled(answer, b"", self.reply_end))
        else:
            answer = encode(answer, b"", self.reply_end)
        session.send(answer, self.t_ns, True)

    def _obey_units(self, session: Session, message: bytes, program: list[Step]) -> None:
        on_serial = session.connector == "serial"
        if on_serial and self.serial.echo:
            session.send(message.rstrip() + self.serial.reply_end, self.t_ns)
        answers: list[tuple[int, Any]] = []
        size = 0
        refusal = 0
        for step in program:
            if step.is_query and refusal:
                if refusal == -440:
                    self._queue(ScpiError(-440))
                continue
            try:
                answer = step.run(self)
            except ScpiError as error:
                self._queue(error)
                continue
            if answer is None:
                continue
            self.t_ns += self._latency_ns
            if type(answer) is Later:
                self.t_ns = max(self.t_ns, answer.ready_ns)
            else:
                answer = encode(answer)
                size += len(answer)
            answers.append((self.t_ns, answer))
            refusal = -440 if step.is_indefinite else 0
            if size > self.output_limit and step is not program[-1]:
                answers.clear()
                refusal = -430
                self._queue(ScpiError(-430))
        reply_end = self.serial.reply_end if on_serial else self.reply_end
        last = len(answers) - 1
        for index, (ready_ns, answer) in enumerate(answers):
            before, after = b";" if index else b"", reply_end if index == last else b""
            if type(answer) is Later:
                answer = Later(ready_ns, self._settled(answer, before, after))
            else:
                answer = before + answer + after
            session.send(answer, ready_ns, index == last)
        if on_serial and self.serial.prompt:
            session.send(self.serial.prompt, self.t_ns)

    def _settled(self, answer: Later, before: bytes, after: bytes) -> Callable[[], bytes]:
        def settle() -> bytes:
            try:
                return encode(answer.produce(), before, after)
            except ScpiError as error:
                self._queue(error)
                return b""

        return settle
