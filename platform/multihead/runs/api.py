"""Start runs from Python: `run(["experiment=multihead_cnn_mnist"])`."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from multihead import settings
from multihead.errors import CheckpointError, ConfigError, StoreError
from multihead.runs.config import compose_run, split_run
from multihead.runs.execute import Announcer, RunResult, execute
from multihead.runs.recorded import read_config, recomposed
from multihead.tracking.find import find_run, local_run
from multihead.tracking.folder import CONFIG_FILE, RunFolder
from multihead.tracking.store import Store
from multihead.tracking.tags import RUN_TAG
from multihead.training.checkpoints import BEST, LAST, PREVIOUS
from multihead.training.hashes import first_whole


def run(
    overrides: Sequence[str] = (),
    *,
    trust: Collection[str] = (),
    announcer: Announcer | None = None,
) -> RunResult:
    """Train, test and record one run, as `multihead train` does.

    Args:
        overrides: The overrides of the command line, such as
            `["experiment=cnn_mnist", "seed=1"]`. With `resume=<run id>`, that run is resumed with
            the other overrides applied.
        trust: Further targets of a resumed run's record to trust, beside the list of `runs.trust`.
        announcer: Is notified of the start.

    Raises:
        MultiheadError: For every error of the user, in one line.
    """
    resumed, others = split_run(overrides, "resume")
    if resumed is None:
        return execute(compose_run(others), announcer=announcer)
    run_id, config = resumed_config(resumed, others, trust)
    return execute(config, resume=run_id, announcer=announcer)


_FIXED = ("seed", "logger.experiment_name", "name")


def resumed_config(
    wanted: str, overrides: Sequence[str], trust: Collection[str] = ()
) -> tuple[str, dict[str, Any]]:
    """Return the id and the recorded configuration of a run, set to resume from its last.ckpt.

    Args:
        wanted: The run's id, its MLflow id, or a unique prefix of either.
        overrides: Changes to its configuration. `seed`, `name` and `logger.experiment_name` cannot
            be changed.
        trust: Further targets to trust, beside the list of `runs.trust`.

    Raises:
        ConfigError: If the run is not in `MULTIHEAD_HOME` (or `paths.home`), its record names a
            class that is not trusted, or an override is not allowed.
        CheckpointError: If the run has no checkpoint on this machine.
    """
    for override in overrides:
        if override.startswith("-"):
            raise ConfigError(f"resume takes overrides only, not {override}.")
        if override.lstrip("+~").partition("=")[0] in _FIXED:
            raise ConfigError(f"{override} cannot change within a run; start a new one.")
    homes = [o.partition("=")[2].strip("'\"") for o in overrides if o.startswith("paths.home=")]
    home = settings.home_folder(homes[-1]) if homes else settings.home()
    run_id = _run_in(home, wanted)
    folder = home / run_id
    RunFolder(folder).check_free()
    checkpoint = first_whole(folder / "checkpoints", (LAST, PREVIOUS, BEST))
    if checkpoint is None:
        raise CheckpointError(
            f"run {run_id} stopped before its first checkpoint; start a new run instead."
        )
    name = f"{CONFIG_FILE} of run {run_id}"
    record = read_config(folder / CONFIG_FILE, name)
    config = recomposed(record, overrides, name, trust)
    config["paths"]["home"] = str(home)
    return run_id, {**config, "ckpt_path": str(checkpoint)}


def recorded_values(wanted: str) -> dict[str, Any]:
    """Return the configuration of a run in `MULTIHEAD_HOME`, only to read values from it.

    Raises:
        ConfigError: If the run does not exist, or its configuration is damaged.
    """
    run_id = _run_in(settings.home(), wanted)
    return read_config(settings.home() / run_id / CONFIG_FILE, f"{CONFIG_FILE} of run {run_id}")


def _run_in(home: Path, wanted: str) -> str:
    """Return a run's id, from this id, its MLflow id, or a unique prefix of either."""
    try:
        return local_run(home, wanted)
    except ConfigError as nowhere:
        try:
            found = find_run(Store(home=home), wanted)
        except StoreError:
            raise nowhere from None
    raise ConfigError(
        f"run {found.data.tags.get(RUN_TAG)} has no folder in {home}; resume it where it ran."
    )
