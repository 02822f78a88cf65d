"""Headers of PicoQuant's older files: PT2 and PT3 of a PicoHarp, HT2 and HT3 of a HydraHarp.

A text of 328 bytes, which names the instrument and the version of the format, is followed by
a block of settings, blocks of the hardware and of the measurement, and a block that imaging
may leave before the records (PicoQuant, published examples of reading). The records are
those of PTU files; in T2 a PicoHarp counts 4 ps, a HydraHarp half a picosecond in version 1.0
and 1 ps in 2.0 (found so in files of the three, as libpicoquant reads them).
"""

from __future__ import annotations

import struct
from fractions import Fraction

from protocols.errors import FormatError
from protocols.timetags.decoding.picoquant_header import (
    Layout,
    Recording,
    nominal_s,
    period_s,
)

__all__ = ["read_legacy_header"]

_MOST_IMAGE_WORDS = 1 << 24
_MOST_INPUTS = 64

# Behind the text: PicoHarp's bits of a record and mode, the resolution (ns) of its board,
# and of the measurement the rate of synchronisation, the records and the words that follow.
_PICO_BITS, _PICO_BOARDS, _PICO_MODE = 332, 340, 348
_PICO_RESOLUTION, _PICO_RATE, _PICO_RECORDS, _PICO_IMAGE = 584, 704, 720, 724
_PICO_BYTES = 728
# HydraHarp's, whose resolution (ps) is a setting; its inputs have 20 bytes each.
_HYDRA_BITS, _HYDRA_MODE, _HYDRA_RESOLUTION, _HYDRA_INPUTS = 332, 340, 352, 664
_HYDRA_HARDWARE_BYTES = 696
_INPUT_BYTES = 20
_MEASUREMENT = struct.Struct("<4iq")

_VERSIONS = {
    ("PicoHarp 300", "2.0", 2): Layout.PICOHARP_T2,
    ("PicoHarp 300", "2.0", 3): Layout.PICOHARP_T3,
    ("HydraHarp", "1.0", 2): Layout.HYDRAHARP1_T2,
    ("HydraHarp", "1.0", 3): Layout.HYDRAHARP1_T3,
    ("HydraHarp", "2.0", 2): Layout.COUNTED_T2,
    ("HydraHarp", "2.0", 3): Layout.COUNTED_T3,
}
# In T2 the resolution of the header is that of another mode.
_T2_S = {
    Layout.PICOHARP_T2: Fraction(4, 10**12),
    Layout.HYDRAHARP1_T2: Fraction(1, 2 * 10**12),
    Layout.COUNTED_T2: Fraction(1, 10**12),
}


def read_legacy_header(data: bytes) -> Recording | None:
    """Take the header of a PT2, PT3, HT2 or HT3 file apart.

    Parameters
    ----------
    data : bytes
        The file's beginning.

    Returns
    -------
    Recording or None
        None if the header is longer than the data.

    Raises
    ------
    FormatError
        It is no such header, or damaged.
    """
    instrument, version = (_text(data[:16]), _text(data[16:22]))
    if instrument not in ("PicoHarp 300", "HydraHarp"):
        raise FormatError("it does not begin with the name of an instrument that is known")
    picoharp = instrument == "PicoHarp 300"
    if len(data) < (_PICO_BYTES if picoharp else _HYDRA_HARDWARE_BYTES):
        return None
    bits, mode = (_integer(data, _PICO_BITS if picoharp else _HYDRA_BITS),
                  _integer(data, _PICO_MODE if picoharp else _HYDRA_MODE))  # fmt: skip
    layout = _VERSIONS.get((instrument, version, mode))
    if layout is None:
        raise FormatError(f"version {version!r} in mode {mode} of {instrument} is not known")
    if bits != 32:
        raise FormatError(f"its records have {bits} bits instead of 32")
    if picoharp:
        if _integer(data, _PICO_BOARDS) != 1:
            raise FormatError("its header has no block of one board")
        unit_s, start = 1e-9 * struct.unpack_from("<f", data, _PICO_RESOLUTION)[0], _PICO_BYTES
        rate, records, image = (
            _integer(data, at) for at in (_PICO_RATE, _PICO_RECORDS, _PICO_IMAGE)
        )
    else:
        inputs = _integer(data, _HYDRA_INPUTS)
        if not 0 <= inputs <= _MOST_INPUTS:
            raise FormatError(f"its header has {inputs} inputs")
        unit_s = 1e-12 * struct.unpack_from("<d", data, _HYDRA_RESOLUTION)[0]
        start = _HYDRA_HARDWARE_BYTES + inputs * _INPUT_BYTES + _MEASUREMENT.size
        if len(data) < start:
            return None
        rate, _, _, image, records = _MEASUREMENT.unpack_from(data, start - _MEASUREMENT.size)
    if not 0 <= image <= _MOST_IMAGE_WORDS or records < 0:
        raise FormatError(f"its header counts {records} records behind {image} words of an image")
    start += 4 * image
    if not layout.is_t3:
        return Recording(layout, _T2_S[layout], Fraction(0), start, records)
    if rate <= 0:
        raise FormatError(f"its rate of synchronisation is {rate} Hz")
    return Recording(layout, nominal_s(unit_s), period_s(1 / rate, rate), start, records)


def _text(field: bytes) -> str:
    return field.split(b"\0")[0].decode("ascii", "replace").strip()


def _integer(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little", signed=True)
