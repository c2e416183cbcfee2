"""The SHA-256 of each checkpoint, beside it, so that a damaged one is known before it is used."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from multihead.errors import CheckpointError
from multihead.files import sha256, write_text_atomically

HASHES = "SHA256SUMS"  # as the command sha256sum writes it
_LOG = logging.getLogger("multihead.training")

Hashes = Mapping[str, frozenset[str]]


def read_hashes(folder: Path) -> dict[str, frozenset[str]]:
    """Return the recorded hashes by name: two if a crash came while a file was being replaced."""
    found: dict[str, frozenset[str]] = {}
    file = folder / HASHES
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            digest, _, name = line.partition("  ")
            found[name] = found.get(name, frozenset()) | {digest}
    return found


@contextmanager
def recorded_hashes(folder: Path, new: Hashes) -> Iterator[None]:
    """Record hashes around the replacement of their files.

    Until it is over the old and the new one are both good, so that a crash within leaves no file
    that looks damaged.

    Args:
        folder: Of the files.
        new: Hashes by the name of each file that is replaced.
    """
    known = read_hashes(folder)
    after = known | dict(new)
    _write(folder, {name: known.get(name, frozenset()) | after[name] for name in after})
    yield
    _write(folder, after)


def first_whole(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of these files that is as it was written, or None if none is there.

    A damaged one is named, and put aside under another name.

    Args:
        folder: Of the files.
        names: In the order of preference. All of them are looked at.

    Raises:
        CheckpointError: If there are some, but all are damaged.
    """
    hashes = read_hashes(folder)
    there = [folder / name for name in names if (folder / name).is_file()]
    whole = [p for p in there if p.name not in hashes or sha256(p) in hashes[p.name]]
    for path in there:
        if path not in whole:
            aside = path.with_name(f"{path.name}.damaged")
            path.replace(aside)
            _LOG.warning(
                "%s is damaged: its SHA-256 is not the recorded one. It is now %s%s.",
                *(path, aside.name, f", and {whole[0].name} is used" if whole else ""),
            )
    if there and not whole:
        raise CheckpointError(f"every checkpoint in {folder} is damaged; train the run anew.")
    return whole[0] if whole else None


def _write(folder: Path, hashes: Hashes) -> None:
    lines = [f"{digest}  {name}\n" for name in sorted(hashes) for digest in sorted(hashes[name])]
    write_text_atomically(folder / HASHES, "".join(lines))
