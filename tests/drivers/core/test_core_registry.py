from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import pytest

from drivers.core import API_VERSION, Instrument, UnknownDriverError, registry


@pytest.fixture
def registered(monkeypatch):
    """Register a third party's classes, by name, in a module of their own."""
    module = ModuleType("third_party")
    monkeypatch.setitem(sys.modules, "third_party", module)
    points = []

    def find(*, group, name=None):
        return [p for p in points if p.group == group and name in (None, p.name)]

    def register(name, target=None, *, value="", group=registry.DRIVERS):
        if target is not None:
            target_name = getattr(target, "__name__", "thing")
            setattr(module, target_name, target)
            value = f"third_party:{target_name}"
        points.append(EntryPoint(name, value, group))

    monkeypatch.setattr(registry, "entry_points", find)
    return register


def third_party(**declared):
    return type("Theirs", (Instrument,), {"__module__": "third_party", **declared})


def test_names_are_sorted_and_unique(registered):
    registered("b", third_party(api=API_VERSION))
    registered("a", third_party(api=API_VERSION))
    registered("b", third_party(api=API_VERSION))
    registered("s", object(), group=registry.SIMULATORS)
    assert registry.names() == ["a", "b"]
    assert registry.names(registry.SIMULATORS) == ["s"]


def test_a_driver_is_found(registered):
    theirs = third_party(api=API_VERSION)
    registered("acme-slate", theirs)
    assert registry.driver_class("acme-slate") is theirs


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ("acme-slat", "did you mean 'acme-slate'?"),
        ("ACME-SLATE-2", "known are acme-slate, other"),
        ("zzz", "known are acme-slate, other"),
    ],
)
def test_an_unknown_name(registered, asked, remedy):
    registered("acme-slate", third_party(api=API_VERSION))
    registered("other", third_party(api=API_VERSION))
    with pytest.raises(UnknownDriverError) as caught:
        registry.driver_class(asked)
    assert str(caught.value) == f"there is no driver {asked!r}; {remedy}"


def test_an_unknown_simulator(registered):
    registered("slate", object, group=registry.SIMULATORS)
    with pytest.raises(UnknownDriverError, match="no simulator 'slat'; did you mean 'slate'"):
        registry.simulator_class("slat")
    assert registry.simulator_class("slate") is object


def test_another_version_of_the_interface(registered):
    registered("old", third_party(api=API_VERSION - 1))
    with pytest.raises(UnknownDriverError, match=rf"version {API_VERSION - 1} .* is version"):
        registry.driver_class("old")


def test_a_version_has_to_be_declared_by_the_driver_itself(registered):
    registered("silent", third_party())  # it inherits ours, which says nothing of itself
    with pytest.raises(UnknownDriverError, match="version None"):
        registry.driver_class("silent")


@pytest.mark.parametrize("value", ["no_such_module_here:Thing", "drivers.core:NoSuchThing"])
def test_a_driver_that_cannot_be_imported(registered, value):
    registered("broken", value=value)
    with pytest.raises(UnknownDriverError, match="cannot be imported") as caught:
        registry.driver_class("broken")
    assert "reinstall" in str(caught.value)


@pytest.mark.parametrize("thing", [object, len])
def test_what_is_no_driver(registered, thing):
    registered("wrong", thing)
    with pytest.raises(UnknownDriverError, match="not a driver class"):
        registry.driver_class("wrong")


SERIAL_UNITS = ["sfifteen-spd", "sfifteen-tdc1", "srs-fs725", "srs-prs10", "thorlabs-mbx"]


@pytest.mark.parametrize("name", SERIAL_UNITS)
def test_our_serial_units_are_registered(name):
    assert issubclass(registry.driver_class(name), Instrument)
    device = registry.simulator_class(name)
    assert device.__name__ == f"{registry.driver_class(name).__name__}Device"


@pytest.mark.parametrize("group", [registry.DRIVERS, registry.SIMULATORS])
def test_all_that_is_registered_loads(group):
    for point in entry_points(group=group):
        if point.value.startswith("drivers."):
            assert isinstance(point.load(), type), point.name


def test_the_core_is_light():
    script = (
        "import sys, drivers.core, drivers.core.registry, drivers.core.serial_line, "
        "drivers.core.visa, drivers.core.recording, drivers.roles; "
        "print(*{'numpy', 'serial', 'pyvisa', 'numba', 'h5py'} & set(sys.modules))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == ""
