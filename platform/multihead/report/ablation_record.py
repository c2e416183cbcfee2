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
from multihead.markdown import code, escaped, line_by_line
from multihead.report.ablation import PAGE, lead, write
from multihead.report.ablation_tables import WORDS, load
from multihead.tracking.run import TrackedRun
from multihead.tracking.secrets import typed_command
from multihead.tracking.store import Store
from multihead.tracking.tags import DESCRIPTION_TAG

FOLDER = "report"


def attach(result: Result, run: TrackedRun) -> None:
    """Write the report with its tables, attach its files to a run, and describe the run."""
    with tempfile.TemporaryDirectory(dir=run.folder, prefix=".report.") as scratch:
        write(result, Path(scratch))
        for path in sorted(Path(scratch).iterdir()):
            run.log_file(path, FOLDER)
    run.set_tags({DESCRIPTION_TAG: _description(result, run)})


def _description(result: Result, run: TrackedRun) -> str:
    """Return what the ablation compared and found, as Markdown for the page of its run.

    MLflow's page shows five lines until somebody opens it.
    """
    sentences = result.comparison.sentences
    more = f"; {len(sentences) - 1} more sentences below" if len(sentences) > 1 else ""
    address = run.route(artifact=f"{FOLDER}/{PAGE}")
    report = "The report" if address is None else f"[The report]({address})"
    unmet = [check.name for check in result.protocol if not check.met]
    fair = f"not met: {', '.join(unmet)}" if unmet else "all rules of a fair comparison are met"
    opening = [
        f"**Ablation {escaped(result.name)}**: {escaped(lead(result, result.split))}",
        f"{escaped(sentences[0])}{more}" if sentences else "No arm could be compared.",
        f"{report} has the charts, tables and protocol; {escaped(fair)}",
        f"{code(typed_command())} trains what is missing and reports again.",
    ]
    return "\n".join([line_by_line(*opening), "", *(f"- {escaped(each)}" for each in sentences)])


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
