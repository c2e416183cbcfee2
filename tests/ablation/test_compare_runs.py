"""Runs picked by hand: what is an arm, and what such a comparison cannot show."""

from pathlib import Path

import pytest
from tests.conftest import Run

from multihead.ablation.compare_runs import compare_by_hand
from multihead.ablation.result import Result
from multihead.ablation.short_names import short_value
from multihead.cli.main import main
from multihead.errors import ConfigError, DataError
from multihead.tracking.find import find_run
from multihead.tracking.store import Store

SINGLE = (
    "data.only_heads=[digit]",
    "optimized_metric=null",
    "model.loss_weights=null",
    "~model.criteria.thickness",
    "~model.criteria.smoothness",
)


def _make(store: Store, number: int, lr: str, seed: int, **more: str) -> str:
    client, name = store.client, f"2026-{number}"
    tags = {"multihead.run": name, "data.train_digest": "a", "data.test_digest": "b"}
    tags |= {"git.commit": "c", "parameters": "100", "multihead.notes": ""}
    run = client.create_run("0", run_name=name, tags=tags | more).info.run_id
    for key, value in (("model.optimizer.lr", lr), ("seed", seed), ("data.seed", seed)):
        client.log_param(run, key, value)
    client.log_param(run, "paths.home", f"/somewhere/{number}")
    if more.get("ends") != "FAILED":
        for head in ("digit", "slant"):
            level = 0.9 + 0.01 * float(lr) + 0.001 * seed
            client.log_metric(run, f"test/{head}_loss", 1 - level)
            for step in (10, 20):
                client.log_metric(run, f"val/{head}_acc", level + step / 1e3, step=step)
            for prefix in ("best/val", "test"):
                client.log_metric(run, f"{prefix}/{head}_acc", level)
        client.log_metric(run, "test/slant_mae", 3.0 - 0.1 * float(lr) + 0.01 * seed)
    client.set_terminated(run, more.get("ends", "FINISHED"))
    return name


@pytest.fixture
def four(store: Store) -> list[str]:
    """Two learning rates with two seeds each."""
    settings = [("0.1", 1), ("0.1", 2), ("0.2", 1), ("0.2", 2)]
    return [_make(store, i, lr, seed) for i, (lr, seed) in enumerate(settings)]


def test_runs_that_differ_in_the_seed_alone_are_one_arm(store: Store, four: list[str]) -> None:
    result = compare_by_hand(four, store)
    assert result.baseline == "lr=0.1"
    assert result.runs.groupby("arm", sort=False).size().to_dict() == {"lr=0.1": 2, "lr=0.2": 2}
    judged = result.comparison.table.set_index(["head", "metric"])
    assert judged.loc[("digit", "acc"), "delta"] == pytest.approx(0.001)
    assert judged.loc[("slant", "mae"), "delta"] == pytest.approx(-0.01)
    assert set(result.curves["epoch"]) == {1, 2}


def test_curves_have_the_epochs_of_their_validations(store: Store, four: list[str]) -> None:
    """These runs validated every second epoch: at steps 10 and 20."""
    for name in four:
        run = find_run(store, name).info.run_id
        for epoch, step in enumerate((5, 10, 15, 20)):
            store.client.log_metric(run, "epoch", epoch, step=step)
    curves = compare_by_hand(four, store).curves
    assert set(curves["epoch"]) == {2, 4}
    assert curves["value"].notna().all()


def test_arms_have_the_names_of_choices_not_of_classes(store: Store) -> None:
    runs = [_make(store, number, "0.1", 1) for number in range(2)]
    classes = ({"": "GradNorm", ".alpha": "1.5"}, {"": "StaticWeights"})
    for name, balancer in zip(runs, classes, strict=True):
        for key, value in balancer.items():
            param = f"model.balancer{key or '._target_'}"
            text = value if key else f"multihead.balancing.{value}"
            store.client.log_param(find_run(store, name).info.run_id, param, text)
    arms = list(dict.fromkeys(compare_by_hand(runs, store).runs["arm"]))
    assert arms == ["balancer=gradnorm", "balancer=static"]
    assert short_value("model.net._target_", "somebody.Network") == "Network"


def test_what_picked_runs_cannot_show_is_not_met(store: Store, four: list[str]) -> None:
    met = {check.name: check.met for check in compare_by_hand(four, store).protocol}
    assert met["the same data and test set"]
    assert met["the same seeds in every arm"]
    assert not met["seeds enough for a verdict on every head"]
    assert not met["every run is shown"]
    assert not met["equal tuning"]


def test_other_data_and_failed_runs_are_said(store: Store, four: list[str]) -> None:
    more = {"data.test_digest": "other", "ends": "FAILED", "multihead.error": "it broke"}
    result = compare_by_hand([*four, _make(store, 9, "0.2", 3, **more)], store)
    checks = {check.name: check for check in result.protocol}
    assert not checks["the same data and test set"].met
    assert "data.test_digest" in checks["the same data and test set"].reason
    assert "it broke" in checks["no training failed"].reason
    assert result.runs["state"].tolist().count("FAILED") == 1


def test_the_digests_of_other_heads_differ_and_that_is_said(train: Run, store: Store) -> None:
    """A digest is of images, labels and heads together."""
    both = train("seed=1")
    single = train("seed=1", *SINGLE)
    reason = _data_reason(compare_by_hand([both.run_id, single.run_id], store))
    assert reason.startswith("the digests differ because the heads differ")


def _data_reason(result: Result) -> str:
    (check,) = (c for c in result.protocol if c.name == "the same data and test set")
    assert not check.met
    return check.reason


@pytest.mark.parametrize(
    ("chosen", "error", "said"),
    [
        ([0, 1], ConfigError, "differ only in their seeds"),
        ([0, 0], ConfigError, "named twice"),
        ([0, 2, 4], DataError, "keep one run"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    store: Store, four: list[str], chosen: list[int], error: type[Exception], said: str
) -> None:
    runs = [*four, _make(store, 5, "0.2", 1)]
    with pytest.raises(error, match=said):
        compare_by_hand([runs[i] for i in chosen], store)


def test_the_command_writes_the_page(
    four: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["compare", *four, "--out", str(tmp_path / "out")])
    assert end.value.code == 0
    assert "not met of the protocol: " in capsys.readouterr().out
    assert "picked by hand" in (tmp_path / "out" / "report.html").read_text()
