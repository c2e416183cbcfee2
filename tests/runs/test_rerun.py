import json
from pathlib import Path

import pytest
import yaml
from tests.conftest import Run

from multihead.errors import ConfigError
from multihead.runs.rerun import RERUN_TAG, rerun
from multihead.tracking.find import find_run
from multihead.tracking.store import Store


def _history(store: Store, run_id: str) -> dict[str, list[tuple[int, float]]]:
    found = find_run(store, run_id)
    return {
        key: [(p.step, p.value) for p in store.client.get_metric_history(found.info.run_id, key)]
        for key in found.data.metrics
        if not key.startswith("system/")
    }


def test_a_rerun_gives_the_same_metrics_to_the_bit_and_links_back(train: Run, store: Store) -> None:
    first = train("model.optimizer.lr=0.01")
    again = rerun(first.run_id[:-2])
    assert again.notes[0] == "nothing differs from the record"
    assert again.run_id != first.run_id
    assert _history(store, again.run_id) == _history(store, first.run_id)
    found = find_run(store, again.run_id)
    assert found.data.tags[RERUN_TAG] == first.run_id
    assert {"grad_norm", "lr", "test/digit_ece"} <= set(found.data.metrics)


def test_a_rerun_says_what_differs_a_line_each(train: Run, store: Store) -> None:
    """The record is changed, which is as good as changing the world."""
    first = train()
    client = store.client
    client.set_tag(first.mlflow_id, "git.commit", "0" * 40)
    client.set_tag(first.mlflow_id, "data.train_digest", "1" * 32)
    client.set_tag(first.mlflow_id, "lock.sha256", "2" * 64)
    environment = first.folder / "environment.json"
    record = json.loads(environment.read_text())
    record["installed"] = [
        "numpy==1.0" if p.startswith("numpy==") else p for p in record["installed"]
    ]
    environment.write_text(json.dumps(record))
    notes = rerun(first.run_id, ["trainer.max_epochs=2", "test=false"]).notes
    starts = [note.split(" now")[0].rpartition(",")[0] for note in notes]
    for expected in (
        "trainer.max_epochs: 1 then",
        "test: True then",
        "numpy: 1.0 then",
        "commit: 000000000000 then",
        "requirements.lock: 222222222222 then",
        "training data: 111111111111 then",
    ):
        assert expected in starts


def test_a_rerun_takes_the_records_configuration_and_not_todays_presets(
    train: Run, store: Store
) -> None:
    first = train("test=false")
    config = yaml.safe_load((first.folder / "config.yaml").read_text())
    config["model"]["optimizer"]["lr"] = 0.005
    (first.folder / "config.yaml").write_text(yaml.safe_dump(config))
    again = rerun(first.run_id)
    assert find_run(store, again.run_id).data.params["model.optimizer.lr"] == "0.005"


@pytest.mark.slow
def test_a_run_whose_folder_is_gone_is_rerun_from_the_store(train: Run, store: Store) -> None:
    first = train("test=false")
    for path in sorted(first.folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    first.folder.rmdir()
    again = rerun(first.mlflow_id)
    assert again.metrics["val/digit_loss"] == first.metrics["val/digit_loss"]


def test_a_run_of_others_cannot_be_rerun(store: Store, tmp_path: Path) -> None:
    run = store.client.create_run("0")
    with pytest.raises(ConfigError, match=r"has no config\.yaml"):
        rerun(run.info.run_id)
    with pytest.raises(ConfigError, match="takes overrides only, not --cfg"):
        rerun(run.info.run_id, ["--cfg"])
