"""Drivers over in-process VISA with the recorder on: `python -m benchmarks.recorded_visa`.

Payloads are what BB84 uploads, and random bytes, which do not compress. The limit in
the same run is the same driver without a recorder.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyvisa

from benchmarks.rows import Row, table
from drivers.core import Instrument, Number
from drivers.core.link import Connect
from drivers.core.recording import recording_connector
from drivers.core.visa import visa_connector
from drivers.simulated.scpi import Block, ScpiDevice, Setting, block, command, query
from drivers.simulated.scpi import Number as Parameter
from drivers.simulated.time import VirtualTime
from drivers.simulated.visa_library import SimulatedVisaLibrary
from qlab.runfile.writer import RunWriter

ADDRESS = "USB0::0x0957::0x2B07::MY00000001::INSTR"
READS = 60_000
PAYLOAD_BYTES = 8_000_000
PAYLOADS = 30


class Memory(ScpiDevice):
    """Keeps one block and one level."""

    connectors = ("usb",)
    maker = "qlab"
    model = "MEMORY"
    level = Setting("VOLTage", Parameter("V", -5, 5, 0))
    held = b""

    @command("DATA", Block())
    def take(self, payload: memoryview) -> None:
        self.held = payload

    @query("DATA?")
    def give(self) -> bytes:
        return block(self.held)


class MemoryDriver(Instrument):
    """The driver of `Memory`."""

    level_v = Number("VOLT?", "VOLT {value}", low=-5, high=5, unit="V", doc="Level.")


def opened(wrap: Callable[[Connect], Connect]) -> MemoryDriver:
    clock = VirtualTime()
    device = Memory("memory", clock, {})
    library = SimulatedVisaLibrary({ADDRESS: device.port("usb")}, clock)
    connect = visa_connector(pyvisa.ResourceManager(library))
    return MemoryDriver("memory", ADDRESS, wrap(connect)).open()


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(driver: MemoryDriver, payload: bytes, finish: Callable[[], None]) -> dict[str, float]:
    def read_properties() -> None:
        for _ in range(READS):
            _ = driver.level_v
        finish()

    def write_blocks() -> None:
        for _ in range(PAYLOADS):
            driver.link.write_block(b"DATA ", payload)
        finish()

    def read_blocks() -> None:
        for _ in range(PAYLOADS):
            driver.link.query_block(b"DATA?")
        finish()

    megabytes = PAYLOADS * len(payload) / 1e6
    return {
        "property reads": READS / seconds(read_properties),
        "binary writes": megabytes / seconds(write_blocks),
        "binary reads": megabytes / seconds(read_blocks),
    }


def recorded(path: Path, payload: bytes) -> dict[str, float]:
    with RunWriter.create(
        path,
        experiment="benchmark",
        run_id="benchmark",
        start_utc=datetime.now(UTC),
        config="",
        provenance={},
        operational=False,
        clock=time.perf_counter_ns,
    ) as writer:
        driver = opened(lambda connect: recording_connector("memory", connect, writer))
        found = measure(driver, payload, writer.commit)
        driver.close()
    return found


TARGETS = {
    "property reads": ("1/s", 30_000.0),
    "binary writes": ("MB/s", 100.0),
    "binary reads": ("MB/s", 100.0),
}


def rows() -> list[Row]:
    """Compare each figure with the same driver's without a recorder."""
    rng = np.random.default_rng(1)
    levels = np.array([-32767, -10923, 10922, 32767], "<i2")
    payloads = {
        "waveform": rng.choice(levels, PAYLOAD_BYTES // 2).tobytes(),
        "random": os.urandom(PAYLOAD_BYTES),
    }
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, payload in payloads.items():
            bare = opened(lambda connect: connect)
            limit = measure(bare, payload, lambda: None)
            bare.close()
            for what, figure in recorded(Path(folder) / f"{name}.h5", payload).items():
                unit, target = TARGETS[what]
                title = f"recorded {what}, {name}"
                ratio = figure / limit[what]
                found.append(Row(title, figure, unit, ratio, "driver not recorded", target))
    return found


if __name__ == "__main__":
    print(table(rows()))
