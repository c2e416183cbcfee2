"""Completion of Hydra overrides for click."""

from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

from multihead.text import one_line

TRUST_HELP = "A class that the record may name though it is none of ours; may be repeated."
trust_option = click.option("--trust", multiple=True, metavar="TARGET", help=TRUST_HELP)


def split_trust(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part `--trust TARGET` and `--trust=TARGET` from the other arguments.

    Returns:
        The targets, and the rest.

    Raises:
        click.UsageError: For a `--trust` at the end.
    """
    trust, rest = [], []
    waiting = iter(arguments)
    for argument in waiting:
        option, equals, target = argument.partition("=")
        if option != "--trust":
            rest.append(argument)
            continue
        target = target if equals else next(waiting, "")
        if not target:
            raise click.UsageError("--trust names no target; write --trust mypackage.MyClass.")
        trust.append(target)
    return trust, rest


class Override(click.ParamType[str]):
    """A Hydra override such as `trainer.max_epochs=3`."""

    name = "override"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Ask Hydra what can follow."""
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
        # A shell shows words as they are; a name that would move its cursor is left out.
        return [CompletionItem(word) for word in sorted(found or ()) if one_line(word) == word]
