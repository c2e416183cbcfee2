"""Where things are: the home of runs, the data, the configs and the stores.

Everything here is read from the environment at the time of asking, never at import.
"""

import os
from pathlib import Path

from multihead.errors import ConfigError
from multihead.text import shortened

HOME_VARIABLE = "MULTIHEAD_HOME"
DATA_VARIABLE = "MULTIHEAD_DATA_DIR"
STUDIES_VARIABLE = "MULTIHEAD_STUDY_STORAGE"  # the URL may hold a password
UI_VARIABLE = "MULTIHEAD_UI_URL"
REVISION_VARIABLE = "MULTIHEAD_REVISION"
TRUST_VARIABLE = "MULTIHEAD_TRUST"
COMMAND_VARIABLE = "MULTIHEAD_COMMAND"  # what a person typed, where that started this process
_LONGEST_SHOWN = 200
_LONG_NAME = "x" * 100  # two of them are longer than any path that a run makes in its home
OWN_STUDY_VARIABLE = "MULTIHEAD_OWN_STUDY"  # fingerprint of the study that a worker's starter has


def home() -> Path:
    """Return the folder of runs, local store and artifacts: `MULTIHEAD_HOME`, else `./runs`."""
    return home_folder(os.environ.get(HOME_VARIABLE) or "runs")


def data_dir() -> Path:
    """Return the folder of datasets: `MULTIHEAD_DATA_DIR`, else `./data`.

    Raises:
        ConfigError: As for a home.
    """
    return _possible(_folder(os.environ.get(DATA_VARIABLE) or "data"), "data folder", DATA_VARIABLE)


def home_folder(text: str) -> Path:
    """Return the absolute path of a home that a user names, `~` being who they are.

    Raises:
        ConfigError: If it is an address, begins with `~` and a name that is no user's, is
            relative to a current folder that was deleted, or can be no folder: it is a file, its
            path is too long for what a run makes in it, or nobody may look into it.
    """
    if "://" in text:
        raise ConfigError(f"the home {text!r} is an address; runs need a folder of this machine.")
    return _possible(_folder(text), "home", f"{HOME_VARIABLE} or paths.home")


def study_storage(at: Path | None = None) -> str:
    """Return the URL of the database of studies.

    Args:
        at: The home; `home()` if none.

    Returns:
        `MULTIHEAD_STUDY_STORAGE`, else of SQLite in the home.
    """
    return os.environ.get(STUDIES_VARIABLE) or sqlite_url((at or home()) / "studies.db")


def sqlite_url(file: Path) -> str:
    """Return the URL of a database in a file, whatever characters its path has."""
    from sqlalchemy import URL  # not for each `--help`

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
    """Return what `MULTIHEAD_TRUST` names, with commas between.

    It is for processes that take no options of ours: MLflow's server, and workers.
    """
    names = (name.strip() for name in os.environ.get(TRUST_VARIABLE, "").split(","))
    return frozenset(name for name in names if name)


def packaged(kind: str) -> Path:
    """Return the shipped folder `experiments` or `studies`.

    A wheel carries them inside the package, studies beside the modules that run them; in a
    checkout they lie beside `platform/`.
    """
    inside = Path(__file__).parent / kind
    carried = any(inside.glob("*/*.yaml"))
    return inside if carried else Path(__file__).parents[2] / kind


def config_folders(kind: str) -> list[Path]:
    """Return the folders searched for `kind`, first hit wins: the current folder's own, ours.

    Args:
        kind: `experiments` or `studies`.
    """
    own, shipped = current_folder() / kind, packaged(kind)
    return [own, shipped] if own.is_dir() and own.resolve() != shipped.resolve() else [shipped]


def _folder(text: str) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{text!r} begins with a user that is not known here.") from error
    return path if path.is_absolute() else current_folder() / path


def _possible(folder: Path, what: str, chosen_with: str) -> Path:
    """Return a folder that is there or could be made, with others in it."""
    try:
        (folder / _LONG_NAME / _LONG_NAME).stat()
    except FileNotFoundError:
        return folder
    except (OSError, ValueError) as error:  # ValueError: a NUL, which no path has
        reason = getattr(error, "strerror", None) or str(error)
        shown = shortened(str(folder), _LONGEST_SHOWN)
        raise ConfigError(
            f"the {what} {shown!r} can be no folder ({reason}); choose another folder with "
            f"{chosen_with}."
        ) from error
    return folder
