"""Escape what others print: libraries, Python's logging, warnings and unexpected errors."""

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
    """A log record of any library, whose message is shown as plain text."""

    def getMessage(self) -> str:
        """Return the message."""
        return lines(super().getMessage())


class _Notices(logging.Handler):
    """Prints each notice of the package on one line, on the present stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        complain(record.getMessage())


class _Text(io.TextIOWrapper):
    """A stream that writes plain text only."""

    def write(self, text: str) -> int:
        """Write text without control characters that a terminal would interpret."""
        return super().write(lines(text))


def show_notices() -> None:
    """Show the package's notices on stderr. Hydra would otherwise write them to stdout.

    From now on, logs, warnings and tracebacks of all libraries are shown as plain text, too.
    """
    notices = logging.getLogger("multihead")
    notices.propagate = False
    notices.handlers = [_Notices()]
    logging.setLogRecordFactory(_Record)
    warnings.formatwarning = _warning
    sys.excepthook = _show_traceback
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that cannot be encoded is no error
        sys.stdout.reconfigure(errors="backslashreplace")


def keep_log() -> None:
    """Make this process and its libraries print plain text only, since their output is a log."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        stream.flush()
        text = _Text(
            stream.buffer, encoding="utf-8", errors="backslashreplace", line_buffering=True
        )
        setattr(sys, name, text)


@contextmanager
def printed_as_text() -> Iterator[None]:
    """Print everything that is printed to stdout within this context as plain text."""
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
    """Format a warning of the package as a notice, without its place in the code."""
    if category is UserWarning and Path(filename).is_relative_to(_PACKAGE):
        return f"{notice(str(message))}\n"
    return lines(_FORMAT(message, category, filename, lineno, line))


def _show_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.stderr.write(lines("".join(traceback.format_exception(kind, error, trace))))
