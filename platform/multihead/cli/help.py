"""Common parts of the commands' help texts: examples, and options that Hydra does not have."""

from collections.abc import Sequence
from typing import Any

import click

from multihead.terminal.lines import say


def examples(*lines: str) -> str:
    """Return the end of a help text: one command per line, which click does not wrap."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


class HydraCommand(click.Command):
    """A command that passes its arguments on to Hydra.

    Args:
        shown: Options that the command itself takes out of the arguments. Click does not parse
            them, but the help lists them.
        own_help: Whether `--help` prints the help of the command instead of Hydra's.
    """

    def __init__(
        self, *args: Any, shown: Sequence[click.Option], own_help: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.add_help_option = False
        self.shown = tuple(shown)
        self.own_help = own_help

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Print the help if it is wanted; otherwise leave the arguments as they are."""
        if self.own_help and not {"-h", "--help"}.isdisjoint(args):
            say(*ctx.get_help().splitlines())
            ctx.exit()
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options that the command takes out of the arguments."""
        records = [option.get_help_record(ctx) for option in self.shown]
        rows = [record for record in records if record is not None]
        if self.own_help:
            rows.append(("-h, --help", "Show this message and exit."))
        with formatter.section("Options"):
            formatter.write_dl(rows)
