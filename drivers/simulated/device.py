"""What every simulated instrument is: a state machine behind ports.

A device executes what arrives over all its sessions in one order and keeps its
own clock: `t_ns` is the bench time of the command being executed, which runs
ahead of the bench's present by what the device still has to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.core.errors import MisuseError
from drivers.simulated.faults import Fault, Faults
from drivers.simulated.pieces import Later
from drivers.simulated.port import Connector, SessionLost
from drivers.simulated.session import Session
from drivers.simulated.time import BenchTime

__all__ = ["Device", "DevicePort", "Later", "SerialLine", "Session", "Setting"]

#: What a station file can say about a simulated device.
Setting = str | int | float | bool


@dataclass(frozen=True, slots=True)
class SerialLine:
    """How a device talks on its serial port.

    Parameters
    ----------
    baud : int
        Rate of the line in bit/s, 10 bits a byte; bytes come one by one. 0 for a
        line that moves whole pieces, at the device's ``bytes_per_s``.
    any_baud : bool
        A USB virtual port: the host's baud rate does not matter, `baud` is how
        fast bytes really pass.
    reply_end : bytes
        What ends a line of a reply.
    echo : bool
        Whether what comes in is sent back.
    prompt : bytes
        What follows each exchange.
    """

    baud: int = 9600
    any_baud: bool = False
    reply_end: bytes = b"\r\n"
    echo: bool = False
    prompt: bytes = b""

    def accepts(self, baud: int) -> bool:
        """Return whether a host at `baud` is understood."""
        return self.any_baud or baud == self.baud


@dataclass(frozen=True, slots=True)
class DevicePort:
    """One connector of a device; see `drivers.simulated.port.Port`."""

    device: Device
    connector: Connector

    def open(self) -> Session:
        """Open one more session."""
        if self.device.faults.gone:
            raise SessionLost
        session = Session(self.device, self.connector)
        self.device.sessions.append(session)
        self.device.opened(session)
        return session


class Device:
    """A simulated instrument.

    Parameters
    ----------
    name : str
        Its name in the station.
    time : BenchTime
        The bench's time.
    terminals : Mapping
        What its connectors lead to in the plant, by the names in
        `terminal_names`; a terminal that is left out leads nowhere.
    **settings
        What the station file says about the unit: keys of `default_settings`,
        and ``faults``, a list of tables as `drivers.simulated.faults.Fault` has
        them. The bench adds its ``seed``.

    Raises
    ------
    MisuseError
        For a setting or terminal that this device does not have.
    """

    #: The connectors it has.
    connectors: ClassVar[tuple[Connector, ...]] = ()
    #: How its serial port talks, if it has one.
    serial: ClassVar[SerialLine] = SerialLine()
    #: How fast its other connectors move bytes: GPIB handshake, USB 2, 100 Mbit Ethernet.
    bytes_per_s: ClassVar[Mapping[Connector, float]] = {
        "gpib": 1e6,
        "usb": 30e6,
        "lan": 10e6,
        "socket": 10e6,
    }
    #: Time from a query to its answer where nothing else is known.
    latency_s: ClassVar[float] = 1e-3
    #: Its settings and their values if the station file does not say.
    default_settings: ClassVar[Mapping[str, Setting]] = {}
    #: The names of its terminals.
    terminal_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        self.name = name
        self.time = time
        #: What its noise is drawn from.
        self.seed = (int(settings.pop("seed", 0)), *name.encode())
        self.faults = Faults(seed=name)
        tables = settings.pop("faults", [])
        for table in tables if isinstance(tables, list) else [tables]:
            self.faults.arm(Fault.from_table(table))
        self.settings = self._checked(settings)
        for terminal in terminals:
            if terminal not in self.terminal_names:
                raise MisuseError(
                    f"{type(self).__name__} has no terminal {terminal!r}",
                    instrument=name,
                    remedy=f"its terminals are {', '.join(self.terminal_names) or 'none'}",
                )
        self.terminals: Mapping[str, Any] = dict(terminals)
        self.sessions: list[Session] = []
        self.ports: Mapping[Connector, DevicePort] = {
            connector: DevicePort(self, connector) for connector in self.connectors
        }
        self.session: Session | None = None
        self.t_ns = time.now_ns()
        self._busy_ns = 0
        self._advanced_ns = -1
        self._latency_ns = round(self.latency_s * 1e9)

    @classmethod
    def settings_known(cls) -> dict[str, Setting]:
        """Return the settings of this class and its bases with their defaults."""
        known: dict[str, Setting] = {}
        for base in reversed(cls.__mro__):
            known.update(vars(base).get("default_settings", {}))
        return known

    def port(self, connector: Connector) -> DevicePort:
        """Return the port with this connector.

        Raises
        ------
        MisuseError
            If the device has none.
        """
        try:
            return self.ports[connector]
        except KeyError:
            raise MisuseError(
                f"{type(self).__name__} has no {connector} port",
                instrument=self.name,
                remedy=f"its ports are {', '.join(self.connectors)}",
            ) from None

    # ---- for subclasses ----------------------------------------------------------

    def receive(self, session: Session, data: bytes, end: bool, arrival_ns: int) -> None:
        """Take bytes that have arrived; call `exchange` for each whole message."""
        raise NotImplementedError

    def obey(self, session: Session, message: bytes) -> None:
        """Execute one whole message at `t_ns` and send what there is to answer."""
        raise NotImplementedError

    def advance(self, t_ns: int) -> None:
        """Bring the device's state up to `t_ns`, which never goes back.

        Called before a command is executed and before the status is looked at.
        """

    def opened(self, session: Session) -> None:
        """Hear that somebody has opened `session`."""

    def cleared(self, session: Session) -> None:
        """Hear that `session` had a device clear; its buffers are already empty."""

    def triggered(self, session: Session, t_ns: int) -> None:
        """Hear a group execute trigger."""

    def addressed_to_talk(self, session: Session) -> None:
        """Hear that the host wants to read though nothing is there or coming."""

    def report_error(self, code: int, text: str = "") -> None:
        """Report an error the way this device does; without one it stays silent."""

    def status(self, session: Session) -> int:
        """Return the status byte as `session` sees it."""
        return 0

    #: Which bits of the status byte request service.
    service_mask: int = 0

    def service_request_at(self, session: Session) -> int | None:
        """Return when the status byte will next request service, if that is known."""
        return None

    def bring_up(self, t_ns: int) -> None:
        """Let `advance` bring the state up to `t_ns`, unless it is there already."""
        if t_ns > self._advanced_ns:
            self._advanced_ns = t_ns
            self.advance(t_ns)

    def give_up(self) -> None:
        """Be free for the next message at once: nobody waits for the present one."""
        self._busy_ns = min(self._busy_ns, self.time.now_ns())

    def exchange(self, session: Session, message: bytes, arrival_ns: int) -> None:
        """Execute one whole message, as the fault switches let it."""
        t_ns = arrival_ns if arrival_ns > self._busy_ns else self._busy_ns
        self.session = session
        self.t_ns = t_ns
        self.bring_up(t_ns)
        if self.faults.armed:
            effect = self.faults.trip(message, arrival_ns)
            if effect.hang_up:
                for other in list(self.sessions) if self.faults.gone else [session]:
                    other.hang_up()
                return
            if effect.silent:
                return
            if effect.error is not None:
                self.report_error(*effect.error)
                return
            session.effect = effect
        try:
            self.obey(session, message)
        finally:
            session.effect = None
        self._busy_ns = self.t_ns

    def _checked(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        known = self.settings_known()
        for key, value in settings.items():
            if key not in known:
                raise MisuseError(
                    f"{type(self).__name__} has no setting {key!r}",
                    instrument=self.name,
                    remedy=f"its settings are {', '.join(sorted(known)) or 'none'}",
                )
            wanted = type(known[key])
            right = isinstance(value, (int, float)) if wanted is float else type(value) is wanted
            if not right or (wanted is float and isinstance(value, bool)):
                raise MisuseError(
                    f"setting {key!r} must be a {wanted.__name__}, not {value!r}",
                    instrument=self.name,
                )
        return {**known, **settings}
