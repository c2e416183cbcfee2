"""A report is attached to the ablation's run, and made again from there alone."""

from pathlib import Path

import pytest
from tests.report.ablations import ablation

from multihead.ablation.records import ABLATION_TAG, PARENT_KIND
from multihead.cli.main import main
from multihead.report.ablation import page
from multihead.report.ablation_record import attach
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


@pytest.mark.parametrize("name", ["nowhere", "it's"])
def test_an_ablation_that_is_not_there_is_one_line(
    name: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["report", name])
    assert end.value.code == 2
    assert "there is no ablation" in capsys.readouterr().err
