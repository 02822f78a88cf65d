"""Statistics of series too long for the memory, fed in pieces.

Octave factors up to `EXACT` take every term, as `stability` does. Above, the phase is thinned
so that an averaging time keeps `EXACT` places at which a term begins: the terms themselves are
whole ones, with every phase sample in their means, but only one of m / `EXACT` is formed.
They are so strongly correlated that nothing is lost. What stays in memory does not
grow but with the logarithm of the series.

Statistics that go this way: those of sums over finite differences, whose terms need a bounded
stretch of phase. Not so `adev` and `hdev`, which take a few of the terms of `oadev` and `ohdev`
and gain nothing; `mtie`, which needs extremes of every window; and the total deviations and
Theo1, each of whose terms reaches over the whole record or is costly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.stability.estimate import Stability, chi_squared_limits
from protocols.stability.noise import identify_noise
from protocols.stability.series import Quantity, check_interval, runs, samples
from protocols.stability.statistic import Floats, Integers
from protocols.stability.table import STATISTICS

__all__ = ["EXACT", "STREAMED", "StreamedStability"]

EXACT = 4096
"""Largest averaging factor of which every term is taken."""

_SPANS = {"oadev": 2, "ohdev": 3, "mdev": 3, "tdev": 3, "tierms": 1}
STREAMED = tuple(_SPANS)
"""The statistics that can be streamed."""

_MEANS = ("mdev", "tdev")  # their terms are made of mean phases
_BATCH = 1 << 16  # phase samples worked on at a time
_SKETCH = 1 << 17  # phase samples kept for the identification of noise


class _Level:
    """One stage of thinning: the end of the record, and sums over what has gone by."""

    def __init__(self, names: Sequence[str], stride: int) -> None:
        self.stride = stride
        self.factors = [1 << k for k in range(EXACT.bit_length())] if stride == 1 else [EXACT]
        self.sums = {name: np.zeros(len(self.factors)) for name in names}
        self.counts = {name: np.zeros(len(self.factors), np.int64) for name in names}
        self.restart()

    def restart(self) -> None:
        """Begin a record of its own."""
        self.phase: Floats = np.zeros(0)
        self.means: Floats = np.zeros(0)
        self.fresh = 0
        self.pairs: tuple[Floats, Floats, Integers] = (
            np.zeros(0),
            np.zeros(0),
            np.zeros(0, np.int64),
        )

    def take(
        self, phase: Floats, totals: Floats, counts: Integers
    ) -> tuple[Floats, Floats, Integers]:
        """Take first phases, sums and numbers of samples of strides; return those of pairs."""
        self.phase = np.append(self.phase, phase)
        with np.errstate(invalid="ignore"):
            means = np.where(2 * counts >= self.stride, totals / np.maximum(counts, 1), np.nan)
        self.means = np.append(self.means, means)
        self.fresh += phase.size
        if self.fresh >= min(_BATCH, EXACT):
            self.work()
        phase, totals, counts = (
            np.append(kept, new)
            for kept, new in zip(self.pairs, (phase, totals, counts), strict=True)
        )
        whole = phase.size - phase.size % 2
        self.pairs = (phase[whole:], totals[whole:], counts[whole:])
        return (
            phase[:whole:2],
            totals[:whole:2] + totals[1:whole:2],
            counts[:whole:2] + counts[1:whole:2],
        )

    def work(self) -> None:
        """Form the terms that the fresh samples complete."""
        if self.fresh == 0:
            return
        for name, sums in self.sums.items():
            series = self.means if name in _MEANS else self.phase
            for k, factor in enumerate(self.factors):
                # As many samples before the fresh ones as a term reaches back.
                reach = _SPANS[name] * factor - (name in _MEANS)
                part = series[max(0, series.size - self.fresh - reach) :]
                chosen = np.array([factor], np.int64)
                if part.size > reach:
                    more, terms = STATISTICS[name].kernel(np.ascontiguousarray(part), chosen)
                    sums[k] += more[0]
                    self.counts[name][k] += terms[0]
        keep = 3 * self.factors[-1]
        self.phase = self.phase[-keep:].copy()
        self.means = self.means[-keep:].copy()
        self.fresh = 0


class _Sketch:
    """A record thinned to what fits, and its beginning, for the identification of noise."""

    def __init__(self) -> None:
        self.head: Floats = np.zeros(0)
        self.thinned: Floats = np.zeros(0)
        self.stride = 1
        self.seen = 0

    def take(self, phase: Floats) -> None:
        if self.head.size < _SKETCH:
            self.head = np.append(self.head, phase[: _SKETCH - self.head.size])
        self.thinned = np.append(self.thinned, phase[-self.seen % self.stride :: self.stride])
        self.seen += phase.size
        while self.thinned.size > _SKETCH:
            self.thinned = self.thinned[::2].copy()
            self.stride *= 2

    def identify(self, factors: Integers, differences: int) -> Floats:
        fine = factors < self.stride
        below = identify_noise(self.head, factors[fine], differences=differences)
        above = identify_noise(self.thinned, factors[~fine] // self.stride, differences=differences)
        alpha: Floats = np.concatenate([below, above])
        return alpha


class StreamedStability:
    """Accumulate statistics over octaves while a series comes in.

    Gaps are treated as `stability` does: missing phase is left out of the terms that need it,
    a gap in frequency ends the record. Beyond `EXACT`, a mean phase counts when half of its
    samples are there. Noise is identified in the longest record, where a factor has many
    samples in the first 131 072 of them alone.

    Parameters
    ----------
    tau0_s : float
        The sampling interval in seconds, above 0.
    statistics : sequence of str
        Of `STREAMED`.
    input : {"phase", "frequency"}
        What is fed. Of frequency the mean of the first piece is taken off, since that of the
        whole is not known; therefore `tierms`, which a frequency offset changes, is of phase
        only.

    Raises
    ------
    ParameterError
        An argument is out of its range.
    """

    def __init__(
        self,
        tau0_s: float,
        statistics: Sequence[str] = ("oadev", "mdev"),
        input: Quantity = "phase",  # noqa: A002  what every program of the field calls it
    ) -> None:
        check_interval(tau0_s)
        unknown = [name for name in statistics if name not in _SPANS]
        if unknown or not statistics:
            raise ParameterError(f"streamed are {', '.join(STREAMED)}, not {', '.join(unknown)}")
        if input == "frequency" and "tierms" in statistics:
            raise ParameterError("tierms of frequency needs the mean of the whole series")
        self._tau0_s = tau0_s
        self._names = tuple(statistics)
        self._quantity: Quantity = input
        samples([], None, input)
        self._levels = [_Level(self._names, 1)]
        self._frequency: float | None = None
        self._phase = 0.0
        self._running = False
        self._sketch = _Sketch()
        self._longest = self._sketch

    def feed(self, x: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> None:
        """Take the next piece of the series, of any length.

        Parameters
        ----------
        x, mask
            As `stability` takes them.

        Raises
        ------
        ParameterError
            `x` is not one series of numbers, or `mask` has another length.
        """
        series, there = samples(x, mask, self._quantity)
        if self._quantity == "phase":
            self._take(np.where(there, series, np.nan))
            return
        if self._frequency is None and there.any():
            self._frequency = float(series[there].mean())
        end = 0
        for start, stop in runs(there):
            if start > end or not self._running:
                self._restart()
            piece = np.cumsum(series[start:stop] - (self._frequency or 0.0))
            piece = self._phase + piece * self._tau0_s
            self._phase = float(piece[-1])
            self._take(piece)
            end = stop
        if end < series.size:
            self._running = False

    def _restart(self) -> None:
        for level in self._levels:
            level.work()
            level.restart()
        if self._sketch.seen > self._longest.seen:
            self._longest = self._sketch
        self._sketch = _Sketch() if self._sketch.seen else self._sketch
        if self._longest.seen == 0:
            self._longest = self._sketch
        self._phase = 0.0
        self._running = True
        self._take(np.zeros(1))

    def _take(self, phase: Floats) -> None:
        for start in range(0, phase.size, _BATCH):
            piece = phase[start : start + _BATCH]
            self._sketch.take(piece)
            there = ~np.isnan(piece)
            thinned = (piece, np.where(there, piece, 0.0), there.astype(np.int64))
            for k in range(64):
                if k == len(self._levels):
                    self._levels.append(_Level(self._names, 1 << k))
                thinned = self._levels[k].take(*thinned)
                if thinned[0].size == 0:
                    break

    def results(self, confidence: float = 0.683) -> dict[str, Stability]:
        """Return each statistic of what was fed so far; more may be fed afterwards.

        Parameters
        ----------
        confidence : float
            As `stability` takes it.

        Returns
        -------
        dict of str to Stability
            `n` is the number of terms formed; the degrees of freedom are those of all terms.

        Raises
        ------
        ParameterError
            `confidence` is out of its range.
        """
        for level in self._levels:
            level.work()
        longest = max(self._longest, self._sketch, key=lambda sketch: sketch.seen)
        return {name: self._result(name, longest, confidence) for name in self._names}

    def _result(self, name: str, sketch: _Sketch, confidence: float) -> Stability:
        statistic = STATISTICS[name]
        factors = []
        variance = []
        counts = []
        strides = []
        for level in self._levels:
            scale = float(level.stride) ** 2 if statistic.dimension == "frequency" else 1.0
            for k, factor in enumerate(level.factors):
                if level.counts[name][k] > 0:
                    factors.append(factor * level.stride)
                    variance.append(level.sums[name][k] / level.counts[name][k] / scale)
                    counts.append(level.counts[name][k])
                    strides.append(level.stride)
        m = np.array(factors, np.int64)
        n = np.array(counts, np.int64)
        alpha = sketch.identify(m, statistic.differences)
        dev = np.sqrt(np.array(variance, np.float64))
        if statistic.dimension == "frequency":
            dev /= self._tau0_s
        every = n * np.array(strides, np.int64)
        edf = np.full(m.size, np.nan)
        if statistic.edf is not None:
            edf = statistic.edf(alpha, m, every)
        lo, hi = chi_squared_limits(dev, edf, confidence)
        tau: Floats = self._tau0_s * m.astype(np.float64)
        return Stability(name, tau, dev, lo, hi, alpha, n, edf)
