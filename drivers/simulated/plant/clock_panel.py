"""The two inputs of a counter, and the leads that somebody plugs into them."""

from __future__ import annotations

from drivers.simulated.plant.signals import Signal

__all__ = ["Panel"]

#: By how much the second of two leads from a splitter is the longer: four metres of coax.
_LONGER_S = 20e-9


class _Input:
    """What a counter's trigger sees of the lead that is plugged into its input.

    `panel` is where that input is.
    """

    def __init__(self, panel: Panel, signal: Signal, trigger_s: float) -> None:
        self.panel = panel
        self._trigger_s = trigger_s
        self.plug(signal, 0.0)

    def plug(self, signal: Signal, lead_s: float) -> None:
        """Plug a lead with this delay in."""
        self._signal = signal
        self._delay_s = self._trigger_s + lead_s
        self._delay_ns = round(self._delay_s * 1e9)

    def nominal_hz(self) -> float:
        """Return the nominal frequency."""
        return self._signal.nominal_hz()

    def phase_s(self, t_ns: int) -> float:
        """Return the time error at the trigger."""
        return self._signal.phase_s(t_ns - self._delay_ns) - self._delay_s


class Panel:
    """A counter's front panel. What is done to it is done at once, and by hand.

    Parameters
    ----------
    first, second : Signal
        What the leads to inputs 1 and 2 carry.
    trigger_delays_s : pair of float
        From each connector to its trigger.

    Attributes
    ----------
    input1, input2 : Signal
        What the triggers see.
    """

    def __init__(
        self, first: Signal, second: Signal, trigger_delays_s: tuple[float, float]
    ) -> None:
        self._usual = ((first, 0.0), (second, 0.0))
        self._leads = self._usual
        self.input1 = _Input(self, first, trigger_delays_s[0])
        self.input2 = _Input(self, second, trigger_delays_s[1])

    def split(self) -> None:
        """Lead the first signal to both inputs, by a splitter; the lead to input 2 is longer."""
        signal, _ = self._usual[0]
        self._plug(((signal, 0.0), (signal, _LONGER_S)))

    def swap(self) -> None:
        """Swap the two leads at the inputs."""
        self._plug((self._leads[1], self._leads[0]))

    def restore(self) -> None:
        """Plug the usual leads in."""
        self._plug(self._usual)

    def _plug(self, leads: tuple[tuple[Signal, float], tuple[Signal, float]]) -> None:
        self._leads = leads
        self.input1.plug(*leads[0])
        self.input2.plug(*leads[1])
