"""`multihead list`."""

from pathlib import Path

import pytest
from tests.conftest import ROOT

from multihead.cli.listing import KINDS, described

FILES = [p for kind, group in KINDS.values() for p in sorted((ROOT / kind / group).glob("*.yaml"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_listed_line_is_a_whole_sentence(path: Path) -> None:
    """One that goes on in the next line of the comment is shown half."""
    comments = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comments.append(line.removeprefix("#"))
    first, *rest = [c for c in comments if "@package" not in c]
    kind, group = path.parts[-3:-1]
    assert described(kind, group)[path.stem] == first.strip()
    assert not first.rstrip().endswith((",", ":", "-"))
    assert not rest or not rest[0].strip()[:1].islower() or rest[0].startswith("  ")
