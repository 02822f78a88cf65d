"""S-Fifteen single-photon detector: an avalanche diode, its bias and its cooler.

Commands after pyS15, ``S15lib/instruments/single_photon_detector.py``; errors
are not reported. The diode's figures are assumed: its temperature follows with
one time constant, its breakdown rises by 0.1 V/K, so a warm diode is blind
until it is cold enough for the bias that is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import TYPE_CHECKING, Any, ClassVar

from drivers.simulated.device import Later, SerialLine, Setting
from drivers.simulated.line import LineDevice, line
from drivers.simulated.time import BenchTime

if TYPE_CHECKING:
    from drivers.simulated.terminals import Detector

__all__ = ["SFifteenSPDDevice"]

_NUMBER = r"([+-]?\d+(?:\.\d*)?)"
#: The way to another temperature is told to the plant in so many steps of a tenth
#: of the time constant.
_STEPS = 80
_CONSTANTS = ("THRESHVOLT", "CONSTP", "CONSTI", "PVOLT", "DELAY")


class SFifteenSPDDevice(LineDevice):
    """A detector's control box.

    Terminals
    ---------
    diode : Detector
        The avalanche diode.

    Settings
    --------
    identity : str
        What ``*idn?`` answers.
    cold : bool
        Whether the diode is cold from the start.
    bias_v, set_temperature_c : float
        What is set from the start.
    breakdown_v, breakdown_v_per_k, rated_temperature_c : float
        Breakdown voltage at the rated temperature, and how it rises.
    cooling_s : float
        Time constant of the temperature.
    ambient_c : float
        Temperature without cooling.
    """

    connectors = ("serial",)
    #: A USB virtual port.
    serial = SerialLine(baud=0, any_baud=True, reply_end=b"\r\n")
    line_ends = b";\r\n"
    terminal_names = ("diode",)
    default_settings: ClassVar[Mapping[str, Setting]] = {
        "identity": "S-Fifteen Instruments SPD, simulated",
        "cold": True,
        "bias_v": 63.0,
        "set_temperature_c": -90.0,
        "breakdown_v": 60.0,
        "breakdown_v_per_k": 0.1,
        "rated_temperature_c": -90.0,
        "cooling_s": 60.0,
        "ambient_c": 22.0,
    }

    def __init__(
        self, name: str, time: BenchTime, terminals: Mapping[str, Any], **settings: Any
    ) -> None:
        super().__init__(name, time, terminals, **settings)
        self._bias_v = float(self.settings["bias_v"])
        self._wanted_c = float(self.settings["set_temperature_c"])
        self._loop = True
        self._count_ms = 1000.0
        self._constants = dict.fromkeys(_CONSTANTS, 0.0)
        self._from_ns = self.t_ns
        self._from_c = (
            self._goal_c() if self.settings["cold"] else float(self.settings["ambient_c"])
        )
        self._tell()

    @line(r"\*IDN\?")
    def identity(self) -> str:
        """Answer the identity."""
        return str(self.settings["identity"])

    @line(rf"HVOLT\s*{_NUMBER}")
    def set_bias(self, volts: str) -> None:
        """Set the bias."""
        if float(volts) >= 0:
            self._bias_v = float(volts)
            self._tell()

    @line(r"HVOLT\?")
    def bias(self) -> str:
        """Answer the bias."""
        return f"{self._bias_v:.2f}"

    @line(rf"SETTEMP\s*{_NUMBER}")
    def set_temperature(self, celsius: str) -> None:
        """Set the temperature to reach."""
        self._turn()
        self._wanted_c = float(celsius)
        self._tell()

    @line(r"SETTEMP\?")
    def temperature_wanted(self) -> str:
        """Answer the temperature to reach."""
        return f"{self._wanted_c:.2f}"

    @line(r"TEMP\?")
    def temperature(self) -> str:
        """Answer the diode's temperature."""
        return f"{self._celsius(self.t_ns):.2f}"

    @line(r"LOOP\s*([01])")
    def set_loop(self, on: str) -> None:
        """Switch the temperature control."""
        self._turn()
        self._loop = on == "1"
        self._tell()

    @line(r"LOOP\?")
    def loop(self) -> str:
        """Answer whether the temperature is controlled."""
        return str(int(self._loop))

    @line(rf"({'|'.join(_CONSTANTS)})\s*{_NUMBER}")
    def set_constant(self, which: str, value: str) -> None:
        """Set what has no effect on the model."""
        self._constants[which.upper()] = float(value)

    @line(rf"({'|'.join(_CONSTANTS)})\?")
    def constant(self, which: str) -> str:
        """Answer what has no effect on the model."""
        return f"{self._constants[which.upper()]:.12g}"

    @line(rf"TIME\s*{_NUMBER}")
    def set_time(self, milliseconds: str) -> None:
        """Set the counting time."""
        if float(milliseconds) > 0:
            self._count_ms = float(milliseconds)

    @line(r"TIME\?")
    def time_set(self) -> str:
        """Answer the counting time in ms."""
        return f"{self._count_ms:g}"

    @line(r"COUNTS\?")
    def counts(self) -> Later:
        """Count for the counting time, then answer."""
        end_ns = self.t_ns + round(self._count_ms * 1e6)
        return Later(end_ns, lambda: self._counted(end_ns))

    def _counted(self, end_ns: int) -> bytes:
        diode: Detector | None = self.terminals.get("diode")
        clicks = 0 if diode is None else diode.count(end_ns, self._count_ms * 1e-3)
        return f"{clicks}".encode("ascii") + self.serial.reply_end

    # ---- what the diode does -----------------------------------------------------

    def _goal_c(self) -> float:
        return self._wanted_c if self._loop else float(self.settings["ambient_c"])

    def _celsius(self, t_ns: int) -> float:
        lag = exp(-max(t_ns - self._from_ns, 0) * 1e-9 / self.settings["cooling_s"])
        return self._goal_c() + (self._from_c - self._goal_c()) * lag

    def _turn(self) -> None:
        """Start from the present temperature, before the goal changes."""
        self._from_c, self._from_ns = self._celsius(self.t_ns), self.t_ns

    def _tell(self) -> None:
        """Tell the diode its temperature and overvoltage, now and on the way to the goal."""
        diode: Detector | None = self.terminals.get("diode")
        if diode is None:
            return
        moving = abs(self._celsius(self.t_ns) - self._goal_c()) > 0.01
        step_ns = round(self.settings["cooling_s"] * 1e8)
        for t_ns in range(self.t_ns, self.t_ns + (_STEPS * step_ns if moving else 1), step_ns):
            celsius = self._celsius(t_ns)
            above_k = celsius - self.settings["rated_temperature_c"]
            breakdown_v = (
                self.settings["breakdown_v"] + self.settings["breakdown_v_per_k"] * above_k
            )
            diode.temperature(t_ns, celsius)
            diode.bias(t_ns, self._bias_v - breakdown_v)
