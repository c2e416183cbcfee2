"""Completion of Hydra overrides for click."""

import click
from click.shell_completion import CompletionItem


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
        return [CompletionItem(word) for word in sorted(found)] if found else []
