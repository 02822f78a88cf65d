"""`qlab key distill RUN.h5...`: blocks add up over runs, and no detection is used twice."""

import json
import shutil
import signal

import pytest
from small_runs import KEYED, KEYED_PLANT, small_run

from drivers.core.context import Kind
from qlab.cli import main
from qlab.distillation.report import distillation_summary
from qlab.distillation.runs import UsedDetectionsError, distil_runs
from qlab.errors import UsageError
from qlab.keystore import KeyStore
from qlab.runfile.errors import RunFileError
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import RunStatus
from qlab.runfile.writer import RunWriter

#: A third of what a key takes.
SHORT = KEYED | {"slots": 40_000, "block_slots": 20_000}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    paths = [folder / f"{seed}.h5" for seed in (1, 2, 3)]
    for seed, path in enumerate(paths, 1):
        results = small_run(path, seed=seed, plant=KEYED_PLANT, **SHORT).results
        assert results["secret_bits"] == 0
    return paths


@pytest.fixture
def store(tmp_path):
    return KeyStore(tmp_path / "keys")


def test_runs_that_give_no_key_alone_give_one_together(runs, store):
    found = distil_runs(runs, key_store=store)
    assert found["no_key"] is None and found["secret_bits"] > 300
    assert found["verified"] is True and found["residual_errors"] == 0
    assert sum(found["n_z"]) == found["bits"] and found["errors"] == sum(found["m_z"])
    (record,) = store.records()
    assert record.key_id == found["key_id"] and record.bits == found["secret_bits"]
    assert record.run_id.split(",") == sorted(found["runs"]) and len(found["runs"]) == 3
    assert not record.fit_for_use and not found["fit_for_use"]  # simulated
    assert store.key(record.key_id).bit_count == found["secret_bits"]
    assert any("agreed on before" in text for text in found["assumptions"])


def test_what_the_runs_told_is_charged(runs, store):
    told, counted = 0, 0
    for path in runs:
        with RunFile.open(path) as run:
            results = run.results[-1]
        assert results["leak_ec_bits"] > 0 and results["verified"]
        told += results["leak_ec_bits"]
        counted += 2 * sum(results["n_z"]).bit_length()  # one count for each intensity
    found = distil_runs(runs, key_store=store)
    charge = found["already_disclosed_bits"]
    choice = 2 * 50  # that the length depends on what was told
    tags = charge - told - counted - choice
    assert tags >= 3 * 8 and tags % 3 == 0  # a whole tag of each run
    assert found["bounds"]["already_disclosed_bits"] == charge
    assert found["secret_bits"] == found["agreed_length"] - charge
    assert found["secret_bits"] <= found["bounds"]["length"]
    assert f"{charge:,} bits, charged" in distillation_summary(found)


@pytest.mark.parametrize(
    "wrong", [{"leak_ec_bits": -1}, {"leak_ec_bits": "1"}, {"n_z": None}, {"n_z": [1, None]}]
)
def test_results_that_are_no_counts_are_damaged(runs, store, monkeypatch, wrong):
    with RunFile.open(runs[0]) as run:
        forged = (run.results[-1] | wrong,)
    monkeypatch.setattr(RunFile, "results", forged)
    with pytest.raises(RunFileError, match="counts that are none"):
        distil_runs(runs[:1], key_store=store)


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """Return a run that Ctrl-C ended at its first record of a kind."""

    def run(kind, nth):
        record = RunWriter.record
        seen = []

        def counted(self, source, found, *arguments, **more):
            record(self, source, found, *arguments, **more)
            seen.extend([source] * (found is kind))
            if found is kind and len(seen) == nth:
                signal.raise_signal(signal.SIGINT)

        path = tmp_path / f"{kind.name}{nth}.h5"
        with monkeypatch.context() as patched:
            patched.setattr(RunWriter, "record", counted)
            outcome = small_run(path, seed=7, plant=KEYED_PLANT, **SHORT)
        assert outcome.status is RunStatus.ABORTED
        return path

    return run


def test_a_run_that_ended_while_the_parties_talked_is_refused(runs, store, stopped):
    for path in (stopped(Kind.MESSAGE, 1), stopped(Kind.MESSAGE, 6)):
        with pytest.raises(UsedDetectionsError, match="does not say how much they told"):
            distil_runs([*runs, path], key_store=store)
    assert store.records() == []


def test_a_run_that_ended_before_they_talked_is_taken(runs, store, stopped):
    alone = distil_runs(runs, key_store=KeyStore(store.folder.parent / "alone"))
    silent = stopped(Kind.WRITE, 40)
    found = distil_runs([*runs, silent], key_store=store)
    assert found["already_disclosed_bits"] == alone["already_disclosed_bits"]


def test_a_run_alone_gives_none_and_stays_unused(runs, store):
    found = distil_runs(runs[:1], key_store=store)
    assert found["no_key"] and found["secret_bits"] == 0 and found["key_id"] is None
    assert store.records() == []
    assert distil_runs(runs, key_store=store)["stored"]


def test_no_detection_enters_the_store_twice(runs, store):
    distil_runs(runs, key_store=store)
    for again in (runs, runs[::-1], runs[:1]):
        with pytest.raises(UsedDetectionsError, match="given a key already"):
            distil_runs(again, key_store=store)
    assert len(store.records()) == 1
    store.erase(store.ids()[0])
    with pytest.raises(UsedDetectionsError):
        distil_runs(runs, key_store=store)


def test_one_run_twice_is_refused(runs, store, tmp_path):
    copy = tmp_path / "copy.h5"
    shutil.copy(runs[0], copy)
    for twice in ([runs[0], runs[0]], [runs[0], copy]):
        with pytest.raises(UsedDetectionsError, match="the same run"):
            distil_runs(twice, key_store=store)


def test_equal_detections_of_two_runs_are_refused(runs, store, tmp_path):
    again = tmp_path / "again.h5"
    small_run(again, seed=1, plant=KEYED_PLANT, **SHORT)
    with pytest.raises(UsedDetectionsError, match="the same detections"):
        distil_runs([runs[0], again], key_store=store)
    assert store.records() == []


def test_a_run_with_a_key_of_its_own_is_refused(runs, store, tmp_path):
    keyed = tmp_path / "keyed.h5"
    assert small_run(keyed, seed=1, plant=KEYED_PLANT, **KEYED).results["secret_bits"] > 0
    with pytest.raises(UsedDetectionsError, match="given a key already"):
        distil_runs([keyed, *runs], key_store=store)


def test_runs_of_other_settings_are_refused(runs, store, tmp_path):
    other = tmp_path / "other.h5"
    small_run(other, seed=4, plant=KEYED_PLANT, **(SHORT | {"intensities": [0.6, 0.21]}))
    with pytest.raises(UsageError, match="other settings"):
        distil_runs([*runs, other], key_store=store)
    repeated = tmp_path / "repeated.h5"
    small_run(repeated, seed=4, plant=KEYED_PLANT, **(SHORT | {"pattern_repeats": 2}))
    with pytest.raises(UsageError, match="more than once"):
        distil_runs([repeated], key_store=store)


def test_runs_of_other_lengths_add_up(runs, store, tmp_path):
    longer = tmp_path / "longer.h5"
    small_run(longer, seed=5, plant=KEYED_PLANT, **(SHORT | {"slots": 60_000}))
    found = distil_runs([*runs[:2], longer], key_store=store)
    assert found["secret_bits"] > 500 and found["stored"]


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["key", "distill", *map(str, arguments), "--json"])
    return ended.value.code, json.loads(capsys.readouterr().out)


def test_the_command(runs, tmp_path, capsys):
    keys = tmp_path / "keys"
    code, found = command(capsys, *runs, "--keys", keys, "--amplification", "modular")
    assert code == 0 and found["key_id"] in KeyStore(keys).ids()
    assert found["amplification"] == "modular"
    assert command(capsys, *runs, "--keys", keys)[0] == 2
    code, found = command(capsys, runs[0], "--keys", tmp_path / "others")
    assert code == 7 and found["no_key"]
    for wrong in (("--variable-length",), ("--eps-sec", "1e-9"), ("--format", "packed"),
                  ("--alice", runs[0]), ("--counts", runs[0])):  # fmt: skip
        assert command(capsys, *runs, "--keys", tmp_path / "others", *wrong)[0] == 2
    damaged = tmp_path / "damaged.h5"
    raw = bytearray(runs[0].read_bytes())
    raw[len(raw) // 2] ^= 1
    damaged.write_bytes(raw)
    assert command(capsys, damaged, "--keys", tmp_path / "others")[0] == 8
    (tmp_path / "none.h5").write_text("none")
    assert command(capsys, tmp_path / "none.h5")[0] == 8


def test_what_was_recorded_is_what_is_distilled(runs, store):
    with RunFile.open(runs[0]) as run:
        recorded = run.results[-1]
    found = distil_runs(runs[:1], key_store=store)
    for name in ("n_z", "n_x", "m_z", "m_x", "sifted_bits"):
        assert sum(found[name]) if isinstance(found[name], list) else found[name]
    assert found["sifted_bits"] == recorded["sifted_bits"]
    assert sum(found["n_z"]) == sum(recorded["n_z"])
