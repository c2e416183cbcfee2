"""Record how a run's code differs from its commit."""

import hashlib
from pathlib import Path

from multihead.tracking import facts
from multihead.tracking.run import TrackedRun

DIFF_FILE = "code.diff"
DIFF_TAG, LOCK_TAG = "git.diff_sha256", "lock.sha256"
_MAX_CHARACTERS = 1_000_000


def record_code(run: TrackedRun) -> None:
    """Record digests of the code's diff and the lock file, and the diff itself.

    The diff contains the uncommitted changes of tracked files.
    """
    diff = facts.code_diff()
    tags = code_tags(diff)
    if tags:
        run.set_tags(tags)
    if diff:
        run.log_file(_write_diff(diff, run.folder))


def code_tags(diff: str) -> dict[str, str]:
    """Return the digests of the diff and of requirements.lock; missing ones are left out.

    Args:
        diff: The text of `facts.code_diff`.
    """
    tags = {
        DIFF_TAG: digest(diff) if diff else "",
        LOCK_TAG: facts.lock_digest(),
    }
    return {key: value for key, value in tags.items() if value}


def digest(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _write_diff(diff: str, folder: Path) -> Path:
    """Write a diff into a run's folder, cut to a million characters, and return the file."""
    cut = len(diff) > _MAX_CHARACTERS
    end = f"\n[cut: {len(diff):,} characters in all]" if cut else ""
    path = folder / DIFF_FILE
    path.write_text(f"{diff[:_MAX_CHARACTERS]}{end}\n", encoding="utf-8")
    return path
