"""Floats are compared exactly only where nothing that they depend on has changed."""

from __future__ import annotations

import json

import pytest

from qlab import provenance

EPYC = """processor\t: 0
model name\t: AMD EPYC
cpu family\t: 25
model\t\t: 1
cpu MHz\t\t: 2445.424
flags\t\t: fma avx avx2

processor\t: 1
model name\t: AMD EPYC
flags\t\t: fma
"""


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """Give a function that names the processor of a machine with this /proc/cpuinfo."""
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(provenance, "_CPUINFO", file)

    def named(text: str) -> str:
        file.write_text(text, encoding="utf-8")
        return json.loads(provenance.platform_mark())["processor"]

    return named


def test_the_first_processor_is_named_with_what_it_can_do(processor):
    assert processor(EPYC) == "AMD EPYC, 25, 1, fma avx avx2"


@pytest.mark.parametrize(
    "old, new", [("model\t\t: 1\n", "model\t\t: 17\n"), (" avx2", " avx2 avx512f")]
)
def test_models_of_one_name_differ(processor, old, new):
    assert processor(EPYC) != processor(EPYC.replace(old, new))


@pytest.mark.parametrize("old, new", [("2445.424", "3000.0"), ("flags\t\t: fma\n", "")])
def test_what_floats_do_not_depend_on_makes_no_difference(processor, old, new):
    assert processor(EPYC) == processor(EPYC.replace(old, new))


def test_arm_names_its_parts(processor):
    text = "processor\t: 0\nFeatures\t: fp asimd sve\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"
    assert processor(text) == "0x41, 0xd40, fp asimd sve"


def test_elsewhere_the_system_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "_CPUINFO", tmp_path / "none")
    monkeypatch.setattr(provenance.platform, "processor", lambda: "arm")
    assert json.loads(provenance.platform_mark())["processor"] == "arm"


def test_library_versions_are_part_of_it():
    found = json.loads(provenance.platform_mark())
    assert {"libc", "numpy", "scipy", "numba", "python", "system", "machine"} < found.keys()
    assert found["numpy"]
