"""What `qlab run tags` can be told: the table ``[tags]`` of a station file."""

from __future__ import annotations

from dataclasses import dataclass

from qlab.station.tables import setting

__all__ = ["TagsOptions"]


@dataclass(frozen=True, kw_only=True)
class TagsOptions:
    """How long tags are recorded, and what is told of them on the way."""

    duration_s: float = setting(
        0.0, doc="Length of the run; 0: until Ctrl-C.", unit="s", low=0.0, high=1e6
    )
    coincidences: tuple[tuple[int, ...], ...] = setting(
        (), doc="Pairs of lines of the first tagger whose coincidences are counted.", low=1, high=64
    )
    coincidence_window_s: float = setting(
        1e-9,
        doc="Greatest time between the two tags of a coincidence, either way.",
        unit="s",
        low=0.0,
        high=1e-6,
    )
    range_s: float = setting(
        100e-9,
        doc="Greatest delay at which coincidences are looked for.",
        unit="s",
        low=1e-9,
        high=1e-3,
    )
    bin_s: float = setting(
        0.0, doc="Bin of the delays, not below a tick; 0: a tick.", unit="s", low=0.0, high=1e-6
    )
    lines_a: tuple[int, ...] = setting(
        (), doc="Lines of the first tagger that share photons with the second; none: all.",
        low=1, high=64,
    )  # fmt: skip
    lines_b: tuple[int, ...] = setting(
        (), doc="Lines of the second tagger that do; none: all.", low=1, high=64
    )
    max_offset_s: float = setting(
        0.5, doc="Greatest difference of the taggers' starts.", unit="s", low=1e-6, high=10.0
    )
    max_ppm: float = setting(
        200.0, doc="Greatest difference of their clocks' frequencies.", unit="1e-6",
        low=0.0, high=1000.0,
    )  # fmt: skip
    sync_every_s: float = setting(
        6.0,
        doc="Stretch of tags from which two taggers' common time is first looked for.",
        unit="s",
        low=0.1,
        high=600.0,
    )
