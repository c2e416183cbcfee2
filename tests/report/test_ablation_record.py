"""A report is attached to the ablation's run, and made again from there alone."""

from pathlib import Path

import pytest
from tests.report.ablations import ablation

from multihead.ablation.records import ABLATION_TAG, PARENT_KIND
from multihead.cli.main import main
from multihead.metrics import Metric, registry
from multihead.report.ablation import page, write
from multihead.report.ablation_record import attach
from multihead.report.ablation_tables import load
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store


def test_the_command_writes_the_report_that_was_attached(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = ablation(seeds=2, epochs=2)
    tags = {ABLATION_TAG: result.name}
    run = TrackedRun.create(store, "some", {}, name=result.name, kind=PARENT_KIND, tags=tags)
    attach(result, run)
    run.finish("FINISHED")
    with pytest.raises(SystemExit) as end:
        main(["report", result.name, "--out", str(tmp_path / "out")])
    assert end.value.code == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").read_text() == page(result)


def test_a_report_with_a_metric_of_ones_own_is_written_again_by_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command `report` does not import the code of the metric."""
    own = Metric("brier", "Brier score", "Brier", "brier", False, (0.0, 2.0))
    monkeypatch.setitem(registry.METRICS, "brier", own)  # and taken out again after the test
    write(ablation(seeds=2, epochs=2, metric="brier"), tmp_path)
    del registry.METRICS["brier"]
    again = load(tmp_path)
    assert not registry.METRICS["brier"].higher_is_better
    assert page(again) == (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("name", ["nowhere", "it's"])
def test_an_ablation_that_is_not_there_is_one_line(
    name: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["report", name])
    assert end.value.code == 2
    assert "there is no ablation" in capsys.readouterr().err
