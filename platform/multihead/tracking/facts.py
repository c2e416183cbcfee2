"""What a run's record says of the code, the machine and the libraries it ran with."""

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
    """Return `name==version` of every installed package, sorted; as found the first time."""
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
    """Return who runs this: a name, or a number where the number has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container with a user id of its own
        return str(os.getuid())


@cache
def git_state() -> dict[str, str]:
    """Return commit, branch and whether the tree is dirty: of the package's checkout, else here.

    Where neither is a git repository or git is not installed, it is what `MULTIHEAD_REVISION`
    says, as an image of this package does: a commit, with `-dirty` after it if that is so. Else
    empty.
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
    """Return what differs from the commit in tracked files, without passwords of URIs.

    Files that git does not track are left out: nobody has said that they may be shown. The
    contents of binary files are left out too. Empty where nothing differs.
    """
    folder = _checkout()
    if folder is None:
        return ""
    top = _git(folder, "rev-parse", "--show-toplevel") or str(folder)
    # Programs that the user's settings have git run for a diff would change it.
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
    # A package installed into a virtual environment inside some repository is not its code.
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
