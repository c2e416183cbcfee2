"""The page of the configuration names every config group, choice, key and variable, and no other.

Choices and keys come from the YAML files of `experiments/`, and from the signatures of what these
files name as `_target_`. So a new file or argument fails here until the page describes it.
"""

import inspect
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from tests.conftest import ROOT
from tests.documented import Command, commands

from multihead import settings
from multihead.data.source_function import options_of
from multihead.data.transforms.transform import TRANSFORMS
from multihead.runs.config import compose_run
from multihead.runs.schema import RunConfig, check_config, locate

PAGE = ROOT / "docs" / "configuration.md"
CONFIGS = ROOT / "experiments"
SECTIONS = ("data", "model", "trainer", "callbacks", "paths", "logger")
# Sections whose keys are the same in all files; keys of other mappings are names of heads.
INSIDE = {
    *("", *SECTIONS, "data.augment", "model.net", "model.net.options", "model.optimizer"),
    *("model.scheduler", "callbacks.model_checkpoint", "callbacks.early_stopping"),
}
# Files whose values are the defaults of the page, whatever other files have.
BASES = (
    *("train", "data/mnist", "model/_base", "model/net/simple_cnn", "model/net/resnet18"),
    *("model/scheduler/plateau", "model/balancer/static", "model/finetune/full"),
    *("trainer/default", "callbacks/default", "callbacks/ema", "paths/default", "logger/mlflow"),
)
# Arguments that the platform gives itself, by the beginning of their keys.
GIVEN = {
    "data.augment.": {"where_allowed"},  # one row for all of them
    "model.optimizer": {"params"},
    "model.balancer": {"heads", "weights"},
    "model.parameter_criterion": {"head"},
    "model.class_criterion": {"head"},
    "model.scheduler": {"optimizer", "total_steps", "steps_per_epoch"},
    "callbacks.model_checkpoint": {"dirpath"},
}
# Groups whose keys are names of heads, or keys of other groups.
OF_NAMES = ("data/heads", "experiment", "debug")
NOT_FOR_PEOPLE = {settings.OWN_STUDY_VARIABLE, settings.COMMAND_VARIABLE}


@cache
def text() -> str:
    return PAGE.read_text()


@cache
def rows() -> list[tuple[list[str], dict[str, str]]]:
    """The rows of all tables whose first column is called key: the keys, and cells by column."""
    found = []
    header: list[str] = []
    for line in text().splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells or line.startswith("|--"):
            header = header if cells else []
        elif not header:
            header = cells
        elif header[0] == "key":
            found.append(
                (re.findall(r"`([^`]+)`", cells[0]), dict(zip(header, cells, strict=True)))
            )
    return found


def files() -> Iterator[tuple[str, str, Path]]:
    """Each YAML file of a group, with the group and the choice."""
    for file in sorted(CONFIGS.rglob("*.yaml")):
        group = file.parent.relative_to(CONFIGS).as_posix()
        if group != ".":
            yield group, file.stem, file


def nodes(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The sections of a file, by their dotted path in a configuration."""
    content = file.read_text()
    package = re.search(r"^# @package ([\w.]+)$", content, re.MULTILINE)
    place = file.parent.relative_to(CONFIGS).as_posix().replace("/", ".").lstrip(".")
    root = package[1] if package else place
    start = "" if root == "_global_" else root
    found = yaml.safe_load(content) or {}

    def within(path: str, node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        yield path, node
        for key, value in node.items():
            inner = f"{path}.{key}".lstrip(".")
            if isinstance(value, dict) and ("_target_" in value or inner in INSIDE):
                yield from within(inner, value)

    yield from within(start, {k: v for k, v in found.items() if k not in ("defaults", "hydra")})


@dataclass
class Defaults:
    """The defaults of a key.

    Attributes:
        usual: Those of the files in `BASES`.
        others: Those of other files and of signatures.
    """

    usual: list[Any] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)


@cache
def keys() -> Mapping[str, Defaults]:
    """Every key that the page must name."""
    found: dict[str, Defaults] = defaultdict(Defaults)
    found["data.augment.*.where_allowed"].usual.append(False)
    for key in RunConfig.model_fields.keys() - SECTIONS:
        found[key] = Defaults()
    in_groups = [file for group, _, file in files() if group not in OF_NAMES]
    bases = [CONFIGS / f"{name}.yaml" for name in BASES]
    for file in dict.fromkeys([*bases, *in_groups]):
        for path, node in nodes(file):
            for name, value in node.items():
                key = f"{path}.{name}".lstrip(".")
                is_section = isinstance(value, dict) and ("_target_" in value or key in INSIDE)
                is_section &= value != {}
                if not (is_section or name.startswith("_") or key.startswith("data.augment.")):
                    (found[key].usual if file in bases else found[key].others).append(value)
    for key, default in signatures("multihead"):
        found[key].others.append(default)
    return found


@cache
def sections() -> Mapping[str, list[str]]:
    """What the files name as `_target_`, and all transforms, by the path of the section."""
    found: dict[str, list[str]] = defaultdict(list)
    for _, _, file in files():
        for path, node in nodes(file):
            if "_target_" in node:
                found[path].append(node["_target_"])
    for name, transform in TRANSFORMS.items():
        found[f"data.augment.{name}"] = [f"multihead.data.transforms.{transform.__name__}"]
    return found


def signatures(package: str = "") -> Iterator[tuple[str, Any]]:
    """The arguments that a person may give to the targets of a package, by key: their defaults."""
    several = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    targets = {(path, target) for path, found in sections().items() for target in found}
    for path, target in sorted(targets):
        if not target.startswith(package):
            continue
        place = "data" if path == "data.source" else path
        given = {name for start, names in GIVEN.items() if path.startswith(start) for name in names}
        located = locate(target, path)
        whole = inspect.signature(located).parameters
        for name, parameter in (options_of(located) if place != path else whole).items():
            if name not in given and parameter.kind not in several:
                yield f"{place}.{name}", parameter.default


@pytest.mark.parametrize("group", sorted({group for group, _, _ in files()}))
def test_the_page_has_every_choice_of_a_group(group: str) -> None:
    there = {c for g, c, _ in files() if g == group and not c.startswith("_")}
    named = set(re.findall(rf"`{group}=(\w+)`", text()))
    assert there - named == set(), "the page lacks choices"
    assert named - there <= set(re.findall(r"`experiments/\w+/(\w+)\.yaml`", text()))


def test_the_page_has_a_table_row_for_every_key() -> None:
    described = {key for names, _ in rows() for key in names}
    assert sorted(set(keys()) - described) == []


def test_the_page_has_no_key_that_is_not_there() -> None:
    known = {*keys(), *INSIDE, *sections(), *(key for key, _ in signatures())}
    assert sorted({key for names, _ in rows() for key in names} - known) == []


def test_the_page_gives_the_defaults_there_are() -> None:
    wrong = {}
    for names, cells in rows():
        shown = re.fullmatch(r"`([^`]+)`", cells.get("default", ""))
        if shown is None:
            continue
        for key in names:
            of_all = cells.keys().isdisjoint({"for", "network", "class", "choice"})
            default = keys().get(key, Defaults())
            values = default.usual if default.usual and of_all else default.usual + default.others
            values = [list(v) if isinstance(v, tuple) else v for v in values]
            if values and key not in sections() and yaml.safe_load(shown[1]) not in values:
                wrong[key] = (shown[1], values)
    assert wrong == {}


def test_the_page_has_every_variable() -> None:
    there = {value for name, value in vars(settings).items() if name.endswith("_VARIABLE")}
    assert {name for name in there - NOT_FOR_PEOPLE if f"| `{name}` |" not in text()} == set()


@pytest.mark.parametrize("command", commands(PAGE), ids=lambda command: command.line)
def test_a_command_of_the_page_composes(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in re.findall(
        r"`(experiments/\S+)`:\n\n```yaml\n(.*?)```", text(), re.DOTALL
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    typed = [word for word in command.words[2:] if word != "-m"]
    check_config(compose_run([first_value(override) for override in typed]))


def first_value(override: str) -> str:
    """Return an override of several values with the first of them."""
    parsed = OverridesParser.create().parse_override(override)
    if not parsed.is_sweep_override():
        return override
    return f"{parsed.get_key_element()}={next(iter(parsed.sweep_string_iterator()))}"
