"""Where things are: the home of runs, the data, the configs and the stores.

Everything here is read from the environment at the time of asking, never at import.
"""

import os
from pathlib import Path

HOME_VARIABLE = "MULTIHEAD_HOME"
DATA_VARIABLE = "MULTIHEAD_DATA_DIR"
STUDIES_VARIABLE = "MULTIHEAD_STUDY_STORAGE"  # the URL may hold a password
UI_VARIABLE = "MULTIHEAD_UI_URL"
REVISION_VARIABLE = "MULTIHEAD_REVISION"
TRUST_VARIABLE = "MULTIHEAD_TRUST"
OWN_STUDY_VARIABLE = "MULTIHEAD_OWN_STUDY"  # fingerprint of the study that a worker's starter has


def home() -> Path:
    """Return the folder of runs, local store and artifacts: `MULTIHEAD_HOME`, else `./runs`."""
    return Path(os.environ.get(HOME_VARIABLE) or "runs").expanduser().absolute()


def data_dir() -> Path:
    """Return the folder of datasets: `MULTIHEAD_DATA_DIR`, else `./data`."""
    return Path(os.environ.get(DATA_VARIABLE) or "data").expanduser().absolute()


def study_storage(at: Path | None = None) -> str:
    """Return the URL of the database of studies.

    Args:
        at: The home; `home()` if none.

    Returns:
        `MULTIHEAD_STUDY_STORAGE`, else of SQLite in the home.
    """
    local = f"sqlite:///{(at or home()) / 'studies.db'}"
    return os.environ.get(STUDIES_VARIABLE) or local


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
    own, shipped = Path.cwd() / kind, packaged(kind)
    return [own, shipped] if own.is_dir() and own.resolve() != shipped.resolve() else [shipped]
