"""BB84 on the default plant without the wire: the roles act on its terminals directly.

The experiment's own code runs; devices, drivers, journal and file are left out, so
hundreds of seeds take minutes. Uploads and the locking of the bias pass the time that
they take on the bench, so that the link drifts as far.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np

from drivers.roles import StampBlock
from drivers.simulated.plant.link import LinkPlant
from drivers.simulated.plant.parameters import LinkParameters
from drivers.simulated.terminals import Waveform
from drivers.simulated.time import VirtualTime
from protocols.bb84.distillation import Distillation
from qlab.context import AbortFlag, RunContext, SeededEntropy, SilentProgress, Tap
from qlab.experiments.bb84.experiment import Bb84
from qlab.station import load_station

_UPLOAD_BYTES_PER_S = 5e6
_BIAS_LOCK_S = 2.0
_TICK_PS = 2000
_FULL_SCALE = 32767
_BREAKDOWN_V = 60.0
_TRIGGER_NS = 6_000_000


class _Laser:
    power_dbm = 0.0
    wavelength_m = 0.0

    def __init__(self, plant: LinkPlant, time: VirtualTime) -> None:
        self._plant, self._time = plant, time

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name == "output":
            power_w = 1e-3 * 10 ** (self.power_dbm / 10) if value else 0.0
            self._plant.laser.emit(self._time.now_ns(), power_w, self.wavelength_m)


class _Attenuator:
    settled = True

    def __init__(self, terminal: Any, time: VirtualTime) -> None:
        self._terminal, self._time = terminal, time

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name == "attenuation_db":
            self._terminal.set(self._time.now_ns(), value)


class _Bias:
    path = "bias"

    def __init__(self, plant: LinkPlant, time: VirtualTime) -> None:
        self._plant, self._time, self._stable_ns = plant, time, 0

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name == "mode":
            now = self._time.now_ns()
            self._plant.bias.lock(now, value)
            self._stable_ns = now + round(_BIAS_LOCK_S * 1e9)

    @property
    def stable(self) -> bool:
        return self._time.now_ns() >= self._stable_ns


class _Monitor:
    wavelength_m = 0.0

    def __init__(self, plant: LinkPlant, time: VirtualTime) -> None:
        self._plant, self._time = plant, time

    @property
    def power_w(self) -> float:
        return self._plant.monitor.power_w(self._time.now_ns(), 1.0 / 3000.0)


class _Detector:
    path = "detector"

    def __init__(self, terminal: Any, time: VirtualTime) -> None:
        self._terminal, self._time = terminal, time

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name == "bias_v":
            self._terminal.bias(self._time.now_ns(), value - _BREAKDOWN_V)
        if name == "temperature_c":
            self._terminal.temperature(self._time.now_ns(), value)


class _Output:
    """One channel of a generator: armed by `play_once_on`, played by a trigger."""

    def __init__(self, electrode: Any, time: VirtualTime) -> None:
        self.electrode, self._time = electrode, time
        self.source = ""
        self.trigger_delay_s = 0.0

    def load(self, name: str, codes: np.ndarray) -> None:
        self.codes = codes
        upload_s = codes.nbytes / _UPLOAD_BYTES_PER_S
        self._time.wait_until(self._time.now_ns() + round(upload_s * 1e9))
        volts = int(codes[0]) * self.volts_per_code + self.offset_v
        self.electrode.hold(self._time.now_ns(), volts)

    def play_once_on(self, source: str) -> None:
        self.source = source

    @property
    def volts_per_code(self) -> float:
        return self.amplitude_vpp / 2 / _FULL_SCALE

    def start(self, t_ns: int) -> None:
        self.electrode.play(
            t_ns + round(self.trigger_delay_s * 1e9),
            Waveform(self.codes, self.volts_per_code, self.offset_v, self.sample_rate_hz, 1),
        )


class _Tagger:
    tick_s = Fraction(_TICK_PS, 10**12)

    def __init__(self, plant: LinkPlant, time: VirtualTime) -> None:
        self._plant, self._time = plant, time

    def start(self, duration_s: float) -> None:
        self._start_ns = self._time.now_ns()
        self._end_ns = self._start_ns + round(duration_s * 1e9)
        self._plant.tags.listen(self._start_ns, 4)
        self._time.wait_until(self._start_ns + _TRIGGER_NS)

    def collect(self, clock: Any) -> Iterator[StampBlock]:
        times, lines = self._plant.tags.edges(self._end_ns)
        self._plant.tags.listen(self._end_ns, 0)
        self._time.wait_until(self._end_ns)
        yield StampBlock((times - self._start_ns * 1000) // _TICK_PS, lines)


class _Station:
    """Gives the plant's roles."""

    simulated = True

    def __init__(self, plant: LinkPlant, time: VirtualTime) -> None:
        self.outputs = {
            "intensity": _Output(plant.intensity, time),
            "phase_alice": _Output(plant.phase_alice, time),
            "phase_bob": _Output(plant.phase_bob, time),
        }
        alice = [self.outputs["intensity"], self.outputs["phase_alice"]]
        bob = self.outputs["phase_bob"]

        def trigger() -> None:
            now = time.now_ns()
            for output in alice:
                output.start(now)
            plant.marker.edge(now)

        plant.on_marker_at_bob(bob.start)
        self._roles: dict[str, Any] = {
            **self.outputs,
            "laser": _Laser(plant, time),
            "attenuators": [_Attenuator(each, time) for each in plant.attenuators],
            "bias": _Bias(plant, time),
            "monitor": _Monitor(plant, time),
            "detectors": [_Detector(each, time) for each in plant.detectors],
            "generator_alice": SimpleNamespace(trigger=trigger, memory_samples=1 << 22, path="g"),
            "tagger": _Tagger(plant, time),
            "reference": SimpleNamespace(locked=True, path="reference"),
            "counter": SimpleNamespace(frequency_hz=lambda channel: 10e6, path="counter"),
        }

    def role(self, name: str) -> Any:
        return self._roles[name]

    def to_safe_state(self) -> list[Any]:
        return []


class _Clock:
    def __init__(self, time: VirtualTime) -> None:
        self._time = time

    def now_ns(self) -> int:
        return self._time.now_ns()

    def sleep(self, seconds: float) -> None:
        self._time.wait_until(self._time.now_ns() + round(seconds * 1e9))


class _Nowhere:
    def append(self, name: str, values: Any) -> None:
        pass

    def deposit(self, key: Any, facts: Any, refill_bits: int = 0) -> None:
        pass


class Wireless:
    """A plant and a run context over it; `run` gives the experiment's results."""

    def __init__(self, seed: int, parameters: LinkParameters | None = None, **options: Any) -> None:
        self.time = VirtualTime()
        self.plant = LinkPlant(parameters or LinkParameters(), seed, self.time)
        self.experiment = Bb84(load_station(), {})
        self.experiment.options = dataclasses.replace(self.experiment.options, **options)
        tap = Tap(AbortFlag())
        nowhere = _Nowhere()
        self.context = RunContext(
            station=_Station(self.plant, self.time),  # type: ignore[arg-type]  # the roles of one
            clock=_Clock(self.time),
            entropy=SeededEntropy(seed, tap),
            recorder=tap,
            data=nowhere,
            keys=nowhere,
            progress=SilentProgress(),
        )

    def run(self) -> dict[str, Any]:
        """Run and return the results; `distillation` is then the parties' account."""
        account = self.experiment._account

        def keep(found: Distillation, *more: Any) -> dict[str, Any]:
            self.distillation = found
            return account(found, *more)

        self.experiment._account = keep  # type: ignore[method-assign]  # to see what is not reported
        return self.experiment.run(self.context)
