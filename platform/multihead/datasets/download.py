"""Download published data files completely or not at all.

Files appear in the data folder only after all have arrived with the right MD5 sum. Existing files
are not replaced. Without a network, the download fails within seconds.
"""

import os
import socket
import tarfile
import tempfile
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

from filelock import FileLock

from multihead.errors import DataError, message_of

_ANSWER_SECONDS = 4.0
_STALL_SECONDS = 20.0  # longest wait for the next bytes of a download


@dataclass(frozen=True)
class Remote:
    """A published file.

    Attributes:
        name: The file's name after the download.
        urls: Its mirrors, best first.
        md5: 32 hexadecimal digits.
    """

    name: str
    urls: tuple[str, ...]
    md5: str


def fetch(
    remotes: Sequence[Remote],
    folder: Path,
    unpack: Callable[[Path, Path], None],
    advice: str,
    makes: Sequence[str] = (),
    answer_seconds: float = _ANSWER_SECONDS,
) -> None:
    """Download, check and unpack published files into a folder. Only one process does so.

    Args:
        remotes: What to download.
        folder: Folder of the unpacked files. It and its parents are created only on success.
        unpack: A function of a downloaded file and the folder to unpack it into.
        advice: What is missing and how to add it by hand. The error message begins with it.
        makes: Names of all unpacked files. If another process has made them, nothing is done.
        answer_seconds: Longest wait for the first answer of a mirror, name lookup included.

    Raises:
        DataError: If no mirror answers, a download fails or has another MD5 sum, or the folder is
            not writable. No files remain.
    """
    try:
        with _one_at_a_time(_existing(folder)):
            if not makes or not all((folder / name).exists() for name in makes):
                _fetch(remotes, folder, unpack, answer_seconds)
    except (OSError, HTTPException, RuntimeError, tarfile.TarError, EOFError, zlib.error) as error:
        said = message_of(error)[:300]
        raise DataError(f"{advice} The download failed: {said}") from None


def _fetch(
    remotes: Sequence[Remote],
    folder: Path,
    unpack: Callable[[Path, Path], None],
    answer_seconds: float,
) -> None:
    sources = [_answering(remote.urls, answer_seconds) for remote in remotes]
    with tempfile.TemporaryDirectory(prefix=".download-", dir=_existing(folder)) as scratch:
        unpacked = Path(scratch, "unpacked")
        unpacked.mkdir()
        for remote, urls in zip(remotes, sources, strict=True):
            unpack(_download(remote, urls, scratch), unpacked)
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(unpacked.iterdir()):
            if not (folder / path.name).exists():
                os.replace(path, folder / path.name)  # atomic, as it is the same file system


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process of a node download at a time. The lock ends with its process."""
    with FileLock(folder / ".download.lock") as lock:
        try:
            yield
        finally:
            Path(lock.lock_file).unlink(missing_ok=True)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists."""
    return next(path for path in [folder.absolute(), *folder.absolute().parents] if path.is_dir())


def _answering(urls: Sequence[str], seconds: float) -> list[str]:
    """Query all mirrors at once and return those that have the file, best first.

    Threads are used, because a timeout does not limit the lookup of a host's name.

    Raises:
        ConnectionError: If none answers in time. The message has the reason of each.
    """
    reasons = dict.fromkeys(urls, f"no answer in {seconds:g} seconds")

    def ask(url: str) -> None:
        request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "multihead"})
        try:
            with urllib.request.urlopen(request, timeout=seconds):
                reasons[url] = ""
        except URLError as error:
            reasons[url] = str(error.reason)
        except (OSError, HTTPException) as error:
            reasons[url] = str(error) or type(error).__name__

    threads = [threading.Thread(target=ask, args=(url,), daemon=True) for url in urls]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    found = dict(reasons)
    if all(found.values()):
        hosts = {urlsplit(url).netloc or url: reason for url, reason in found.items()}
        raise ConnectionError("; ".join(f"{host}: {reason}" for host, reason in hosts.items()))
    return [url for url, reason in found.items() if not reason]


def _download(remote: Remote, urls: Sequence[str], folder: str) -> Path:
    from torchvision.datasets.utils import download_url  # takes seconds to import

    with _stall_timeout():
        for url in urls:
            try:
                download_url(url, folder, filename=remote.name, md5=remote.md5)
            except (OSError, HTTPException, RuntimeError) as error:
                failure = f"{url}: {error}"
            else:
                return Path(folder, remote.name)
    raise ConnectionError(failure)


@contextmanager
def _stall_timeout() -> Iterator[None]:
    """Limit each wait for bytes. torchvision's download has no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_STALL_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
