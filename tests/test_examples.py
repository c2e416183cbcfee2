"""What the README and the examples show, run as they show it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT, multihead

from multihead import run

README = (ROOT / "README.md").read_text()


def test_the_plain_lightning_script_trains(tmp_path: Path) -> None:
    script = ROOT / "examples" / "plain_lightning.py"
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "test/digit_acc" in done.stdout


@pytest.mark.slow
def test_the_vimh_script_shows_trains_and_analyses_again(tmp_path: Path) -> None:
    script = [sys.executable, ROOT / "examples" / "vimh_training.py", "--demo", "--save-plots"]

    def example(*arguments: str) -> dict[str, Any]:
        small = ["--size", "256", "--epochs", "1", "--out", str(tmp_path / "out")]
        done = subprocess.run(
            [*script, *small, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        results: dict[str, Any] = json.loads((tmp_path / "out" / "results.json").read_text())
        return results

    trained = example()
    written = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert written == {
        *("dataset.html", "dataset.png", "model.ckpt", "results.json"),
        *("predicted_note_number.png", "predicted_note_velocity.png"),
    }
    assert trained["samples"] == {"train": 224, "test": 32}
    assert trained["metrics"]["test/note_number_mae"] > 0
    again = example("--analyze-only", "--checkpoint", trained["checkpoint"])
    assert again["metrics"] == {**trained["metrics"], **_progress(again["metrics"])}


def _progress(metrics: dict[str, float]) -> dict[str, float]:
    """Where the trainer stood, which is not what was measured."""
    return {name: metrics[name] for name in ("epoch", "step") if name in metrics}


def test_a_dataset_of_ones_own_is_one_function_and_one_yaml(home: Path) -> None:
    folder = ROOT / "examples" / "new_dataset"
    done = multihead(
        ["train", "data=stripes", "trainer.max_epochs=2"], folder=folder, PYTHONPATH=str(folder)
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"direction.* 1\.0000", done.stdout)


def test_the_fourth_head_of_the_readme_is_yaml_only(
    home: Path, mnist_dir: Path, tmp_path: Path
) -> None:
    (block,) = re.findall(r"```yaml\n(defaults: .*?)```", README, re.DOTALL)
    heads = tmp_path / "experiments" / "data" / "heads"
    heads.mkdir(parents=True)
    (heads / "mine.yaml").write_text(block)
    assert "orientation" in yaml.safe_load(block)
    small = [f"data.data_dir={mnist_dir}", "data.train_val_test_split=[80,40,40]"]
    result = run(
        ["experiment=multihead_cnn_mnist", "data/heads=mine", "trainer.max_epochs=1", *small]
    )
    assert result.heads["orientation"] == 4
