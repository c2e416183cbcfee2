"""The report of an ablation in the ablation's own run: attached there, and read from there."""

import re
import tempfile
from os.path import isfile, join
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from multihead.ablation.records import parents_of
from multihead.ablation.result import Result
from multihead.errors import ConfigError
from multihead.report.ablation import write
from multihead.report.ablation_tables import WORDS, load
from multihead.tracking.run import TrackedRun
from multihead.tracking.store import Store

FOLDER = "report"


def attach(result: Result, run: TrackedRun) -> None:
    """Write the report with its tables, and attach the files to a run."""
    with tempfile.TemporaryDirectory(dir=run.folder, prefix=".report.") as scratch:
        write(result, Path(scratch))
        for path in sorted(Path(scratch).iterdir()):
            run.log_file(path, FOLDER)


def found_in(name: str) -> Result:
    """Return what an ablation came to, by its name on record or from a folder with its report.

    Raises:
        ConfigError: If it is neither.
        DataError: If the report's files are damaged.
    """
    # Not Path.is_file, which raises for a name that is too long for one.
    return load(Path(name)) if isfile(join(name, WORDS)) else recorded(name)


def recorded(name: str, store: Store | None = None) -> Result:
    """Return what an ablation came to, from its run in the store and nothing else.

    Raises:
        ConfigError: If there is no ablation of that name, or it has no report yet.
    """
    store = store or Store()
    parents = parents_of(store, name) if re.fullmatch(r"[\w.-]+", name) else []
    if not parents:
        raise ConfigError(
            f"there is no ablation {name!r} in {store.shown_uri}; `multihead ablate` runs one."
        )
    for run in reversed(parents):
        own = _on_disk(run.info.artifact_uri)
        if own is not None and (own / FOLDER / WORDS).is_file():
            return load(own / FOLDER)
    with tempfile.TemporaryDirectory() as scratch, store.errors():
        for run in reversed([run for run in parents if _on_disk(run.info.artifact_uri) is None]):
            there = store.client.list_artifacts(run.info.run_id, FOLDER)
            if any(item.path == f"{FOLDER}/{WORDS}" for item in there):
                folder = store.client.download_artifacts(run.info.run_id, FOLDER, scratch)
                return load(Path(folder))
    raise ConfigError(
        f"the ablation {name!r} has no report yet; `multihead ablate {name}` ends with one."
    )


def _on_disk(uri: str | None) -> Path | None:
    """Return the folder of a run's artifacts; None if they are elsewhere."""
    parts = urlsplit(uri or "elsewhere:")
    return Path(url2pathname(parts.path)) if parts.scheme in ("", "file") else None
