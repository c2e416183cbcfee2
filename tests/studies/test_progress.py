"""What people see while a study runs."""

import io
from types import SimpleNamespace

from tests.studies.conftest import Define

from multihead.studies.progress import Progress, Snapshot
from multihead.terminal.drawn import Screen


def test_what_an_engine_has_to_say_is_said_once(define: Define) -> None:
    screen = Screen(file=io.StringIO(), width=100)
    with Progress(screen) as progress:
        for note in ("", "2 workers wait", "2 workers wait", "", "1 waits"):
            progress.show(Snapshot(define(), [], [], note))
    assert screen.file.getvalue() == "2 workers wait\n1 waits\n"


def test_workers_of_several_machines_are_told_apart(define: Define) -> None:
    workers = [
        SimpleNamespace(position=i, place=f"node-{i} 12", number=i, note="trains") for i in range(2)
    ]
    screen = Screen(file=io.StringIO(), width=100, force_terminal=True)
    with Progress(screen) as progress:
        progress.show(Snapshot(define(), [], workers))
    assert "node-1" in screen.file.getvalue()
