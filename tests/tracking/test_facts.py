import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from multihead.tracking import facts
from multihead.tracking.code import _write_diff
from multihead.tracking.secrets import masked, masked_values, shareable


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A git repository with one commit, that takes the place of the package's checkout."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "code.py").write_text("one\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    monkeypatch.setattr(facts, "__file__", str(folder / "package" / "facts.py"))
    monkeypatch.chdir(folder)
    facts.git_state.cache_clear()  # a process asks once
    yield folder
    facts.git_state.cache_clear()


def test_a_clean_checkout_has_no_diff(checkout: Path) -> None:
    assert facts.code_diff() == ""
    assert facts.git_state()["dirty"] == "false"


def test_the_diff_has_tracked_changes_but_no_untracked_file_and_no_password(checkout: Path) -> None:
    (checkout / "code.py").write_text("two\npostgresql://me:hush@host/db\n")
    (checkout / "secret.txt").write_text("a key of somebody\n")
    diff = facts.code_diff()
    assert "+two" in diff
    assert "postgresql://me:***@host/db" in diff
    assert "secret" not in diff
    facts.git_state.cache_clear()
    assert facts.git_state()["dirty"] == "true"


def test_a_long_diff_is_cut_and_says_so(tmp_path: Path) -> None:
    path = _write_diff("x" * 1_500_000, tmp_path)
    assert path.stat().st_size < 1_001_000
    assert path.read_text().rstrip().endswith("[cut: 1,500,000 characters in all]")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "train a=postgresql+psycopg://u:p%40w@h:5/d b",
            "train a=postgresql+psycopg://u:***@h:5/d b",
        ),
        ("https://h/x?token=abc&y=1", "https://h/x?token=***&y=1"),
        ("http://127.0.0.1:5000/#/a@b", "http://127.0.0.1:5000/#/a@b"),
        ("sqlite:////home/me/a.db", "sqlite:////home/me/a.db"),
    ],
)
def test_passwords_of_addresses_are_masked_and_nothing_else(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked_values({"a": [text, 1], "b": None}) == {"a": [shown, 1], "b": None}


def test_only_a_file_with_a_password_is_copied_without_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("seed: 1\n")
    assert shareable(path) == path
    path.write_text("uri: mysql://u:p@h/d\n")
    assert shareable(path).read_text() == "uri: mysql://u:***@h/d\n"
    assert shareable(path).name == path.name
    assert "u:p@h" in path.read_text()


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("", {}),
        ("1f2e3d", {"commit": "1f2e3d", "dirty": "false"}),
        ("1f2e3d-dirty", {"commit": "1f2e3d", "dirty": "true"}),
    ],
)
def test_without_a_checkout_the_image_says_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str, expected: dict[str, str]
) -> None:
    monkeypatch.setattr(facts, "__file__", str(tmp_path / "facts.py"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MULTIHEAD_REVISION", revision)
    facts.git_state.cache_clear()
    found = facts.git_state()
    facts.git_state.cache_clear()
    assert found == expected
