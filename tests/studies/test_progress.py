"""What people see while a study runs."""

import io
from types import SimpleNamespace

from rich.console import Console
from tests.studies.conftest import Define

from multihead.studies.progress import Progress, Snapshot


def test_what_an_engine_has_to_say_is_said_once(define: Define) -> None:
    console = Console(file=io.StringIO(), width=100)
    with Progress(console) as progress:
        for note in ("", "2 workers wait", "2 workers wait", "", "1 waits"):
            progress.show(Snapshot(define(), [], [], note))
    assert console.file.getvalue() == "2 workers wait\n1 waits\n"


def test_workers_of_several_machines_are_told_apart(define: Define) -> None:
    workers = [
        SimpleNamespace(position=i, place=f"node-{i} 12", number=i, note="trains") for i in range(2)
    ]
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with Progress(console) as progress:
        progress.show(Snapshot(define(), [], workers))
    assert "node-1" in console.file.getvalue()
