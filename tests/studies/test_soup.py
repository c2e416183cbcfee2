"""Soups of a study of the digits: what is averaged, how it is chosen, the run that comes of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from optuna.trial import FrozenTrial
from tests.stops import points_of
from torch import Tensor, nn

from multihead import load_run
from multihead.cli.main import cli
from multihead.errors import CheckpointError, ConfigError
from multihead.runs.evaluation import evaluation_config
from multihead.runs.execute import execute
from multihead.settings import study_storage
from multihead.studies.create_or_resume import OpenStudy, start
from multihead.studies.soup import chosen_greedily, ingredients
from multihead.studies.soup_run import Soup, make_soup
from multihead.studies.table import ranked
from multihead.studies.worker import main
from multihead.tracking.find import find_run
from multihead.training.checkpoints import read_checkpoint
from multihead.training.weight_average import (
    averaged,
    first_difference,
    needs_statistics,
    recompute_statistics,
)

FILE = """
experiment: multihead_cnn_digits
overrides: [{overrides}]
space:
  model.optimizer.lr: {{low: 1.0e-3, high: 1.0e-2, log: true}}
  {further}
objectives: val/digit_acc
sampler: random
n_trials: 3
"""
SPLIT = "trainer.accelerator=cpu, trainer.precision=32-true, 'data.train_val_test_split=[64,64,64]'"


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, empty_store: Path, empty_studies: Path
) -> Iterator[Path]:
    """A home with two studies of three trials: of one architecture, and of several."""
    home = tmp_path_factory.mktemp("soup") / "home"
    home.mkdir()
    shutil.copy(empty_store, home / "mlflow.db")
    shutil.copy(empty_studies, home / "studies.db")
    for name, further in (
        ("same", "model.net.dropout: {low: 0.0, high: 0.5}"),
        ("wide", "model.net.fc_hidden: {low: 64, high: 256}"),
    ):
        text = FILE.format(overrides=f"trainer.max_epochs=2, {SPLIT}", further=further)
        (home.parent / f"{name}.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MULTIHEAD_HOME", str(home))
        patch.chdir(home.parent)
        yield home


def searched(name: str) -> OpenStudy:
    from multihead.studies.definition import load_definition

    opened = start(load_definition(f"{name}.yaml", ()), resume=False)
    assert opened.presence is not None
    assert main(["--study", name, "--storage", study_storage()]) == 0
    opened.presence.end()
    return opened


@pytest.fixture(scope="module")
def same(home: Path) -> OpenStudy:
    """Three trials of one architecture, with other learning rates and dropout."""
    return searched("same")


@pytest.fixture(scope="module")
def soup(same: OpenStudy) -> Soup:
    """Of all three."""
    return make_soup(same, 3, greedy=False)


def weights_of(run_id: str | None) -> dict[str, Tensor]:
    return load_run(str(run_id)).network.state_dict()


def test_weights_are_the_mean_and_batch_norm_is_measured_anew(same: OpenStudy, soup: Soup) -> None:
    trials = [each.weights for each in ingredients(same, 3)]
    mixture = weights_of(soup.result.run_id)
    measured = [name for name in mixture if "running" in name or "num_batches" in name]
    assert measured
    for name, value in mixture.items():
        mean = torch.stack([trial[name].double() for trial in trials]).mean(0)
        if name not in measured:
            torch.testing.assert_close(value.double(), mean, rtol=1e-6, atol=1e-7)
        elif "running" in name:
            assert not torch.allclose(value.double(), mean, rtol=1e-3), name


def test_the_table_has_ingredients_their_mean_the_best_and_the_soup(
    same: OpenStudy, soup: Soup
) -> None:
    order = ranked(same.definition, same.trials())
    names = [f"trial {trial.number}" for trial in order]
    assert list(soup.table["what"]) == [*names, "mean of them", "best of them", "soup"]
    rows = soup.table.set_index("what")
    for trial in order:
        assert rows.loc[f"trial {trial.number}", "val/digit_acc"] == pytest.approx(trial.values[0])
    assert rows.loc["mean of them", "test/loss"] == pytest.approx(rows["test/loss"][:3].mean())
    assert rows.loc["best of them", "val/digit_acc"] == rows.loc[names[0], "val/digit_acc"]
    written = pd.read_csv(soup.result.folder / "soup.csv")
    assert list(written["what"]) == list(soup.table["what"])
    assert soup.result.metrics["test/digit_acc"] == rows.loc["soup", "test/digit_acc"]


def test_the_soup_is_a_run_of_the_study_that_is_evaluated_like_any_other(
    same: OpenStudy, soup: Soup
) -> None:
    run = find_run(same.store, str(soup.result.run_id))
    assert run.info.experiment_id == same.store.experiment_id("same")
    trials = [str(trial.number) for trial in ranked(same.definition, same.trials())]
    tags = run.data.tags
    assert (tags["multihead.kind"], tags["multihead.study"]) == ("soup", "same")
    assert (tags["multihead.soup"], tags["multihead.soup_trials"]) == ("uniform", ",".join(trials))
    stored = same.store.client.list_artifacts(run.info.run_id, "checkpoints")
    assert [item.path for item in stored] == ["checkpoints/best.ckpt"]
    points = points_of(same.store, str(soup.result.run_id))
    assert len(points["test/digit_acc"]) == 1
    assert points["best/val/digit_acc"][0][1] == soup.table["val/digit_acc"].iloc[-1]
    again = execute(evaluation_config(str(soup.result.run_id), []))
    assert again.metrics["test/loss"] == pytest.approx(soup.result.metrics["test/loss"])


def test_a_soup_of_one_is_that_trial_to_the_bit(same: OpenStudy) -> None:
    one = make_soup(same, 1, greedy=False)
    (best,) = ingredients(same, 1)
    there = read_checkpoint(one.result.best_checkpoint)["state_dict"]
    for name, value in best.checkpoint["state_dict"].items():
        assert there[name].equal(value), name
    row = one.table.set_index("what")
    assert row.loc["soup", "test/loss"] == row.loc["best of them", "test/loss"]


class Said:
    """What validation says of a mean, by the trials in it."""

    def __init__(self, values: dict[tuple[int, ...], float]) -> None:
        self.values = values

    def objectives(self, weights: object, made_of: list[FrozenTrial]) -> list[float]:
        return [self.values[tuple(each.trial for each in made_of)]]


def test_greedily_a_trial_is_left_out_by_which_validation_falls(same: OpenStudy) -> None:
    found = ingredients(same, 3)
    first, second, third = (each.trial for each in found)
    said = Said({(first,): 0.5, (first, second): 0.4, (first, third): 0.5})
    assert [each.trial for each in chosen_greedily(found, said)] == [first, third]


@pytest.mark.slow
def test_the_command_chooses_greedily_and_prints_the_table(same: OpenStudy) -> None:
    done = CliRunner().invoke(
        cli, ["soup", "same.yaml", "--best", "2", "--greedy"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    for text in ("mean of them", "best of them", "soup", "val/digit_acc", "test/digit_acc"):
        assert text in done.output


def test_too_few_trials_are_refused(same: OpenStudy) -> None:
    with pytest.raises(
        ConfigError, match="study same has 3 complete trials, but --best asks for 4"
    ):
        ingredients(same, 4)


def test_an_unknown_study_is_refused(home: Path) -> None:
    with pytest.raises(ConfigError, match="the storage has no study 'other'"):
        CliRunner().invoke(
            cli, ["soup", "same.yaml", "name=other", "--best", "1"], catch_exceptions=False
        )


@pytest.mark.slow
def test_a_study_of_several_architectures_is_refused_with_the_parameter_that_differs(
    home: Path,
) -> None:
    runs = len(list(home.glob("2*")))
    opened = searched("wide")
    with pytest.raises(
        CheckpointError,
        match=r"have no weights in common: \S+ is \[.*The study searches model\.net\.\w+\.",
    ):
        make_soup(opened, 3, greedy=False)
    assert len(list(home.glob("2*"))) == runs + 4, "three trials and the study's own run"
    assert not list(home.glob(".soup*"))


def test_a_checkpoint_that_the_study_did_not_keep_is_refused_with_the_setting(
    same: OpenStudy,
) -> None:
    worst = ranked(same.definition, same.trials())[-1]
    folder = same.store.home / worst.user_attrs["runs"][str(same.plan.configs.seed(0))]
    hidden = folder.rename(folder.with_name("hidden"))
    kept = same.definition
    try:
        same.definition = kept.model_copy(update={"keep": 2})
        run = find_run(same.store, folder.name)
        place = Path(run.info.artifact_uri.removeprefix("file://")) / "checkpoints"
        away = place.rename(place.with_name("away"))
        with pytest.raises(CheckpointError, match=r"keep=2\); give --best 2, or .* keep=3 or"):
            ingredients(same, 3)
        away.rename(place)
    finally:
        same.definition = kept
        hidden.rename(folder)


def test_whole_numbers_are_those_of_the_first_and_shapes_are_compared() -> None:
    one = {"w": torch.tensor([1.0, 3.0]), "n": torch.tensor(3)}
    other = {"w": torch.tensor([2.0, 5.0]), "n": torch.tensor(8)}
    assert averaged([one, other])["w"].tolist() == [1.5, 4.0]
    assert averaged([one, other])["n"].item() == 3
    assert first_difference(one, other) is None
    assert first_difference(one, {"w": torch.zeros(3)}) == (
        "w is [2] in the first, but [3] in the second"
    )
    assert "n is [] in the first, but missing" in str(first_difference(one, {"w": one["w"]}))
    assert first_difference({}, one) == "w is missing in the first"


def test_statistics_of_batch_norm_are_those_of_the_training_images() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(2))
    same, other = net.state_dict(), {**net.state_dict(), "1.running_mean": torch.ones(2)}
    assert not needs_statistics(net, [same, same]), "frozen layers keep theirs"
    assert needs_statistics(net, [same, other])
    net[0].p = 0.0
    batches = [(torch.randn(8, 2) + 3, {}) for _ in range(4)]
    recompute_statistics(net, batches, torch.device("cpu"))
    mean = torch.stack([batch.mean(0) for batch, _ in batches]).mean(0)
    torch.testing.assert_close(net[1].running_mean, mean)
