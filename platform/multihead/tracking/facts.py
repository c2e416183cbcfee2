"""Facts for a run's record: the code, the machine and the libraries that it ran with."""

import getpass
import hashlib
import os
import platform
import shutil
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from multihead import settings
from multihead.tracking.secrets import masked

PACKAGES = (
    "multihead",
    "torch",
    "torchvision",
    "lightning",
    "mlflow",
    "hydra-core",
    "timm",
    "numpy",
)


def versions() -> dict[str, str]:
    """Return the versions of Python and the main packages."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def installed() -> tuple[str, ...]:
    """Return `name==version` of every installed package, sorted; read once per process."""
    names = {f"{d.metadata['Name']}=={d.version}" for d in distributions()}
    return tuple(sorted(names, key=str.lower))


def hardware() -> dict[str, str]:
    """Return host, processor, cores, memory and GPUs."""
    import torch

    facts = {
        "host": platform.node(),
        "cpu": _cpu_name(),
        "cores": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "platform": platform.platform(),
    }
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        facts["gpu"] = ", ".join(names)
    return facts


def user() -> str:
    """Return the name of the current user, or the user's number if it has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container with a user id of its own
        return str(os.getuid())


@cache
def git_state() -> dict[str, str]:
    """Return commit, branch and whether the tree is dirty.

    They are those of the package's checkout, or else of the repository of the current folder. If
    neither is a git repository, or git is not installed, the commit comes from
    `MULTIHEAD_REVISION`, which an image of this package sets: a commit, followed by `-dirty` if
    the tree was dirty. Without that variable the result is empty.
    """
    folder = _checkout()
    if folder is None:
        revision = os.environ.get(settings.REVISION_VARIABLE, "")
        commit = revision.removesuffix("-dirty")
        dirty = str(commit != revision).lower()
        return {"commit": commit, "dirty": dirty} if commit else {}
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {
        "commit": _git(folder, "rev-parse", "HEAD") or "",
        "branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD") or "",
        "dirty": str(bool(status)).lower(),
    }


def code_diff() -> str:
    """Return the diff of tracked files against the commit, with passwords in URIs masked.

    Untracked files are left out, because they may be private. The contents of binary files are
    left out too. The result is empty if nothing differs.
    """
    folder = _checkout()
    if folder is None:
        return ""
    top = _git(folder, "rev-parse", "--show-toplevel") or str(folder)
    # Git's settings may name external diff programs, which would change the text.
    plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
    return masked(_git(Path(top), "diff", *plain, "HEAD") or "")


def lock_digest() -> str:
    """Return the SHA-256 of requirements.lock in the package's checkout; empty in a wheel."""
    path = Path(__file__).parents[3] / "requirements.lock"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _checkout() -> Path | None:
    if shutil.which("git") is None:
        return None
    for folder in (Path(__file__).parent, Path.cwd()):
        if _git(folder, "rev-parse", "HEAD") is not None and not _is_ignored(folder):
            return folder
    return None


def _is_ignored(folder: Path) -> bool:
    # A virtual environment inside a repository is not part of the repository's code.
    return _git(folder, "check-ignore", str(folder)) is not None


def _git(folder: Path, *arguments: str) -> str | None:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
