"""Sealed files whose seal is right and whose contents claim what no writer wrote."""

import zlib

import h5py
import numpy as np
import pytest
from runfile_makers import make_run

from qlab.runfile.errors import DamagedFileError
from qlab.runfile.reader import RunFile
from qlab.runfile.schema import CHUNK_LIMIT, COMMITS, HEAP, INDEX, ROWS
from qlab.runfile.seal import UNSEALED, seal
from qlab.runfile.verify import examine_in_child

TAGS = "data/bob/timestamps"


@pytest.fixture
def forge(tmp_path):
    """Return a function that changes a complete run's HDF5 file and seals it again."""
    path = make_run(tmp_path / "run.h5", records=20)

    def change(work):
        with h5py.File(path, "r+") as file:
            work(file)
        seal(path)
        return path

    return change


def claim(file, name, rows):
    """Have every commit say that it covers `rows` rows of a dataset."""
    import json

    column = json.loads(file[COMMITS].attrs["datasets"]).index(name)
    table = file[COMMITS][:]
    table["lengths"][:, column] = rows
    file[COMMITS][:] = table


def renew(file, name, rows, *, dtype=None, chunk=None, deflates=1):
    """Put an empty dataset of that many rows in the place of another."""
    old = file[name]
    dtype, chunk = old.dtype if dtype is None else dtype, chunk or old.chunks[0]
    attributes = dict(old.attrs)
    del file[name]
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((chunk,))
    for _ in range(deflates):
        plan.set_deflate(1)
    space = h5py.h5s.create_simple((rows,), (h5py.h5s.UNLIMITED,))
    kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    h5py.h5d.create(file[name.rpartition("/")[0] or "/"].id, name.rpartition("/")[2].encode(),
                    kind, space, plan)  # fmt: skip
    file[name].attrs.update(attributes)
    claim(file, name, rows)
    return file[name]


def refused(path, words):
    with pytest.raises(DamagedFileError, match=words), RunFile.open(path) as run:
        _ = run.index
        for number in range(len(run.index)):
            run.payload(number)


def test_more_rows_than_there_are(forge):
    refused(forge(lambda file: claim(file, ROWS, 1000)), "claims 1000 rows")


@pytest.mark.parametrize("name", [ROWS, HEAP, TAGS])
def test_rows_that_were_never_stored(forge, name):
    path = forge(lambda file: renew(file, name, 1 << 40))
    refused(path, f"{1 << 40} rows of /{name} .* are not stored")


@pytest.mark.parametrize("name", [ROWS, TAGS])
def test_chunks_that_no_writer_makes(forge, name):
    path = forge(lambda file: renew(file, name, 1, chunk=CHUNK_LIMIT))
    refused(path, "chunks too large")
    with path.open("r+b") as file:
        file.write(UNSEALED)
    with pytest.raises(DamagedFileError, match="chunks too large"):
        examine_in_child(path, "main")


def test_commits_in_chunks_that_no_writer_makes(forge):
    def work(file):
        table, dtype = file[COMMITS][:], file[COMMITS].dtype
        rows = renew(file, COMMITS, len(table), chunk=CHUNK_LIMIT // dtype.itemsize + 1)
        rows[:] = table

    # `claim` has no column for the commits themselves.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "claim", lambda *_: None)
        path = forge(work)
    refused(path, "chunks too large")


def test_a_filter_twice(forge):
    """Deflate a thousandfold, and again."""
    refused(forge(lambda file: renew(file, TAGS, 0, deflates=2)), "filters")


def test_texts_that_point_elsewhere(forge):
    refused(forge(lambda file: renew(file, TAGS, 0, dtype=h5py.string_dtype())), "fixed size")


def test_a_journal_that_bursts(forge):
    def work(file):
        chunk = CHUNK_LIMIT // INDEX.itemsize
        count = (1 << 30) // (chunk * INDEX.itemsize) + 1
        index = renew(file, ROWS, count * chunk, chunk=chunk)
        small = zlib.compress(bytes(chunk * INDEX.itemsize), 9)
        for number in range(count):
            index.id.write_direct_chunk((number * chunk,), small)

    path = forge(work)
    assert path.stat().st_size < 4 << 20
    refused(path, "bytes of which only")


def test_a_record_of_gigabytes(forge):
    def work(file):
        rows = file[ROWS][:]
        rows["length"][:] = 3 << 30
        rows["heap"][:] = 0
        file[ROWS][:] = rows
        chunk = CHUNK_LIMIT
        heap = renew(file, HEAP, 400 * chunk, chunk=chunk)
        small = zlib.compress(bytes(chunk), 9)
        for number in range(400):
            heap.id.write_direct_chunk((number * chunk,), small)

    refused(forge(work), "a record of 3221225472 bytes")


def test_texts_of_the_skeleton_that_were_never_stored(forge):
    def work(file):
        del file["config"]
        file.create_dataset("config", (), h5py.string_dtype("utf-8", 1 << 30))

    path = forge(work)
    with pytest.raises(DamagedFileError, match="config"), RunFile.open(path) as run:
        _ = run.config
