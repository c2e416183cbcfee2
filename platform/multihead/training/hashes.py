"""Record the SHA-256 of each checkpoint, so that a damaged one is detected before it is used."""

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
    """Return the recorded hashes by file name.

    A name has two hashes if the process crashed while it replaced the file.
    """
    found: dict[str, frozenset[str]] = {}
    file = folder / HASHES
    if file.is_file():
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            digest, _, name = line.partition("  ")
            found[name] = found.get(name, frozenset()) | {digest}
    return found


@contextmanager
def recorded_hashes(folder: Path, new: Hashes) -> Iterator[None]:
    """Record the hashes of files that are replaced inside the `with` block.

    Inside the block, both the old and the new hash are valid. So a crash there leaves no file that
    looks damaged.

    Args:
        folder: Folder of the files.
        new: The new hashes by file name.
    """
    known = read_hashes(folder)
    after = known | dict(new)
    _write(folder, {name: known.get(name, frozenset()) | after[name] for name in after})
    yield
    _write(folder, after)


def first_whole(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of these files that is not damaged, or None if no file exists.

    Each damaged file is logged and renamed to `NAME.damaged`.

    Args:
        folder: Folder of the files.
        names: File names in the order of preference. All of them are checked.

    Raises:
        CheckpointError: If files exist, but all are damaged.
    """
    hashes = read_hashes(folder)
    there = [folder / name for name in names if (folder / name).is_file()]
    whole = [p for p in there if p.name not in hashes or sha256(p) in hashes[p.name]]
    for path in there:
        if path not in whole:
            aside = path.with_name(f"{path.name}.damaged")
            path.replace(aside)
            _LOG.warning(
                "%s is damaged: its SHA-256 is not the recorded one. It was renamed to %s%s.",
                *(path, aside.name, f", and {whole[0].name} is used" if whole else ""),
            )
    if there and not whole:
        raise CheckpointError(f"every checkpoint in {folder} is damaged; start a new run.")
    return whole[0] if whole else None


def _write(folder: Path, hashes: Hashes) -> None:
    lines = [f"{digest}  {name}\n" for name in sorted(hashes) for digest in sorted(hashes[name])]
    write_text_atomically(folder / HASHES, "".join(lines))
