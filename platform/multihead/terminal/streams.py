"""What others print: libraries, the logging of Python, and errors that nobody expected."""

import io
import logging
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import TracebackType

from multihead.terminal.lines import complain, notice
from multihead.text import lines

_PACKAGE = Path(__file__).parents[1]
_FORMAT = warnings.formatwarning


class _Record(logging.LogRecord):
    """A record of any library's log, whose message is shown as text."""

    def getMessage(self) -> str:
        """Return the message."""
        return lines(super().getMessage())


class _Notices(logging.Handler):
    """Print what the package has to tell, one line each, on whatever stderr is by then."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        complain(record.getMessage())


class _Text(io.TextIOWrapper):
    """A stream on which everything is text."""

    def write(self, text: str) -> int:
        """Write text without what a terminal would obey."""
        return super().write(lines(text))


def show_notices() -> None:
    """Show the package's notices, and only here: Hydra would write them to stdout.

    From now on, logs, warnings and tracebacks of all libraries are shown as text, too.
    """
    notices = logging.getLogger("multihead")
    notices.propagate = False
    notices.handlers = [_Notices()]
    logging.setLogRecordFactory(_Record)
    warnings.formatwarning = _warning
    sys.excepthook = _show_traceback
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name must not end a command either
        sys.stdout.reconfigure(errors="backslashreplace")


def keep_log() -> None:
    """Let this process, whose output is a log, print text only; so do all its libraries."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        stream.flush()
        text = _Text(
            stream.buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        setattr(sys, name, text)


@contextmanager
def printed_as_text() -> Iterator[None]:
    """Print as text whatever is printed to stdout within."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        sys.stdout.write(lines(printed.getvalue()))


def _warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Write a warning of the package as a notice: its place in the code helps no user."""
    if category is UserWarning and Path(filename).is_relative_to(_PACKAGE):
        return f"{notice(str(message))}\n"
    return lines(_FORMAT(message, category, filename, lineno, line))


def _show_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(lines("".join(traceback.format_exception(kind, error, trace))))
