"""Runs on the simulated clock bench, and what its plant knows of them."""

from importlib import resources

import numpy as np

from drivers.simulated.bench import PlantSpec
from qlab.context import SilentProgress
from qlab.runfile.reader import RunFile
from qlab.runner import run_experiment
from qlab.station import parse_station

TEXT = (resources.files("qlab.stations") / "clock.toml").read_text(encoding="utf-8")
START_TAI_NS = 2_000_000_000 * 10**9


def bench_text(swaps=(), faults=(), devices=None):
    """Return the packaged station with changes.

    Parameters
    ----------
    swaps : sequence of (str, str)
        Texts that are replaced.
    faults : sequence of dict
        What goes wrong in the plant.
    devices : dict of str to sequence of dict
        Faults of devices, by their name.
    """
    plant = f"faults = [{', '.join(map(_inline, faults))}]"
    changes = [
        (
            'reference_clock = "5071a-hp"',
            f'reference_clock = "5071a-hp"\nstart_tai_ns = {START_TAI_NS}',
        ),
        ('kind = "clocks"', f'kind = "clocks"\n{plant}'),
        *swaps,
    ]
    for name, armed in (devices or {}).items():
        table = f"[simulation.devices.{name}]"
        changes.append((table, f"{table}\nfaults = [{', '.join(map(_inline, armed))}]"))
    text = TEXT
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


def _inline(table):
    def value(each):
        return f"'{each}'" if isinstance(each, str) else repr(each)

    return "{ " + ", ".join(f"{key} = {value(each)}" for key, each in table.items()) + " }"


class Run:
    """A finished run: its outcome, its logs, and the plant as it was left."""

    def __init__(self, path, outcome, plant):
        self.path, self.outcome, self.results, self.plant = path, outcome, outcome.results, plant
        with RunFile.open(path) as found:
            self.logs = [
                found.read(f"data/site{k}/log", 0, found.rows(f"data/site{k}/log"))
                for k in range(len(plant.sites))
            ]
            self.notes = [r.data.decode() for r in found.records() if r.kind.name == "LOG"]

    def times_ns(self, site=0):
        """Return when each reading was taken, in bench time."""
        return self.logs[site]["t_tai_ns"] - START_TAI_NS

    def phase_s(self, times_ns, site=0):
        """Return what local - delivered reference really was; nan without a reference."""
        here = self.plant.sites[site]
        arrived = here.delivered_pps.phase_at(times_ns) + here.fibre.forward_s
        return here.pps.phase_at(times_ns) - arrived

    def locked(self, site=0):
        """Return at which readings the loop claimed to be locked."""
        return self.logs[site]["state"] == 1

    def truly(self, site=0):
        """Return at which readings that would have been true."""
        times_ns = self.times_ns(site)
        return (np.abs(self.phase_s(times_ns, site)) < 5e-9) & self.plant.truth(
            times_ns, site
        ).healthy

    def steering(self, site=0):
        """Return the frequencies that the clock really had by its steering."""
        return np.array([each[1] for each in self.plant.sites[site].local._steers])


def run_clock(path, duration_s, seed=1, progress=None, **changes):
    """Run the bench, changed as by `bench_text`, and keep its plant."""
    return run_text(path, bench_text(**changes), duration_s, seed, progress)


def run_text(path, text, duration_s, seed=1, progress=None):
    """Run a station given as text, and keep its plant."""
    built = []
    build = PlantSpec.build

    def kept(self, *arguments):
        built.append(build(self, *arguments))
        return built[-1]

    PlantSpec.build = kept
    try:
        outcome = run_experiment(
            "clock",
            parse_station(text, "clock.toml"),
            path,
            seed=seed,
            overrides={"duration_s": duration_s},
            progress=progress or SilentProgress(),
        )
    finally:
        PlantSpec.build = build
    return Run(path, outcome, built[0])
