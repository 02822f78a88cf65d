"""`qlab key length`, as a person or a script calls it."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qlab.cli import main
from qlab.counts import counts_from, read_counts
from qlab.errors import UsageError

ONE = {
    "protocol": "one-decoy",
    "intensities": [0.51, 0.15],
    "probabilities": [0.7, 0.3],
    "n_z": [8875913, 1124087],
    "n_x": [165048, 20902],
    "m_z": [185856, 26055],
    "m_x": [3456, 484],
    "leak_ec": 1776924,
    "eps_sec": 1e-9,
    "eps_cor": 1e-15,
}
TWO = {
    "protocol": "two-decoy",
    "intensities": [0.5, 0.1, [0.0, 0.001]],
    "probabilities": [0.6, 0.25, 0.15],
    "n_z": [54500000, 4570000, 15000],
    "n_x": [10010000, 840000, 2800],
    "m_z": [709000, 59500, 350],
    "m_x": [130200, 10900, 65],
    "leak_ec": 5000000,
    "eps_sec": 1e-9,
    "eps_cor": 1e-15,
}
SINGLE = {
    "protocol": "single-photon",
    "n_z": 1000000,
    "n_x": [1000000],
    "m_z": [10000],
    "m_x": 10000,
    "leak_ec": 90000,
    "eps_sec": 1e-10,
    "eps_cor": 1e-15,
}


@pytest.fixture
def qlab(capsys):
    """Run a command line in this process; gives exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return ended.value.code, said.out, said.err

    return run


@pytest.fixture
def counts(tmp_path):
    """Write a file of counts; gives its path."""

    def write(facts, **changes):
        path = tmp_path / "counts.json"
        path.write_text(facts if isinstance(facts, str) else json.dumps({**facts, **changes}))
        return path

    return write


def test_the_answer_has_the_length_and_every_bound(qlab, counts):
    code, out, err = qlab("key", "length", counts(ONE), "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["schema"] == "qlab.key.length/1"
    assert answer["length"] == 1464719 - 48  # the announcement of the errors is charged here
    assert answer["length_rule"] == "fixed-length" and answer["reason"] is None
    assert answer["bounds"]["s_z1_lower"] == pytest.approx(5396516.268816283)
    assert set(answer["bounds"]) == {
        "s_z0_lower", "s_z0_upper", "s_z1_lower", "s_x1_lower", "v_x1_upper", "x_error_rate",
        "gamma", "phi_z", "secret", "leak_ec", "announced_bits", "secrecy_bits",
        "verification_bits",
    }  # fmt: skip
    assert "171104" in answer["proof"] and len(answer["assumptions"]) > 5
    assert (answer["eps_sec"], answer["eps_cor"]) == (1e-9, 1e-15)


def test_a_person_sees_the_same(qlab, counts):
    code, out, _ = qlab("key", "length", counts(ONE))
    assert code == 0
    assert "1,464,671 secret bits, fixed-length" in out
    assert "phi_z" in out and "0.0791737" in out and "assumed" in out


@pytest.mark.parametrize("facts", [TWO, SINGLE])
def test_a_variable_length_names_its_rule(qlab, counts, facts):
    code, out, _ = qlab("key", "length", counts(facts), "--variable-length", "--json")
    answer = json.loads(out)
    assert code == 0 and answer["length_rule"] == "variable-length"
    assert "2408.17349" in answer["proof"]
    fixed = json.loads(qlab("key", "length", counts(facts), "--json")[1])
    assert 0.95 * fixed["length"] < answer["length"] != fixed["length"]


def test_a_scalar_may_stand_for_a_list_of_one(qlab, counts):
    first = json.loads(qlab("key", "length", counts(SINGLE), "--json")[1])
    lists = {name: [1000000] for name in ("n_z", "n_x")}
    second = json.loads(
        qlab("key", "length", counts(SINGLE, **lists, intensities=[], tag_bits=0), "--json")[1]
    )
    pairs = json.loads(qlab("key", "length", counts(SINGLE, protocol="bbm92"), "--json")[1])
    assert first == second and first["length"] == pairs["length"] > 0
    assert first["proof"] != pairs["proof"]


def test_detectors_that_differ_shorten_the_key(qlab, counts):
    detectors = {"efficiency": [0.199, 0.2], "dark_probability": [1e-6, 1.001e-6]}
    alike = json.loads(qlab("key", "length", counts(TWO), "--json")[1])
    answer = json.loads(qlab("key", "length", counts(TWO, detectors=detectors), "--json")[1])
    assert 0 < answer["length"] < alike["length"]
    assert answer["bounds"]["delta_1"] > 0


def test_no_key_ends_with_seven_and_says_why(qlab, counts):
    code, out, err = qlab("key", "length", counts(ONE, leak_ec=10**7), "--json")
    answer = json.loads(out)
    assert code == 7 and answer["schema"] == "qlab.key.length/1"
    assert answer["length"] == 0 and "leaves no secret bit" in answer["reason"]
    assert answer["bounds"]["phi_z"] > 0 and "no key can be given" in err
    code, out, err = qlab("key", "length", counts(ONE, m_x=[100000, 484]), "--json")
    assert code == 7 and "at or above 1/2" in json.loads(out)["reason"]
    assert qlab("key", "length", counts(ONE, leak_ec=10**7))[0] == 7


@pytest.mark.parametrize("option", ["--variable-length", "detectors"])
@pytest.mark.parametrize("protocol", ["one-decoy", "bbm92"])
def test_what_no_proof_covers_is_refused_with_a_way_out(qlab, counts, protocol, option):
    facts = dict(ONE if protocol == "one-decoy" else SINGLE, protocol=protocol)
    options = [option] if option.startswith("-") else []
    if not options:
        facts["detectors"] = {"efficiency": [0.19, 0.2]}
    code, out, err = qlab("key", "length", counts(facts), *options, "--json")
    assert code == 2 and f"{protocol}: no proof here covers" in err
    assert f"leave out {option}" in err
    assert json.loads(out)["schema"] == "qlab.error/1"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocol": "one-decoys"}, "unknown protocol 'one-decoys'"),
        ({"protocol": 3}, "protocol: must be a word"),
        ({"protocol": "two-decoy"}, "intensities: two-decoy takes 3, not 2"),
        ({"protocol": "bbm92"}, "intensities: bbm92 takes none, not 2"),
        ({"n_z": [1, 2, 3]}, "n_z: one-decoy has 2 entries, not 3"),
        ({"m_x": []}, "m_x: one-decoy has 2 entries, not 0"),
        ({"m_x": [3456]}, "m_x: one-decoy has 2 entries, not 1"),
        ({"n_x": 5}, "n_x: one-decoy has 2 entries, not 1"),
        ({"m_z": [8875914, 1]}, "m_z: 8875914 errors in 8875913 detections"),
        ({"m_x": [3456, 20903]}, "m_x: 20903 errors in 20902 detections"),
        ({"m_x": [-1, 3]}, "m_x: -1 errors"),
        ({"n_z": [-1, 3]}, "m_z: 185856 errors in -1 detections"),
        ({"n_z": ["8875913", 1]}, 'n_z: "8875913" is not a number'),
        ({"n_z": [True, 1]}, "n_z: true is not a number"),
        ({"n_z": [None, 1]}, "n_z: null is not a number"),
        ({"n_z": {"a": 1}}, 'n_z: {"a": 1} is not a number'),
        ({"n_z": [[1], 1]}, "n_z: [1] is not a number"),
        ({"n_z": [0.5, 1]}, "n_z: 0.5 is not a whole number"),
        ({"n_z": [10**20, 1]}, "n_z: 100000000000000000000 is not a whole number"),
        ({"probabilities": [0.7, 0.2]}, "probabilities: their sum is 0.9, not 1"),
        ({"probabilities": [1.0]}, "probabilities: there must be one for each"),
        ({"probabilities": [1.3, -0.3]}, "probabilities: each must lie between 0 and 1"),
        ({"intensities": [0.15, 0.51]}, "intensities: they must be strictly descending"),
        ({"intensities": [0.5, 0.5]}, "intensities: they must be strictly descending"),
        ({"intensities": [0.5, [0.1, 0.6]]}, "intensities: they must be strictly descending"),
        ({"intensities": [0.5, 0.0]}, "intensities: the weaker of two must be positive"),
        ({"intensities": [0.5, [0.2, 0.1]]}, "intensities: 0.2 to 0.1 is no interval"),
        ({"intensities": [0.5, [0.1]]}, "intensities: [0.1] is not an interval"),
        ({"intensities": [0.5, [0.1, "x"]]}, 'intensities: "x" is not a number'),
        ({"intensities": [1000, 0.1]}, "intensities: 1000 to 1000 is no interval"),
        ({"leak_ec": -1}, "leak_ec: a number of bits"),
        ({"leak_ec": 1.5}, "leak_ec: 1.5 is not a whole number"),
        ({"leak_ec": [1]}, "leak_ec: [1] is not a number"),
        ({"eps_sec": 0}, "eps_sec: it must be"),
        ({"eps_sec": 1}, "eps_sec: it must be"),
        ({"eps_sec": -1e-9}, "eps_sec: it must be"),
        ({"eps_cor": 2}, "eps_cor: it must be"),
        ({"eps_cor": 1e-300}, "eps_cor: it must be"),
        ({"tag_bits": "64"}, 'tag_bits: "64" is not a number'),
        ({"announced_bits": -1}, "announced_bits: a number of bits"),
        ({"detectors": 0.2}, "detectors: not an object"),
        ({"detectors": {"efficiency": [0.2]}}, "detectors: [0.2] is not an interval"),
        ({"detectors": {"efficiency": [0.2, 0.1]}}, "detectors: the lowest and highest"),
        ({"detectors": {"efficiency": [0.1, 0.2], "dark": 1}}, "detectors.dark: unknown key"),
        ({"nz": [1, 2]}, "nz: unknown key"),
        ({"eps_secc": 1e-9}, "eps_secc: unknown key"),
    ],
)
def test_what_makes_no_sense_names_the_key_and_a_remedy(qlab, counts, changes, said):
    code, out, err = qlab("key", "length", counts(ONE, **changes), "--json")
    assert code == 2 and said in err
    assert "remedy: " in err and err.count("\n") == 2
    assert json.loads(out)["schema"] == "qlab.error/1"


def test_intensities_of_three_leave_room_for_the_strongest(qlab, counts):
    code, _, err = qlab("key", "length", counts(TWO, intensities=[0.5, 0.4, 0.1]))
    assert code == 2 and "strongest must exceed the sum of the others" in err


def test_a_near_miss_is_named(qlab, counts):
    facts = dict(ONE, eps_seq=ONE["eps_sec"])
    del facts["eps_sec"]
    assert "did you mean 'eps_sec'?" in qlab("key", "length", counts(facts))[2]


@pytest.mark.parametrize("key", list(ONE))
def test_a_missing_key_is_named(qlab, counts, key):
    facts = {name: value for name, value in ONE.items() if name != key}
    code, _, err = qlab("key", "length", counts(facts))
    assert code == 2 and f"{key}: missing" in err and "remedy: " in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ('{"protocol": "one-decoy",}', "not valid JSON"),
        ("[1, 2]", "not an object"),
        ("null", "not an object"),
        ('{"n_z": NaN}', "NaN is no number"),
        ('{"n_z": [-Infinity]}', "-Infinity is no number"),
        ('{"leak_ec": 1e999}', "leak_ec"),
        ('{"leak_ec": ' + "9" * 5000 + "}", "a number has 5000 digits"),
        ('{"leak_ec": 1, "leak_ec": 2}', "leak_ec: given twice"),
        ("[" * 100_00 + "]" * 100_00, "nested too deeply"),
        ('{"n_z": ' + '{"a":' * 9000 + "1" + "}" * 9000 + "}", "nested too deeply"),
        (" " * 100_000, "above 65536 bytes"),
    ],
)
def test_a_file_that_is_no_counts_is_refused(qlab, counts, text, said):
    if "1e999" in text:
        text = json.dumps(ONE).replace("1776924", "1e999")
        said = "leak_ec: too large"
    code, _, err = qlab("key", "length", counts(text))
    assert code == 2 and said in err


def test_a_file_that_cannot_be_read_is_refused(qlab, tmp_path):
    assert "no such file" in qlab("key", "length", tmp_path / "none.json")[2]
    assert f"{tmp_path}: a folder" in qlab("key", "length", tmp_path)[2]
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe{}")
    assert "not a text in UTF-8" in qlab("key", "length", binary)[2]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.json")
        code, _, err = qlab("key", "length", tmp_path / "pipe.json")
        assert code == 2 and "pipe.json: no file to read from" in err


def test_a_callers_values_count_instead_of_the_files(counts):
    path = counts(ONE, leak_ec=5)
    assert read_counts(path, given={"leak_ec": 7}).leak_ec == 7
    assert read_counts(path, assumed={"leak_ec": 7}).leak_ec == 5
    facts = {name: value for name, value in ONE.items() if name not in ("leak_ec", "eps_sec")}
    found = read_counts(counts(facts), given={"leak_ec": 7}, assumed={"eps_sec": 1e-6})
    assert (found.leak_ec, found.eps_sec) == (7, 1e-6)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([ONE, TWO, SINGLE]), st.data())
def test_any_value_is_taken_or_refused(facts, data):
    key = data.draw(st.sampled_from([*facts, "detectors", "tag_bits", "x"]))
    try:
        counts_from({**facts, key: data.draw(values)})
    except UsageError as error:
        assert error.remedy and "\n" not in error.message
