"""`multihead data`: look at datasets, check, convert and make them."""

from importlib import import_module

import click

COMMANDS = {
    "list": "List the datasets of the data folder.",
    "inspect": "Show what a dataset holds, and what is wrong with it.",
    "validate": "Check every byte of a dataset; exit 1 if there is a problem.",
    "convert": "Write a dataset anew as VIMH.",
}


class DataCommands(click.Group):
    """Commands that are imported only when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module and return its `command`."""
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"multihead.cli.data_{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show a line per command without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command("data", cls=DataCommands)
def command() -> None:
    """Look at datasets, check, convert and make them."""
