"""Tables, progress bars and live displays, made with Rich.

Rich interprets markup in texts: `[/lr]` closes a style, `[link=...]` makes a link, and `:smile:` is
an emoji. A `Screen` of this module shows all of it as plain text.
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
_WIDTH = 200  # columns without a terminal, so that lines are rarely broken
_MOST = 120


class Screen(Console):
    """A console that shows every text as plain text.

    Args:
        err: Print to stderr.
        file: Print to this file instead.
        width: Width in columns. If None, it is the terminal's, or 200 without a terminal.
        force_terminal: Whether to draw as in a terminal. If None, this is detected.
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
        """Return a text without markup and control characters."""
        plain = {"markup": False, "emoji": False, "highlight": False}
        return super().render_str(lines(text), **{**options, **plain})


class TextTable(Table):
    """A table whose headings and cells are plain text on one line, shortened if they are long.

    Attributes:
        most: Largest number of characters of a cell.
    """

    most = _MOST

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row of plain texts."""
        super().add_row(*(self._cell(cell) for cell in cells), **options)

    def add_column(self, header: Any = "", *rest: Any, **options: Any) -> None:
        """Add a column with a plain text as its heading."""
        super().add_column(self._cell(header), *rest, **options)

    def _cell(self, cell: Any) -> Any:
        return one_line(cell, self.most) if isinstance(cell, str) else cell


def table(most: int = _MOST) -> TextTable:
    """Return an empty table.

    Args:
        most: Largest number of characters of a cell. In a longer one, the middle is left out.
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
    """Return texts below each other, in one of Rich's styles."""
    return Text("\n".join(one_line(text, _MOST) for text in texts), style=style)


def stacked(*parts: Any) -> Group:
    """Return a group of parts that are shown below each other."""
    return Group(*parts)


def live(screen: Screen) -> Live:
    """Return a display that is drawn only on request and disappears at its end."""
    return Live(console=screen, auto_refresh=False, transient=True)


def progress(
    screen: Screen, shows: str, *, transient: bool = False, auto_refresh: bool = True
) -> Progress:
    """Return a progress bar with a description, a figure, the time elapsed and the time left.

    Args:
        screen: The screen to draw on.
        shows: The figure, as a format string of `task`.
        transient: Whether the bar disappears at its end.
        auto_refresh: Whether it is drawn ten times a second, or only on request.
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
