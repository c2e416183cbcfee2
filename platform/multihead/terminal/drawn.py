"""Tables, bars and live displays; all of Rich that the package uses.

To Rich a text may be markup: `[/lr]` closes a style, `[link=...]` leads elsewhere, `:smile:` is
a picture. On a screen of this module it is text.
"""

from typing import IO, Any

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from multihead.text import lines, one_line

__all__ = [
    "Progress",
    "Screen",
    "TextTable",
    "grid",
    "live",
    "progress",
    "stacked",
    "styled",
    "table",
]
_WIDTH = 200  # where nobody looks, lines are not broken
_MOST = 120


class Screen(Console):
    """A console that takes every text for text.

    Args:
        err: Print to stderr.
        file: Print to this file instead.
        width: In columns; that of the terminal if none, and 200 where there is no terminal.
        force_terminal: Draw as in a terminal, or not; find out if none.
    """

    def __init__(
        self,
        *,
        err: bool = False,
        file: IO[str] | None = None,
        width: int | None = None,
        force_terminal: bool | None = None,
    ) -> None:
        super().__init__(
            stderr=err,
            file=file,
            width=width,
            force_terminal=force_terminal,
            markup=False,
            emoji=False,
            highlight=False,
        )
        if width is None and not self.is_terminal:
            self.width = _WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text without what a terminal, or Rich, would obey."""
        plain = {"markup": False, "emoji": False, "highlight": False}
        return super().render_str(lines(text), **{**options, **plain})


class TextTable(Table):
    """A table whose headings and cells are text, a line each, shortened where they are long.

    Attributes:
        most: Characters of a cell.
    """

    most = _MOST

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row of texts."""
        super().add_row(*(self._cell(cell) for cell in cells), **options)

    def add_column(self, header: Any = "", *rest: Any, **options: Any) -> None:
        """Add a column with a text as its heading."""
        super().add_column(self._cell(header), *rest, **options)

    def _cell(self, cell: Any) -> Any:
        return one_line(cell, self.most) if isinstance(cell, str) else cell


def table(most: int = _MOST) -> TextTable:
    """Return an empty table.

    Args:
        most: Characters of a cell from which its middle is left out.
    """
    made = TextTable(box=box.SIMPLE_HEAD, pad_edge=False)
    made.most = most
    return made


def grid() -> TextTable:
    """Return an empty table without lines and headings."""
    return TextTable(
        box=None, padding=(0, 2), collapse_padding=True, show_header=False, pad_edge=False
    )


def styled(*texts: str, style: str = "") -> Text:
    """Return texts below each other, in a style of Rich's."""
    return Text("\n".join(one_line(text, _MOST) for text in texts), style=style)


def stacked(*parts: Any) -> Group:
    """Return what is shown below each other."""
    return Group(*parts)


def live(screen: Screen) -> Live:
    """Return a display that is drawn when it is told to, and vanishes at its end."""
    return Live(console=screen, auto_refresh=False, transient=True)


def progress(
    screen: Screen, shows: str, *, transient: bool = False, auto_refresh: bool = True
) -> Progress:
    """Return a bar with its description, a figure, the time since it began and the time left.

    Args:
        screen: Where to draw it.
        shows: The figure, as a format of `task`.
        transient: Whether the bar vanishes at its end.
        auto_refresh: Whether it is drawn ten times a second, or when it is told to.
    """
    return Progress(
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        TextColumn(shows, markup=False),
        TimeElapsedColumn(),
        TextColumn("left", markup=False),
        TimeRemainingColumn(),
        console=screen,
        transient=transient,
        auto_refresh=auto_refresh,
    )
