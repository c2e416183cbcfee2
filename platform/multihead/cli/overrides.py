"""Common options, and shell completion of Hydra overrides for click."""

from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from multihead.text import one_line

_TRUST: dict[str, Any] = {
    "multiple": True,
    "metavar": "TARGET",
    "help": "Allow this class of your own, such as my_package.MyNet, where a recorded "
    "configuration names it. Repeat the option for several classes.",
}
_CHECKPOINT: dict[str, Any] = {
    "metavar": "NAME",
    "show_default": "best",
    "help": "Use this checkpoint of the run, such as last or best-<head>. "
    "`multihead runs RUN` lists the names.",
}
TRUST = click.Option(["--trust"], **_TRUST)
CHECKPOINT = click.Option(["--checkpoint"], **_CHECKPOINT)
trust_option = click.option("--trust", **_TRUST)
checkpoint_option = click.option("--checkpoint", **_CHECKPOINT)


def split_checkpoint(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """Separate `--checkpoint NAME` and `--checkpoint=NAME` from the other arguments.

    Returns:
        The name or None, and the other arguments.

    Raises:
        click.UsageError: If the option has no name, or occurs several times.
    """
    found, rest = _split("--checkpoint", "best-digit", arguments)
    if len(found) > 1:
        raise click.UsageError(f"--checkpoint is given {len(found)} times; give it only once.")
    return (found[0] if found else None), rest


def split_trust(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate `--trust TARGET` and `--trust=TARGET` from the other arguments.

    Returns:
        The targets, and the other arguments.

    Raises:
        click.UsageError: If a `--trust` has no target.
    """
    return _split("--trust", "mypackage.MyClass", arguments)


def _split(option: str, example: str, arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    found, rest = [], []
    waiting = iter(arguments)
    for argument in waiting:
        key, equals, value = argument.partition("=")
        if key != option:
            rest.append(argument)
            continue
        value = value if equals else next(waiting, "")
        if not value:
            what = "target" if option == "--trust" else "checkpoint"
            raise click.UsageError(f"{option} has no {what}; write {option} {example}.")
        found.append(value)
    return found, rest


class Override(click.ParamType[str]):
    """A Hydra override such as `trainer.max_epochs=3`."""

    name = "override"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the completions that Hydra finds."""
        from hydra._internal.config_loader_impl import ConfigLoaderImpl
        from hydra._internal.utils import create_config_search_path
        from hydra.plugins.completion_plugin import DefaultCompletionPlugin

        from multihead import settings
        from multihead.runs.config import ROOT, register_folders

        register_folders()
        folder = str(settings.packaged("experiments"))
        loader = ConfigLoaderImpl(create_config_search_path(folder))
        words = [*ctx.params.get(str(param.name), ()), incomplete]
        found = DefaultCompletionPlugin(loader)._query(config_name=ROOT, line=" ".join(words))
        # A shell prints words unchanged, so names with control characters are left out.
        return [CompletionItem(word) for word in sorted(found or ()) if one_line(word) == word]
