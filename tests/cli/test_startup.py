"""The benchmark of how soon a command answers, small."""

import json
from pathlib import Path

import pytest
from tests.benchmark import benchmark


@pytest.mark.slow
def test_the_start_of_each_command_is_measured(tmp_path: Path) -> None:
    few = ("--only", "list", "train, refused")
    said = benchmark("startup.py", "--rounds", "1", *few, "--out", str(tmp_path))
    assert "| import lightning.pytorch |" in said
    found = json.loads((tmp_path / "startup.json").read_text())["seconds"]
    assert 0 < found["list"]["processor"] < found["import lightning.pytorch"]["processor"]
    assert (tmp_path / "startup.md").read_text().count("\n") == 2 + len(found)
