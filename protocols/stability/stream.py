"""Statistics of series too long for the memory, fed in pieces.

Octave factors up to `EXACT` take every term, as `stability` does. Above, the phase is thinned
so that an averaging time keeps `EXACT` places at which a term begins: the terms themselves are
whole ones, with every phase sample in their means and extremes, but only one of m / `EXACT` is
formed. They are so strongly correlated that nothing is lost. What stays in memory grows with
the logarithm of the series only.

Not streamed are `adev` and `hdev`, which take a few of the terms of `oadev` and `ohdev` and gain
nothing by it; `pdev`; and the total deviations and Theo1, whose terms reach over whole records.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from protocols.errors import ParameterError
from protocols.stability.estimate import Stability, chi_squared_limits
from protocols.stability.extremes import StreamedExtremes
from protocols.stability.series import Quantity, check_interval, runs, samples
from protocols.stability.sketch import Sketch
from protocols.stability.statistic import Floats, Integers
from protocols.stability.table import STATISTICS

__all__ = ["EXACT", "STREAMED", "StreamedStability"]

EXACT = 4096
"""Largest averaging factor of which every term is taken."""

_SPANS = {"oadev": 2, "ohdev": 3, "mdev": 3, "tdev": 3, "tierms": 1}
STREAMED = (*_SPANS, "mtie")
"""The statistics that can be streamed."""

_WANDER = ("tierms", "mtie")  # a frequency offset changes them
_MEANS = ("mdev", "tdev")  # their terms are made of mean phases
_BATCH = 1 << 16  # phase samples worked on at a time


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
        whole is not known; therefore `tierms` and `mtie`, which a frequency offset changes, are
        of phase only.

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
        unknown = [name for name in statistics if name not in STREAMED]
        if unknown or not statistics:
            raise ParameterError(f"streamed are {', '.join(STREAMED)}, not {', '.join(unknown)}")
        if input == "frequency" and not set(_WANDER).isdisjoint(statistics):
            raise ParameterError("mtie and tierms of frequency need the mean of the whole series")
        self._tau0_s = tau0_s
        self._names = tuple(statistics)
        self._quantity: Quantity = input
        samples([], None, input)
        self._summed = tuple(name for name in statistics if name in _SPANS)
        self._levels = [_Level(self._summed, 1)]
        self._extremes = StreamedExtremes(EXACT) if "mtie" in statistics else None
        self._frequency: float | None = None
        self._phase = 0.0
        self._open = False
        self._sketch = Sketch()
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
        for start, stop in runs(there):
            if start > 0:
                self._close()
            piece = np.cumsum(series[start:stop] - (self._frequency or 0.0)) * self._tau0_s
            if not self._open and stop < series.size and stop - start < EXACT:
                self._take_short(np.append(0.0, piece))
                continue
            if not self._open:
                self._open = True
                self._take(np.zeros(1))
            piece += self._phase
            self._phase = float(piece[-1])
            self._take(piece)
        if there.size and not there[-1]:
            self._close()

    def _close(self) -> None:
        """End the record that is being fed."""
        if not self._open:
            return
        for level in self._levels:
            level.work()
            level.restart()
        self._longest = max(self._longest, self._sketch, key=lambda sketch: sketch.seen)
        self._sketch = Sketch()
        self._phase = 0.0
        self._open = False

    def _take_short(self, phase: Floats) -> None:
        """Take a whole record that is too short for any thinning."""
        level = self._levels[0]
        factors = np.array(level.factors, np.int64)
        for name in self._summed:
            statistic = STATISTICS[name]
            usable = factors[: np.searchsorted(factors, statistic.largest(phase.size), "right")]
            sums, counts = statistic.kernel(phase, usable)
            level.sums[name][: usable.size] += sums
            level.counts[name][: usable.size] += counts
        if phase.size > self._longest.seen:
            self._longest = Sketch()
            self._longest.take(phase)

    def _take(self, phase: Floats) -> None:
        for start in range(0, phase.size, _BATCH):
            piece = phase[start : start + _BATCH]
            self._sketch.take(piece)
            if self._extremes is not None:
                self._extremes.take(piece)
            there = ~np.isnan(piece)
            thinned = (piece, np.where(there, piece, 0.0), there.astype(np.int64))
            k = 0
            while thinned[0].size:
                if k == len(self._levels):
                    self._levels.append(_Level(self._summed, 1 << k))
                thinned = self._levels[k].take(*thinned)
                k += 1

    def results(self, confidence: float = 0.683) -> dict[str, Stability]:
        """Return each statistic of what was fed so far; more may be fed afterwards.

        Parameters
        ----------
        confidence : float
            As `stability` takes it.

        Returns
        -------
        dict of str to Stability
            `n` is the number of terms formed, of `mtie` of windows that hold a sample; the
            degrees of freedom are those of all terms.

        Raises
        ------
        ParameterError
            `confidence` is out of its range.
        """
        for level in self._levels:
            level.work()
        longest = max(self._longest, self._sketch, key=lambda sketch: sketch.seen)
        return {name: self._result(name, longest, confidence) for name in self._names}

    def _result(self, name: str, sketch: Sketch, confidence: float) -> Stability:
        statistic = STATISTICS[name]
        if name == "mtie":
            assert self._extremes is not None
            m, dev, n = self._extremes.results()
            every = n
        else:
            m, dev, n, every = self._roots(name)
        if statistic.dimension == "frequency":
            dev = dev / self._tau0_s
        alpha = sketch.identify(m, statistic.differences)
        edf = np.full(m.size, np.nan)
        if statistic.edf is not None:
            edf = statistic.edf(alpha, m, every)
        lo, hi = chi_squared_limits(dev, edf, confidence)
        tau: Floats = self._tau0_s * m.astype(np.float64)
        return Stability(name, tau, dev, lo, hi, alpha, n, edf)

    def _roots(self, name: str) -> tuple[Integers, Floats, Integers, Integers]:
        """Return factors, deviations at an interval of 1, and terms: formed, and there are."""
        m = np.concatenate([np.array(level.factors) * level.stride for level in self._levels])
        sums = np.concatenate([level.sums[name] for level in self._levels])
        n = np.concatenate([level.counts[name] for level in self._levels])
        stride = np.concatenate([np.full(len(one.factors), one.stride) for one in self._levels])
        there = n > 0
        m, n, stride = m[there], n[there], stride[there]
        dev = np.sqrt(sums[there] / n)
        if STATISTICS[name].dimension == "frequency":
            dev /= stride
        return m, dev, n, n * stride
