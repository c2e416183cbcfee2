"""Run commands in this process, one record after the other, and tell what each of them did.

`python -m tests.hostile.watched` reads JSON from its standard input (a list of `Errand`s as dicts)
and writes one line of JSON for each: exit code, what it printed, and what it did that none may.
"""

import io
import json
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from tests.hostile.records import NEVER_IMPORTED

# What is written to beside the home: nothing but these.
_NOWHERE = ("/dev/null", "/dev/tty")
_RUNS = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.startfile")
_done: list[str] = []
_places: list[str] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "import" and str(arguments[0]).partition(".")[0] in NEVER_IMPORTED:
        _done.append(f"imported {arguments[0]}")
    elif event in _RUNS and not _harmless(arguments):
        _done.append(f"{event} {arguments[:2]}")
    elif event == "socket.connect":
        _done.append(f"connected to {arguments[1]}")
    elif event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        _opened(os.fsdecode(arguments[0]), arguments[1], arguments[2])


def _opened(path: str, mode: str | None, flags: int) -> None:
    writes = (
        flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if mode is None else set(mode) & set("wax+")
    )
    if writes and path not in _NOWHERE and not os.path.abspath(path).startswith(tuple(_places)):
        _done.append(f"wrote {path}")


def _harmless(arguments: tuple[Any, ...]) -> bool:
    """Return whether a program is one that libraries ask about the machine when imported."""
    return os.path.basename(str(arguments[0])) in ("git", "uname", "lscpu", "ldconfig", "gcc")


def _served(*given: Any, **named: Any) -> None:
    sys.exit("it was served")


def main() -> None:
    """Run what is asked for."""
    asked = json.load(sys.stdin)
    _places.extend(asked["places"])
    import mlflow.pyfunc
    import uvicorn

    from multihead import load_run
    from multihead.cli.main import main as command

    uvicorn.Server.run = _served  # type: ignore[method-assign]
    calls: dict[str, Callable[..., Any]] = {
        "multihead": lambda *words: command(list(words)),
        "load_run": load_run,
        "pyfunc": lambda folder: mlflow.pyfunc.load_model(folder).predict(None),
    }
    sys.argv = ["multihead"]
    sys.addaudithook(_hook)
    for errand in asked["errands"]:
        Path(errand["file"]).write_text(errand["text"], encoding="utf-8")
        _done.clear()
        told, code = io.StringIO(), "0"
        with redirect_stderr(told), redirect_stdout(io.StringIO()):
            try:
                calls[errand["call"]](*errand["words"])
            except SystemExit as end:
                code = str(end.code)
            except Exception as error:  # noqa: BLE001 - the test says which it may be
                code = f"{type(error).__module__}.{type(error).__name__}"
                told.write(str(error))
        answer = {"code": code, "told": told.getvalue(), "done": list(_done)}
        assert sys.__stdout__ is not None
        sys.__stdout__.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
