"""What the README and the examples show, run as they show it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.conftest import ROOT, multihead

from multihead import run
from multihead.runs.config import compose_run

README = (ROOT / "README.md").read_text()


def test_the_plain_lightning_script_trains(tmp_path: Path) -> None:
    script = ROOT / "examples" / "plain_lightning.py"
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "test/digit_acc" in done.stdout


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


@pytest.mark.parametrize("command", re.findall(r"^ *multihead train (?!-m)(.*)$", README, re.M))
def test_every_training_of_the_readme_composes(command: str) -> None:
    shell = f"weight=0.5; printf '%s\\n' {command.partition(' # ')[0]}"
    words = subprocess.run(
        ["sh", "-c", shell], capture_output=True, text=True, check=True, env=os.environ
    ).stdout.splitlines()
    assert compose_run(words)["trainer"]["max_epochs"] > 0
