"""The page of the command line and the help texts say what the parsers have."""

import re
from collections.abc import Iterator
from functools import cache

import click
import pytest
from tests.conftest import ROOT

from multihead.cli.help import HydraCommand
from multihead.cli.main import cli

PAGE = ROOT / "docs" / "cli.md"


def walk(command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Yield a context for a command and for each below it."""
    name = "multihead" if parent is None else command.name
    context = click.Context(command, parent=parent, info_name=name, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from walk(found, context)


ALL = list(walk(cli))
COMMANDS = [context for context in ALL if not isinstance(context.command, click.Group)]


def path(context: click.Context) -> str:
    return context.command_path


def options(command: click.Command) -> list[click.Option]:
    shown = command.shown if isinstance(command, HydraCommand) else ()
    return [*shown, *(each for each in command.params if isinstance(each, click.Option))]


@cache
def sections() -> dict[str, str]:
    """Return what stands under each heading of the third level."""
    parts = re.split(r"^### (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def row(section: str, option: str) -> list[str]:
    """Return the cells of an option's line in the tables of a section."""
    found = [line for line in section.splitlines() if re.match(rf"\| `{option}[` ]", line)]
    assert len(found) == 1, f"{len(found)} lines of tables begin with {option}"
    return [cell.strip() for cell in found[0].strip("|").split(" | ")]


def default(option: click.Option) -> str:
    """Return an option's default as the page has it, or nothing."""
    value = option.default
    if option.required:
        return "required"
    if option.is_flag or option.multiple or not isinstance(value, int | float | str | tuple):
        return ""
    values = value if isinstance(value, tuple) else (value,)
    return " ".join(str(v) if isinstance(v, int | str) else f"{v:g}" for v in values)


def test_the_page_has_a_section_for_every_command_and_no_other() -> None:
    assert sorted(sections()) == sorted(map(path, COMMANDS))


@pytest.mark.parametrize("context", COMMANDS, ids=path)
def test_the_page_has_every_option_with_its_default(context: click.Context) -> None:
    section = sections()[context.command_path]
    for option in options(context.command):
        cells = row(section, option.opts[0])
        assert len(cells) == 3, cells
        assert cells[2].replace("`", "").startswith(default(option)), cells


@pytest.mark.parametrize("context", COMMANDS, ids=path)
def test_the_page_names_no_option_that_is_gone(context: click.Context) -> None:
    there = {name for option in options(context.command) for name in option.opts}
    hydra = {"--cfg", "--resolve", "--multirun", "--help", "--hydra-help"}
    known = there | hydra if isinstance(context.command, HydraCommand) else there
    first = re.findall(r"^\| `(--[\w-]+)", sections()[context.command_path], re.MULTILINE)
    assert set(first) <= known


@pytest.mark.parametrize("context", ALL, ids=path)
def test_every_option_has_a_help_text(context: click.Context) -> None:
    assert [o.name for o in options(context.command) if not o.help] == []


@pytest.mark.parametrize("context", [c for c in ALL if c.info_name != "train"], ids=path)
def test_a_help_text_ends_with_examples_that_can_be_typed(context: click.Context) -> None:
    """That of `train` is Hydra's."""
    _, _, shown = context.get_help().partition("Examples:\n")
    lines = [line.strip() for line in shown.splitlines() if line.startswith("    multihead ")]
    assert lines
    for line in lines:
        words = line.partition(" | ")[0].replace("'", "").split()[1:]
        command: click.Command = cli
        while isinstance(command, click.Group):
            found = command.get_command(context, words.pop(0))
            assert found is not None, line
            command = found
        command.make_context("multihead", words, help_option_names=["-h", "--help"])


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["run=x", "--help"]], ids=" ".join)
def test_the_help_of_evaluate_is_its_own(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["evaluate", *words], standalone_mode=False)
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("run=RUN", "ckpt_path=FILE", "--checkpoint", "--trust"))
    assert "== Config ==" not in shown
