"""Make the configuration that tests a recorded run, on its own or other data."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from multihead import settings
from multihead.errors import ConfigError
from multihead.runs.config import compose_run
from multihead.runs.load import load_checkpoint, recorded
from multihead.runs.places import check_places
from multihead.runs.recorded import recomposed
from multihead.runs.sections import RunConfig
from multihead.runs.trust import check_network
from multihead.tracking.folder import CONFIG_FILE
from multihead.tracking.store import Store

# Config groups: they are composed again, because a recorded configuration has only their values.
_CHOICES = ("data", "data/heads")
_FIXED = ("model", "experiment")


def evaluation_config(
    run: str,
    overrides: Sequence[str],
    trust: Collection[str] = (),
    checkpoint: str | None = None,
) -> dict[str, Any]:
    """Return a run's recorded configuration, set to test its best checkpoint or another one.

    Args:
        run: The run's id, its MLflow id, or a unique prefix of either.
        overrides: `data=...` and `data/heads=...` choose other data, as in training; others change
            values.
        trust: Further targets of its configuration to trust, beside the list of `runs.trust`.
        checkpoint: The name of another checkpoint of the run, such as `best-digit`.

    Raises:
        ConfigError: If the run does not exist, names a class that is not trusted, or if an override
            does not fit.
        CheckpointError: If the checkpoint is missing, damaged or malicious.
        PathError: If the record is not from this home and names a folder outside the data folder.
    """
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        if override.startswith("-"):
            raise ConfigError(f"evaluate run=... takes overrides only, not {override}.")
        if key.partition(".")[0].partition("/")[0] in _FIXED:
            raise ConfigError(f"{override} would change the network; evaluate tests it as it is.")
    store = Store()
    record, file, ours = recorded(run, store, checkpoint)
    name = f"{CONFIG_FILE} of run {run}"
    chosen = [o for o in overrides if o.lstrip("+").partition("=")[0] in _CHOICES]
    others = [o for o in overrides if o not in chosen]
    node = record["model"]["net"]
    check_network(node, name, trust)
    # Detect a damaged checkpoint before any data are read.
    load_checkpoint(file, node, trust=trust)
    # The test is recorded in the current home and store, not in those of the record.
    typed: dict[str, Any] = {
        "name": None,
        "tags": [],
        "paths": {**record["paths"], "home": str(settings.home())},
        "logger": {**record["logger"], "tracking_uri": None},
    }
    if chosen:
        typed["data"] = compose_run(chosen)["data"]
    config = recomposed(record, others, name, trust, typed)
    if not _is_same_table(record, config):
        # Of the run's own table, only the rows that did not train are a test.
        config = recomposed(record, [*others, *_all_rows(others)], name, trust, typed)
    if not ours:
        check_places(RunConfig.of({**config, "ckpt_path": None}), overrides, store)
    return {**config, "ckpt_path": str(file), "train": False, "test": True}


def _is_same_table(record: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Return whether two configurations name the same table, or the same folder with a table."""
    tables = [part["data"].get("table") for part in (record, config)]
    first, second = (Path(t).expanduser().resolve() if t else None for t in tables)
    return first == second


def _all_rows(overrides: Sequence[str]) -> list[str]:
    """Return overrides that test all rows of another table, unless the user chooses a split."""
    keys = {override.lstrip("+").partition("=")[0] for override in overrides}
    if "data.table" not in keys or keys & {"data.sizes", "data.folds", "data.fold"}:
        return []
    of_training = ["data.folds=null", "data.fold=null", "data.group_column=null"]
    return [
        "data.sizes=[0.0,0.0,1.0]",
        *(o for o in of_training if o.partition("=")[0] not in keys),
    ]
