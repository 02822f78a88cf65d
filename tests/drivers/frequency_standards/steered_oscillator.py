"""An oscillator, its pulses and a room for the tests of frequency standards."""

from __future__ import annotations


class Steered:
    """An oscillator with a constant offset that can be pulled."""

    def __init__(self, offset=0.0, phase_s=0.0):
        self.pieces = [(0, offset, phase_s)]
        self.offset = offset

    def nominal_hz(self):
        return 10e6

    def phase_s(self, t_ns):
        since, y, x = next(piece for piece in reversed(self.pieces) if piece[0] <= t_ns)
        return x + y * (t_ns - since) * 1e-9

    def frequency(self, t_ns):
        return next(y for since, y, _ in reversed(self.pieces) if since <= t_ns)

    def steer(self, t_ns, fractional):
        self.pieces.append((t_ns, self.offset + fractional, self.phase_s(t_ns)))


class Warming:
    """A room that begins at 23 degrees Celsius and warms by a kelvin each hour."""

    def celsius(self, t_ns):
        return 23.0 + t_ns / 3600e9


class Pulses:
    """The pulses of a clock, some time later than its seconds."""

    def __init__(self, late_s=0.0):
        self.late = late_s

    def late_s(self, t_ns):
        return self.late

    def place(self, t_ns, late_s):
        self.late = late_s
