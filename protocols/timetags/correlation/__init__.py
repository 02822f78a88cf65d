"""Correlating sorted time tags: lags, coincidences, dead times and afterpulses."""
