"""What the README and the examples show, run as they show it."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import numpy as np
import pytest
import torch
import yaml
from tests.conftest import ROOT, multihead
from tests.documented import commands
from tests.examples import example

from multihead import Head, Heads, load_run, run, runs_table
from multihead.cli.main import main
from multihead.errors import DataError

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


SMALL = {
    "train": ["trainer.max_epochs=1", "+trainer.limit_train_batches=4"],
    "rerun": ["trainer.max_epochs=1"],
    "study": ["n_trials=1", "workers=1", "trainer.max_epochs=1"],
    "ablate": ["seeds=2", "trainer.max_epochs=1"],
}


@pytest.fixture
def inside(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a copy of an example's folder the current one."""

    def go(name: str) -> Path:
        ignored = shutil.ignore_patterns("__pycache__", "leaves", "report", "*.npz")
        folder = Path(shutil.copytree(ROOT / "examples" / name, home.parent / name, ignore=ignored))
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        return folder

    return go


def plugins() -> list[str]:
    names = ["npz_dataset", "count_kind", "kappa_metric", "slaw_balancer", "noise_transform"]
    for name in names:
        example(f"plugins/{name}.py")
    example("plugins/npz_dataset.py").write_cells(Path("cells.npz"))
    return names


def test_all_plugins_train_together_and_are_read_again(inside: Callable[[str], Path]) -> None:
    inside("plugins")
    plugins()
    result = run(["experiment=cells", "trainer.max_epochs=3", "trainer.accelerator=cpu"])
    assert {"train/count_weight", "val/count_poisson_deviance"} <= result.metrics.keys()
    assert result.metrics["test/count_mae"] < 1.2
    assert result.metrics["test/stage_quadratic_kappa"] > 0.3
    trust = ["count_kind.Count", "kappa_metric.quadratic_kappa", "npz_dataset.npz"]
    trust += ["slaw_balancer.SLAW", "noise_transform.Noise"]
    assert result.run_id is not None
    loaded = load_run(result.run_id, trust=trust)
    said = loaded.predict(np.load("cells.npz")["test_images"])
    assert (said["count"] > 0).all()
    assert np.corrcoef(said["count"], np.load("cells.npz")["test_count"])[0, 1] > 0.7


def test_counts_have_an_interval_and_the_score_of_a_guess_is_zero() -> None:
    count = example("plugins/count_kind.py").Count(mean=3.0)
    head = Head("cells", kind=count)
    readout = count.readout(head)
    labels = torch.tensor([1.0, 5.0, 3.0, 3.0])
    guess = torch.zeros(4, 1)  # the mean of the training labels
    columns = dict(zip(readout.columns, readout.measures(guess, labels).mean(1), strict=True))
    assert count.score(head, {n: float(v) for n, v in columns.items()}) == pytest.approx(
        0, abs=1e-6
    )
    told = count.answer(head, readout, guess)
    assert (told["cells"][0], told["cells_low"][0], told["cells_high"][0]) == (3, 1, 6)


def test_slaw_weighs_by_the_deviation_of_each_loss(heads: Heads) -> None:
    slaw = example("plugins/slaw_balancer.py").SLAW(heads, decay=0.9)
    draw = torch.Generator().manual_seed(0)
    for _ in range(300):
        noise = torch.randn(2, generator=draw)
        _, weights = slaw(torch.tensor([5.0, 9.0]) + torch.tensor([0.1, 0.4]) * noise)
    assert weights.sum() == pytest.approx(2)
    assert 2 < weights[0] / weights[1] < 8  # 4 in the long run


def test_files_of_medmnist_are_read_as_they_are(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 20), ("val", 6), ("test", 8)):
        arrays[f"{split}_images"] = draw.integers(0, 256, (count, 28, 28, 3), np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 5).astype(np.uint8)[:, None]
    np.savez(tmp_path / "retinamnist.npz", **arrays)
    npz = example("plugins/npz_dataset.py").npz
    train, test = (npz(tmp_path, split, "retinamnist.npz") for split in ("train", "test"))
    assert (len(train), int(train.validation.sum()), len(test)) == (26, 6, 8)
    assert train.heads == test.heads == Heads([Head("labels", 5)])
    np.testing.assert_array_equal(test.images[3, 1], arrays["test_images"][3, :, :, 1])
    with pytest.raises(DataError, match=r"no\.npz does not exist"):
        npz(tmp_path, "train", "no.npz")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plugins", "own_data"])
def test_the_commands_of_an_example_run_one_after_the_other(
    name: str, inside: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = inside(name)
    if name == "plugins":
        plugins()
    else:
        example("own_data/make_leaves.py").write(folder / "leaves", plants=30)
    for command in commands(ROOT / "examples" / name / "README.md"):
        words = command.words[1:]
        if "RUN" in words:
            words[words.index("RUN")] = runs_table(limit=1)["run"][0]
        looks = any(word.startswith("--") and word != "--trust" for word in words)
        with pytest.raises(SystemExit) as end:
            main([*words, *([] if looks else SMALL.get(words[0], []))])
        shown = capsys.readouterr()
        assert end.value.code == 0, f"{command}: {shown.err}"
    if name == "own_data":
        assert (folder / "report" / "report.html").is_file()


@pytest.mark.slow(minutes=2)
def test_the_notebook_runs_and_is_kept_without_outputs(home: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "examples" / "quickstart.ipynb", as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
            if "\n!" in cell.source:  # such a line does not end a notebook when it fails
                cell.source += "\nassert _exit_code == 0"
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=200, resources=place).execute()
    assert (tmp_path / "comparison" / "report.html").is_file()
    (curves,) = (cell for cell in notebook.cells if "plt.plot" in cell.source)
    assert any("image/png" in output.get("data", {}) for output in curves.outputs)
