"""An open station: instruments and roles, guarded by the station's limits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path as FilePath
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from drivers.core import Instrument, Property
from drivers.core.context import Clock, Recorder
from drivers.core.declared import Endpoint
from drivers.core.errors import CommunicationError
from drivers.core.link import Connect
from drivers.core.recording import recording_connector
from qlab.errors import StationError, UsageError
from qlab.station.check import SafeTarget, check_station
from qlab.station.clocks import TimeKind, WallClock
from qlab.station.file import StationFile, load_station
from qlab.station.guard import StationGuard
from qlab.station.safe import (
    SAFE_DEADLINE_S,
    RecorderGate,
    SafeStep,
    StepHangsError,
    make_safe,
    walk,
)
from qlab.station.source import near_miss
from qlab.station.targets import endpoint_class, endpoint_of, parse_target, property_of
from qlab.station.toml import toml_text

if TYPE_CHECKING:
    from pyvisa import ResourceManager
    from pyvisa.highlevel import VisaLibraryBase

    from drivers.simulated.bench import Bench
    from qlab.station.connections import ForeignLibrary

__all__ = ["Station", "TimeKind", "open_station"]

#: How long closing waits for an instrument that another thread is using.
_CLOSE_S = 1.0


def open_station(
    file: str | FilePath | StationFile | None = None,
    *,
    seed: int | None = None,
    time: TimeKind = "virtual",
) -> Station:
    """Return the station of a station file, by default the packaged simulated bench.

    Instruments are opened when they are first asked for. Use it in a ``with``
    block, which closes them.

    Parameters
    ----------
    file : path or StationFile, optional
        The station file.
    seed : int, optional
        Seed of a simulated station; by default one is drawn.
    time : str
        Time of a simulated station: ``virtual`` or ``real``.

    Raises
    ------
    StationError
        Naming file, line, key and remedy.
    """
    station = file if isinstance(file, StationFile) else load_station(file)
    return Station(station, seed=seed, time=time)


class Station:
    """A station with its instruments, opened when they are first asked for.

    Parameters
    ----------
    file : StationFile
        What there is.
    recorder : Recorder, optional
        Takes a record of everything that crosses a transport.
    connect : callable, optional
        Gives the `Connect` of an instrument by name instead of the real or
        simulated one, as a replay does; nothing simulated is built then.
    foreign : ForeignLibrary, optional
        Makes the VISA library for foreign drivers, where `connect` is given.
    seed : int, optional
        Seed of the simulated plant, not negative; by default one is drawn.
    time : str
        Time of a simulated bench, ``virtual`` or ``real``; elsewhere time is real.

    Raises
    ------
    StationError
        If file and drivers do not fit together.
    UsageError
        For a seed without a simulated station.
    """

    def __init__(
        self,
        file: StationFile,
        *,
        recorder: Recorder | None = None,
        connect: Callable[[str], Connect] | None = None,
        foreign: ForeignLibrary | None = None,
        seed: int | None = None,
        time: TimeKind = "virtual",
    ) -> None:
        if seed is not None and file.simulation is None:
            raise UsageError(
                f"{file.source.name} is no simulated station, so it takes no seed",
                remedy="leave the seed out, or name a simulated station",
            )
        self.file = file
        checked = check_station(file)
        self._drivers = checked.drivers
        self._safe = checked.safe
        self._guard = StationGuard(file, checked.interlocks, self._present_value)
        self._instruments: dict[str, Instrument] = {}
        self._closing = contextlib.ExitStack()
        self._gate = None if recorder is None else RecorderGate(recorder)
        #: The simulated bench; None for real instruments and in a replay.
        self.bench: Bench | None = None
        self._clock: Clock = WallClock()
        self._foreign = foreign
        self._foreign_library: VisaLibraryBase | None = None
        if connect is None:
            from qlab.station.connections import own_connections

            own = own_connections(file, seed, time, self._gate, self._closing)
            self.bench, self._clock, self._foreign = own.bench, own.clock, own.foreign
            self._connect_to: Callable[[str], Connect] = lambda name: own.connect
        else:
            self._connect_to = connect

    @property
    def name(self) -> str:
        """Name of the station."""
        return self.file.name

    @property
    def simulated(self) -> bool:
        """Whether the instruments are simulated, here or elsewhere: no key is fit for use."""
        return self.file.simulated

    @property
    def clock(self) -> Clock:
        """The bench's time, or the wall clock from the moment the station was opened."""
        return self._clock

    def instrument(self, name: str) -> Instrument:
        """Return an instrument, opened.

        Raises
        ------
        StationError
            If the station has none of this name.
        DriverError
            If it cannot be opened.
        """
        instrument = self._closed_instrument(name)
        if not instrument.link.is_open:
            try:
                instrument.open()
            except CommunicationError as error:
                error.remedy = error.remedy or "check the address and that the instrument is on"
                raise
        return instrument

    def role(self, name: str) -> Any:
        """Return what plays a role: an instrument, a channel of one, or a list of them.

        Raises
        ------
        StationError
            If the station file gives nobody the role.
        """
        roles = self.file.roles
        if name not in roles:
            raise StationError(
                f"nothing plays the role {name!r}",
                file=self.file.source.name,
                line=self.file.source.line(("roles",)),
                key="roles",
                remedy=f'add a line such as: {name} = "INSTRUMENT.channel1"',
            )
        target = roles[name]
        if isinstance(target, str):
            return self.endpoint(target)
        return [self.endpoint(each) for each in target]

    def endpoint(self, text: str) -> Any:
        """Return an instrument or a channel of one, such as ``laser.channel1``, opened.

        Raises
        ------
        StationError, MisuseError
            If there is none of this name.
        """
        target = parse_target(text, with_property=False)
        return endpoint_of(self.instrument(target.instrument), target)

    def open_all(self) -> None:
        """Open every instrument of the station, in the order of its file.

        Raises
        ------
        DriverError
            For the first that cannot be opened.
        """
        for name in self.file.instruments:
            self.instrument(name)

    def declared(self, target: str) -> Property[Any]:
        """Return how the driver declares a property such as ``laser.channel1.power_dbm``.

        Raises
        ------
        StationError, MisuseError
            If there is no such property.
        """
        parsed = parse_target(target, with_property=True)
        driver = self._driver(parsed.instrument)
        return property_of(endpoint_class(driver, parsed), parsed)

    def get(self, target: str) -> Any:
        """Return the value of a property such as ``laser.channel1.power_dbm``.

        Raises
        ------
        StationError, MisuseError
            If there is no such property.
        """
        name = self.declared(target).name
        return getattr(self._owner(target), name)

    def set(self, target: str, value: Any) -> None:
        """Set a property; a text is read as a person would type the value.

        Raises
        ------
        StationError, MisuseError
            If there is no such property, or the value is out of the manual's range.
        LimitError
            If the station forbids it.
        """
        declared = self.declared(target)
        if isinstance(value, str):
            value = declared.from_text(value)
        setattr(self._owner(target), declared.name, value)

    def resource_manager(self) -> ResourceManager:
        """Return a pyvisa resource manager for foreign drivers, at this station's instruments.

        What crosses it is recorded and replayed as what our own drivers do. The
        station's limits, ramps and interlocks are not checked there: nobody knows what
        a foreign driver's bytes mean. Instruments are opened by the VISA name of their
        address; to serial ports and sockets written otherwise `list_resources` has it.
        On virtual time no time passes while a foreign driver sleeps.

        Raises
        ------
        NoConnectionError
            If the VISA library cannot be loaded; from the manager, for an address that
            no instrument of the station has.
        UsageError
            If there are no instruments, as in a re-analysis of recorded data.
        """
        import pyvisa

        from qlab.station.connections import visa_names

        if self._foreign is None:
            raise UsageError("there are no instruments here for foreign drivers")
        if self._foreign_library is None:
            self._foreign_library = self._foreign(visa_names(self.file.instruments))
        manager = self._foreign_library.resource_manager
        if manager is None:
            manager = pyvisa.ResourceManager(self._foreign_library)
            self._closing.callback(manager.close)
        return manager

    def to_safe_state(self, deadline_s: float = SAFE_DEADLINE_S) -> list[SafeStep]:
        """Drive the outputs to their safe state, whatever fails on the way.

        Limits and interlocks do not stand in the way. A step that hangs is left
        behind in time for the others; nothing that it does later is recorded.

        Returns
        -------
        list of SafeStep
            One for each step of the station file, in order.
        """
        share_s = deadline_s / (2 * max(len(self._safe), 1))
        steps = [
            (entry.target, step.value, partial(self._make_safe, step, share_s))
            for entry, step in zip(self.file.safe, self._safe, strict=True)
        ]
        with self._guard.lifted():
            return walk(steps, deadline_s, self._give_up)

    def resolved_toml(self) -> str:
        """Return the station as canonical TOML; `parse_station` reads it back.

        Where the bench was built here, the figures of its plant are written out.
        """
        if self.bench is None:
            return self.file.text()
        from qlab.station.simulation import resolved_document

        return toml_text(resolved_document(self.file))

    def close(self) -> None:
        """Close all instruments and the bench; a second close does nothing.

        An instrument that hangs since the way to the safe state is left alone.
        """
        instruments, self._instruments = self._instruments, {}
        with self._closing:
            for instrument in instruments.values():
                self._closing.callback(_close, instrument)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        kind = "simulated" if self.simulated else "real"
        return f"<Station {self.name}: {len(self.file.instruments)} {kind} instruments>"

    def _closed_instrument(self, name: str) -> Instrument:
        if name not in self._instruments:
            self._instruments[name] = self._built(name)
        return self._instruments[name]

    def _driver(self, name: str) -> type[Instrument]:
        if name not in self._drivers:
            raise StationError(
                f"there is no instrument {name!r}",
                file=self.file.source.name,
                remedy=near_miss(name, self._drivers),
            )
        return self._drivers[name]

    def _built(self, name: str) -> Instrument:
        driver = self._driver(name)
        entry = self.file.instruments[name]
        connect = self._connect_to(name)
        if self._gate is not None:
            connect = recording_connector(name, connect, self._gate)
        instrument = driver(name, entry.address, connect)
        instrument.link.line = entry.line(instrument.link.line)
        instrument.station_guard = self._guard
        return instrument

    def _owner(self, target: str) -> Endpoint:
        parsed = parse_target(target, with_property=True)
        return endpoint_of(self.instrument(parsed.instrument), parsed)

    def _present_value(self, target: str) -> object:
        """Return what a property is set to, for the guard; None if it cannot be read."""
        return None if self.declared(target).query is None else self.get(target)

    def _make_safe(self, step: SafeTarget, timeout_s: float) -> None:
        name = step.target.instrument
        link = self._closed_instrument(name).link
        make_safe(partial(self.instrument, name), link, step, timeout_s)

    def _give_up(self, target: str, thread: Thread) -> None:
        if self._gate is not None:
            self._gate.shut_out(thread, target.partition(".")[0])


def _close(instrument: Instrument) -> None:
    lock = instrument.link.lock
    if lock.acquire(timeout=_CLOSE_S):
        try:
            instrument.close()
        except StepHangsError:
            pass  # in the run it could not be closed
        finally:
            lock.release()
