"""Commands of the README, the tutorial, the reference and the examples can be typed.

A line that begins with `multihead` or `make` in a block without a language is a command. One that
none of `WAYS` knows fails here, so nobody can document a command that was never tried.
"""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import click
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from tests.conftest import ROOT
from tests.documented import COMMANDS, Command
from tests.examples import EXAMPLES, example

from multihead.ablation import definition as ablation
from multihead.cli.main import cli
from multihead.errors import MultiheadError
from multihead.runs.api import run
from multihead.runs.config import compose_run, split_run
from multihead.studies import definition as studies

# The trainings whose data are here, or are made in no time, and what makes them small.
TRAINED = {
    "_digits": [],
    "_mnist": ["data.train_val_test_split=[80,40,40]"],
    "own_data": [],
}


def variants(words: Sequence[str]) -> list[list[str]]:
    """Return the overrides of each training of `train -m`."""
    parsed = OverridesParser.create().parse_overrides(list(words))
    choices = [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()]
        if o.is_sweep_override()
        else [o.input_line]
        for o in parsed
    ]
    return [list(chosen) for chosen in product(*choices)]


def composes(name: str, words: Sequence[str]) -> None:
    if words[0] == "-m":
        for overrides in variants(words[1:]):
            composes(name, overrides)
        return
    _, overrides = split_run(words, "resume")
    overrides = [word for word in overrides if not word.startswith("--")]
    assert compose_run(overrides)["trainer"]["max_epochs"] > 0


def is_read(name: str, words: Sequence[str]) -> None:
    """Take arguments and options apart as the command would, and do nothing."""
    command: click.Command | None = cli
    rest = [name, *words]
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), rest.pop(0))
    assert command is not None, f"there is no command {name} {' '.join(words)}"
    command.make_context(name, rest)


def is_defined(load: Callable[..., Any]) -> Callable[[str, Sequence[str]], None]:
    def loads(name: str, words: Sequence[str]) -> None:
        is_read(name, words)
        file, *overrides = (word for word in words if not word.startswith("--"))
        definition = load(file, tuple(overrides))
        composes("train", [f"experiment={definition.experiment}", *definition.overrides])

    return loads


WAYS: dict[str, Callable[[str, Sequence[str]], None]] = {
    "train": composes,
    "study": is_defined(studies.load_definition),
    "ablate": is_defined(ablation.load_definition),
    **dict.fromkeys(["runs", "evaluate", "rerun", "report", "compare", "soup", "list"], is_read),
    **dict.fromkeys(["data", "promote", "serve", "export", "cluster", "ui", "doctor"], is_read),
    **dict.fromkeys(["sync", "reap", "restore"], is_read),
}


@pytest.fixture
def folder(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, as the command's page has it: that of an example, or an empty one."""
    here = tmp_path / "here"
    if command.page.parent.parent == EXAMPLES:
        shutil.copytree(command.page.parent, here)
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("MULTIHEAD_HOME", str(tmp_path / "home"))
    return here


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_documented_command_can_be_typed(command: Command, folder: Path) -> None:
    program, *words = command.words
    if program == "make":
        targets = [word for word in words if "=" not in word]
        dry = ["make", "--dry-run", "--directory", str(ROOT), *targets]
        done = subprocess.run(dry, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    elif words[0].startswith("-"):
        assert words in (["--help"], ["--version"]), f"nothing here tries `{command.line}`"
    else:
        assert words[0] in WAYS, f"nothing here tries `multihead {words[0]}`; add it to WAYS"
        WAYS[words[0]](words[0], words[1:])


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("multihead train experiment=multihead_cnn_digits modle.net=x", "modle"),
        (
            "multihead train -m experiment=multihead_cnn_digits model/net=simple_cnn,no_net",
            "no_net",
        ),
        ("multihead study digits_quick n_trails=3", "n_trails"),
        ("multihead ablate no_such_ablation", "no_such_ablation"),
        ("multihead runs --no-such-option", "no-such-option"),
        ("multihead data no_such_command", "no_such_command"),
    ],
)
def test_a_command_with_a_mistake_is_found(line: str, why: str) -> None:
    _, name, *words = Command(ROOT / "README.md", line).words
    with pytest.raises((MultiheadError, click.ClickException, AssertionError), match=why):
        WAYS[name](name, words)


def smaller(command: Command) -> list[str] | None:
    """Return what makes a training of a page outside the examples small; None if it is none."""
    if EXAMPLES in command.page.parents or not command.line.startswith("multihead train exp"):
        return None
    experiment = command.line.split()[2]
    return next((small for name, small in TRAINED.items() if name in experiment), None)


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if smaller(c) is not None], ids=str)
def test_a_documented_training_begins(command: Command, folder: Path, mnist_dir: Path) -> None:
    """One batch of each part shows what composing cannot, such as a head that is not there."""
    example("own_data/make_leaves.py").write(folder / "photos", plants=12)
    once = "++trainer.fast_dev_run=true"
    given = [word for word in command.words[2:] if "fast_dev_run" not in word]
    in_data = [] if "own_data" in command.line else [f"data.data_dir={mnist_dir}"]
    result = run([*given, *in_data, *(smaller(command) or []), once, "trainer.accelerator=cpu"])
    assert result.run_id is None
