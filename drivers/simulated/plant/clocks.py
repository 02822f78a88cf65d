"""The plant of a clock bench: one reference, fibres, and a clock at every site."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from drivers.simulated.plant.clock_fibre import ClockFibre, ClockFibreParameters
from drivers.simulated.plant.clock_panel import Panel
from drivers.simulated.plant.figures import OscillatorParameters
from drivers.simulated.plant.oscillators import NoisyOscillator
from drivers.simulated.plant.signals import ArrivingSignal, Fault, Pulses, Signal, with_faults
from drivers.simulated.plant.temperatures import Temperature, TemperatureParameters
from drivers.simulated.time import BenchTime

__all__ = ["ClockParameters", "ClockPlant", "ClockTruth", "Site", "SiteParameters"]

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteParameters:
    """One site with a clock of its own.

    Attributes
    ----------
    local : OscillatorParameters
        Its clock.
    pulses_late_s : float
        How late the clock's seconds pulses come, before they are placed.
    fibre : ClockFibreParameters
        The fibre over which the reference comes.
    temperature : TemperatureParameters
        Where the clock stands.
    trigger_delays_s, far_trigger_delays_s, direct_trigger_delays_s : pair of float
        From connector to trigger, at inputs 1 and 2 of the counters behind `panel`,
        `far_panel` and `direct_panel`.
    """

    local: OscillatorParameters = field(default=OscillatorParameters.preset("fs725"))
    pulses_late_s: float = 0.0
    fibre: ClockFibreParameters = field(default=ClockFibreParameters())
    temperature: TemperatureParameters = field(
        default=TemperatureParameters(daily_k=0.5, wander_k=0.2, wander_s=20_000.0)
    )
    trigger_delays_s: tuple[float, float] = (0.0, 0.0)
    far_trigger_delays_s: tuple[float, float] = (0.0, 0.0)
    direct_trigger_delays_s: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockParameters:
    """A clock bench.

    Attributes
    ----------
    reference : OscillatorParameters
        The standard that is distributed.
    reference_temperature : TemperatureParameters
        Where it stands.
    sites : tuple of SiteParameters
        The sites.
    faults : tuple of Fault
        What goes wrong with the reference or on a fibre, and when.
    """

    reference: OscillatorParameters = field(default=OscillatorParameters.preset("5071a-hp"))
    reference_temperature: TemperatureParameters = field(default=TemperatureParameters())
    sites: tuple[SiteParameters, ...] = field(default=(SiteParameters(),))
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if not self.sites:
            raise ValueError("there is at least one site")
        for fault in self.faults:
            if fault.site is not None and not 0 <= fault.site < len(self.sites):
                raise ValueError(f"a fault names site {fault.site}, which does not exist")


@dataclass(frozen=True, slots=True, eq=False)
class ClockTruth:
    """What no instrument knows, at each of many times.

    Attributes
    ----------
    times_ns : int64 array
        Bench times.
    local_s, free_s : float64 array
        Time error of a site's clock, and what it would be had nobody steered it.
    delivered_s : float64 array
        Time error of the reference as it arrives, corrected for the fibre's delay at
        time 0; nan while there is none.
    reference_s : float64 array
        Time error of the reference itself.
    healthy : bool array
        Whether the reference arrives and does not drift off.
    temperature_c : float64 array
        At the site's clock.
    """

    times_ns: NDArray[np.int64]
    local_s: _Array
    free_s: _Array
    delivered_s: _Array
    reference_s: _Array
    healthy: NDArray[np.bool_]
    temperature_c: _Array


class Site:
    """The terminals at one site, and its signals' way back.

    Attributes
    ----------
    local : NoisyOscillator
        The site's clock, which can be steered.
    pps : Pulses
        Its seconds pulses, which can be placed.
    delivered, delivered_pps : Signal
        The reference and its pulses as they arrive here.
    returned, returned_pps : Signal
        The site's clock and its pulses as they arrive at the reference.
    temperature : Temperature
        Of the room.
    fibre : ClockFibre
        The way.
    panel, far_panel, direct_panel : Panel
        Inputs of a counter here (local and delivered pulses), of one at the reference (its
        pulses and those returned), and of one with short leads to both clocks' pulses.
    """

    def __init__(
        self,
        parameters: SiteParameters,
        seed: tuple[int, ...],
        reference: Signal,
        reference_pps: Pulses,
        faults: tuple[Fault, ...],
    ) -> None:
        p = parameters
        self.temperature = Temperature(p.temperature, (*seed, 1))
        self.local = NoisyOscillator(p.local, (*seed, 2), self.temperature)
        self.fibre = ClockFibre(p.fibre, (*seed, 3))
        self.pps = Pulses(self.local, p.pulses_late_s)
        there, back = self.fibre.way(back=False), self.fibre.way(back=True)
        self.delivered = with_faults(ArrivingSignal(reference, there), faults)
        self.delivered_pps = with_faults(ArrivingSignal(reference_pps, there), faults)
        self.returned = with_faults(ArrivingSignal(self.local, back), faults)
        self.returned_pps = with_faults(ArrivingSignal(self.pps, back), faults)
        self.panel = Panel(self.pps, self.delivered_pps, p.trigger_delays_s)
        self.far_panel = Panel(reference_pps, self.returned_pps, p.far_trigger_delays_s)
        self.direct_panel = Panel(self.pps, reference_pps, p.direct_trigger_delays_s)


class ClockPlant:
    """A distributed reference and the sites that receive it.

    Its attributes are the terminals that devices are built with: ``reference`` and
    ``reference_pps``, ``sites.0.local``, ``sites.0.pps`` and the others of `Site`.
    A signal that is absent has the phase nan.

    Parameters
    ----------
    parameters : ClockParameters
        Its figures.
    seed : int
        Seed of everything random in it, not negative.
    time : BenchTime, optional
        The bench's clock, which this plant does not need.

    Attributes
    ----------
    reference : Signal
        The distributed standard, 10 MHz; steerable.
    reference_pps : Pulses
        Its seconds pulses.
    sites : list of Site
        What is at each site.
    """

    def __init__(
        self, parameters: ClockParameters, seed: int, time: BenchTime | None = None
    ) -> None:
        self.parameters = parameters
        hall = Temperature(parameters.reference_temperature, (seed, 30))
        oscillator = NoisyOscillator(parameters.reference, (seed, 31), hall)
        self.reference = with_faults(oscillator, _faults_of(parameters, None))
        self.reference_pps = Pulses(self.reference)
        self.sites = [
            Site(
                site,
                (seed, 32, number),
                self.reference,
                self.reference_pps,
                _faults_of(parameters, number),
            )
            for number, site in enumerate(parameters.sites)
        ]

    def truth(self, times_ns: NDArray[np.int64], site: int = 0) -> ClockTruth:
        """Return what is really the case at a site at many times."""
        here = self.sites[site]
        healthy = np.ones(times_ns.size, dtype=np.bool_)
        for fault in self.parameters.faults:
            if fault.site in (None, site):
                healthy &= ~fault.lasts_at(times_ns)
        return ClockTruth(
            times_ns,
            here.local.phase_at(times_ns),
            here.local.free_phase_at(times_ns),
            here.delivered.phase_at(times_ns) + here.fibre.forward_s,
            self.reference.phase_at(times_ns),
            healthy,
            here.temperature.celsius_at(times_ns),
        )


def _faults_of(parameters: ClockParameters, site: int | None) -> tuple[Fault, ...]:
    return tuple(fault for fault in parameters.faults if fault.site == site)
