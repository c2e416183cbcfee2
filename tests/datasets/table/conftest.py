"""Prepared pictures go to a home of the test's own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set `MULTIHEAD_HOME`."""
    monkeypatch.setenv("MULTIHEAD_HOME", str(tmp_path / "home"))
