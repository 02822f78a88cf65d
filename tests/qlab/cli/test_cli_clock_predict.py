"""`qlab clock predict`, as a person types it."""

import json

import pytest

from qlab.cli import main

OWN = ("--controller", "lqg", "--gains", "0.19,1.06,1")


@pytest.fixture
def predict(capsys):
    """Run a command line in this process; gives exit code, stdout and stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["clock", "predict", *(str(argument) for argument in arguments)])
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return run


def test_it_chooses_gains_and_says_what_they_reach(predict):
    code, out, err = predict("--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["schema"] == "qlab.clock.predict/1"
    assert found["local"]["name"] == "fs725"
    assert found["reference"]["name"] == "5071a-hp"
    design = found["design"]
    assert design["chosen"]
    assert design["worst_ratio"] < 1.2
    stability = found["stability"]
    assert stability["tau"] == [1, 2, 5, *(10 * 2**k for k in range(11))]
    worst = max(
        steered / min(reference, free)
        for tau, steered, reference, free in zip(
            *(stability[key] for key in ("tau", "steered_tdev", "reference_tdev", "free_tdev")),
            strict=True,
        )
        if tau >= 10
    )
    assert worst == pytest.approx(design["worst_ratio"], rel=1e-3)
    assert max(stability["ratio"][:3]) < 1.6
    assert 60.0 < found["phase_margin_deg"] < 90.0
    assert 30.0 <= found["time_to_lock_s"] < 600.0
    holdover = found["holdover"]
    assert holdover["t"] == [10, 100, 1000, 10_000, 86_400]
    assert holdover["rms_s"] == sorted(holdover["rms_s"])
    # The same gains, given: the same figures.
    gains = ",".join(str(design["gains"][key]) for key in ("phase", "frequency", "reading"))
    code, out, _ = predict("--json", "--controller", design["controller"], "--gains", gains)
    again = json.loads(out)
    assert not again["design"].pop("chosen")
    assert again["design"] == {key: design[key] for key in again["design"]}
    assert again["stability"] == stability


def test_gains_of_a_loop_that_should_not_be_are_gains_all_the_same(predict):
    """They do next to nothing, but the loop is stable with them."""
    pair = ("--local", "maser", "--noise", "1e-9", "--json")
    design = json.loads(predict(*pair)[1])["design"]
    gains = ",".join(str(gain) for gain in design["gains"].values())
    code, _, err = predict(*pair, "--controller", design["controller"], "--gains", gains)
    assert (code, err) == (0, "")


def test_text_has_every_figure(predict):
    code, out, _ = predict(*OWN, "--noise", "1e-9", "--interval", "2", "--dead", "0.5")
    assert code == 0
    assert "a reading every 2 s, 1e-09 s rms" in out
    assert "commands act 1 s after their reading" in out
    assert "phase margin" in out
    assert "holdover after a day of readings" in out
    assert out.count("\n") > 22


@pytest.mark.parametrize(
    "pair, pays, advice",
    [
        (("--local", "fs725"), 20.0, "steering pays from 20 s on; below, fs725 alone"),
        (("--local", "maser", "--reference", "sa45s"), None, "steer sa45s to maser"),
        (("--local", "fs725", "--noise", "1e-4"), None, "readings are too noisy"),
        (("--local", "sa45s", "--noise", "1e-12"), 1.0, "pays at every averaging time"),
    ],
)
def test_it_says_where_steering_pays(predict, pair, pays, advice):
    gains = ("--controller", "lqg", "--gains", "0.001,0.001,1")
    _, out, _ = predict(*gains, *pair, "--json")
    found = json.loads(out)
    assert found["steering_pays_from_s"] == pays
    assert advice in found["advice"]
    better = [
        tau
        for tau, reference, free in zip(
            *(found["stability"][key] for key in ("tau", "reference_tdev", "free_tdev")),
            strict=True,
        )
        if reference < free
    ]
    assert better[:1] == ([] if pays is None else [pays])
    _, text, _ = predict(*gains, *pair)
    assert found["advice"] in text


def test_coefficients_are_as_good_as_a_name(predict):
    _, by_name, _ = predict(*OWN, "--json", "--local", "ocxo-good", "--reference", "MASER")
    code, by_figures, _ = predict(
        *OWN, "--json", "--reference", "maser",
        "--local", "h-1=6.492127684000335e-26, h-2=3.799544386587667e-30, ageing=1e-15",
    )  # fmt: skip
    assert code == 0
    assert json.loads(by_figures)["stability"] == json.loads(by_name)["stability"]
    assert json.loads(by_figures)["local"]["h0"] == 0.0


@pytest.mark.parametrize(
    "wrong, said",
    [
        (("--local", "sundial"), "neither one of 5071a"),
        (("--local", "h0=1e-22,h7=3"), "the coefficients are"),
        (("--local", "h0=-1"), "neither one of"),
        (("--local", "h0=5"), "coefficient"),
        (("--local", "pm=1e-12"), "without noise"),
        (("--gains", "1,2"), "gains belong to a controller"),
        (("--gains", "1"), "not two or three numbers"),
        (("--controller", "lqg", "--gains", "5,1"), "unstable"),
        (("--controller", "pid"), "pid"),
        (("--noise", "0"), "0"),
        (("--noise", "nan"), "no finite number"),
        (("--noise", "1"), "the noise of a reading"),
        (("--interval", "1e9"), "apart"),
        (("--dead", "2"), "2"),
        ((*OWN, "--phase", "nan"), "a warm start"),
        (("--plot", "loop.bmp"), ".png"),
    ],
)
def test_what_is_wrong_is_said(predict, wrong, said):
    code, out, err = predict(*wrong)
    assert code == 2
    assert out == ""
    assert said in err
    assert "remedy: " in err
    assert "internal" not in err


def test_a_picture_is_drawn_and_not_overwritten(predict, tmp_path):
    picture = tmp_path / "loop.png"
    code, out, _ = predict(*OWN, "--plot", picture)
    assert code == 0
    assert f"wrote {picture}" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    code, _, err = predict(*OWN, "--plot", picture)
    assert code == 2
    assert "exists" in err
    assert predict(*OWN, "--plot", picture, "--force")[0] == 0
