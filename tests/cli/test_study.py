"""`multihead study` as a person meets it: mistakes cost a line, and leave nothing."""

from pathlib import Path

import pytest

from multihead.cli.main import main
from multihead.cli.study_show import each_once

FOURTH = "+data.heads.orientation.map=[0,1,2,3,0,1,2,3,0,1]"


def test_a_dry_run_shows_three_trials_and_the_cost_and_leaves_nothing(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["study", "digits_quick", "--dry-run", "trainer.max_epochs=1"])
    out, err = capfd.readouterr()
    assert (stop.value.code, err) == (0, "")
    assert out.startswith("# trial 0 (the defaults)")
    assert out.count("# trial") == 3
    assert "12 trials x 1 epochs: no estimate of the time" in out
    assert [path.name for path in home.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits_quik"], "did you mean 'digits_quick'"),
        (["digits_quick", "n_trial=4"], "n_trial"),
        (["digits_quick", "n_trials=many"], "n_trials is 'many'"),
        (["digits_quick", "workers=0"], "workers"),
        (["digits_quick", "trainer.max_epoch=1"], "max_epoch"),
        (["digits_quick", "confirm.seed=1"], "confirm.seed"),
        (["digits_quick", "sampler=tpa"], "did you mean 'tpe'"),
        (["digits_quick", "pruner=dominance"], "the study has one"),
        (["digits_quick", "objectives=[val/digit_acc,val/acc]"], "choose dominance or none"),
        (["digits_quick", "objectives=val/loss"], "depends on the weights"),
        (["digits_quick", "objectives=test/digit_acc"], "never read"),
        (["digits_quick", FOURTH, "objectives=val/orientaton_acc"], "val/orientation_acc"),
        (["digits_quick", FOURTH, "space.loss_weights={simplex: [digit, angle]}"], "'angle'"),
        (["digits_quick", "space.model.optimizer.rl=[0.1]"], "optimizer has: lr"),
        (["digits_quick", "enqueue=[20200101-000000-abcdef]"], "20200101-000000-abcdef"),
        (["digits_quick", "storage=mysql://localhost/x"], "not a kind of database"),
        (["digits_quick", "storage=postgresql+psycopg://u:secret@127.0.0.1:9/x"], "not answer"),
        (["digits_quick", "--status"], "no study storage"),
        (["digits_quick", "--resume"], "no study storage"),
        (["digits_quick", "--export", "trials.xlsx"], ".parquet"),
        (["cifar10_loss_weights", "data.data_dir=nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    arguments: list[str], message: str, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["study", *arguments])
    out, err = capfd.readouterr()
    assert stop.value.code == 2
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
    assert "secret" not in err
    assert {path.name for path in home.iterdir()} <= {"mlflow.db", ".store.lock"}
    assert [path.name for path in home.parent.iterdir()] == ["home"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["a=8", "b=1", "a=2"], ["b=1", "a=2"]),
        (["model/net=x", "+a=8", "++a=2", "model/net=y"], ["++a=2", "model/net=y"]),
        (["~a", "++a=1"], ["~a", "++a=1"]),
        (["a=null", "++a={x:1}"], ["a=null", "++a={x:1}"]),
    ],
)
def test_the_command_that_repeats_a_trial_gives_each_override_once(
    given: list[str], kept: list[str]
) -> None:
    """But for those without which a mapping would be merged with the base's."""
    assert each_once(*given) == kept


@pytest.mark.slow(minutes=0.2)
def test_a_study_whose_trials_all_fail_says_why_and_exits_with_1(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rate = "space={model.optimizer.lr: {low: 1e30, high: 1e31}}"
    small = ["n_trials=2", "confirm.seeds=0", "trainer.max_epochs=1", "defaults=false"]
    with pytest.raises(SystemExit) as stop:
        main(["study", "digits_quick", rate, *small])
    assert stop.value.code == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert last.startswith("multihead: all 2 trials failed; the last one: the loss of head ")
