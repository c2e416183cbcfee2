"""Return the folders of runs, data and configs, and the URLs of stores.

Environment variables are read in each call, and not at import.
"""

import os
from pathlib import Path

from multihead.errors import ConfigError
from multihead.text import shortened

HOME_VARIABLE = "MULTIHEAD_HOME"
DATA_VARIABLE = "MULTIHEAD_DATA_DIR"
STUDIES_VARIABLE = "MULTIHEAD_STUDY_STORAGE"  # the URL may have a password
UI_VARIABLE = "MULTIHEAD_UI_URL"
REVISION_VARIABLE = "MULTIHEAD_REVISION"
TRUST_VARIABLE = "MULTIHEAD_TRUST"
COMMAND_VARIABLE = "MULTIHEAD_COMMAND"  # what a person typed, where that started this process
_LONGEST_SHOWN = 200
_LONG_NAME = "x" * 100  # two of these are longer than any path that a run makes in its home
OWN_STUDY_VARIABLE = "MULTIHEAD_OWN_STUDY"  # fingerprint of the study of the worker's parent


def home() -> Path:
    """Return the folder of runs, local store and artifacts: `MULTIHEAD_HOME`, or else `./runs`.

    Raises:
        ConfigError: As `home_folder`.
    """
    return home_folder(os.environ.get(HOME_VARIABLE) or "runs")


def data_dir() -> Path:
    """Return the folder of datasets: `MULTIHEAD_DATA_DIR`, or else `./data`.

    Raises:
        ConfigError: For the reasons of `home_folder`.
    """
    return _possible(_folder(os.environ.get(DATA_VARIABLE) or "data"), "data folder", DATA_VARIABLE)


def home_folder(text: str) -> Path:
    """Return the absolute path of a home that a user names; `~` is the user's home folder.

    Raises:
        ConfigError: If it is a URL, begins with `~` and an unknown user name, is relative to a
            current folder that was deleted, or cannot be a folder: it is a file, its path is too
            long for the files of a run, or it cannot be read.
    """
    if "://" in text:
        raise ConfigError(f"the home {text!r} is a URL; runs need a folder of this machine.")
    return _possible(_folder(text), "home", f"{HOME_VARIABLE} or paths.home")


def study_storage(at: Path | None = None) -> str:
    """Return the URL of the database of studies.

    Args:
        at: The home; None for `home()`.

    Returns:
        `MULTIHEAD_STUDY_STORAGE`, or else the URL of an SQLite file in the home.
    """
    return os.environ.get(STUDIES_VARIABLE) or sqlite_url((at or home()) / "studies.db")


def sqlite_url(file: Path) -> str:
    """Return the URL of an SQLite file, with special characters of the path escaped."""
    from sqlalchemy import URL  # slow to import, and `--help` does not need it

    return URL.create("sqlite", database=str(file)).render_as_string()


def current_folder() -> Path:
    """Return the current folder.

    Raises:
        ConfigError: If it was deleted.
    """
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise ConfigError(
            "the current folder was deleted; change to another one with `cd`."
        ) from error


def trusted() -> frozenset[str]:
    """Return the names in `MULTIHEAD_TRUST`, which are separated by commas.

    It is for processes without an option --trust: MLflow's server, and workers.
    """
    names = (name.strip() for name in os.environ.get(TRUST_VARIABLE, "").split(","))
    return frozenset(name for name in names if name)


def packaged(kind: str) -> Path:
    """Return the shipped folder `experiments` or `studies`.

    In a wheel they are inside the package; the studies are in the folder of the modules that run
    them. In a checkout they are next to `platform/`.

    Args:
        kind: `experiments` or `studies`.
    """
    inside = Path(__file__).parent / kind
    carried = any(inside.glob("*/*.yaml"))
    return inside if carried else Path(__file__).parents[2] / kind


def config_folders(kind: str) -> list[Path]:
    """Return the folders to search for `kind`: the one in the current folder, then the shipped one.

    Args:
        kind: `experiments` or `studies`.
    """
    own, shipped = current_folder() / kind, packaged(kind)
    return [own, shipped] if own.is_dir() and own.resolve() != shipped.resolve() else [shipped]


def _folder(text: str) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{text!r} begins with a user that this machine does not know."
        ) from error
    return path if path.is_absolute() else current_folder() / path


def _possible(folder: Path, what: str, chosen_with: str) -> Path:
    """Return a folder, after checking that it exists or could be made, with folders in it."""
    try:
        (folder / _LONG_NAME / _LONG_NAME).stat()
    except FileNotFoundError:
        return folder
    except (OSError, ValueError) as error:  # ValueError: the path has a NUL character
        reason = getattr(error, "strerror", None) or str(error)
        shown = shortened(str(folder), _LONGEST_SHOWN)
        raise ConfigError(
            f"the {what} {shown!r} cannot be a folder ({reason}); choose another folder with "
            f"{chosen_with}."
        ) from error
    return folder
