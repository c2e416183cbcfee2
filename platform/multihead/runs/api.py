"""Runs from Python: `run(["experiment=multihead_cnn_mnist"])`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from multihead import settings
from multihead.errors import CheckpointError, ConfigError
from multihead.runs.config import compose_run
from multihead.runs.execute import Announcer, RunResult, execute
from multihead.tracking.run import CONFIG_FILE, RUN_TAG, find_run
from multihead.tracking.store import Store
from multihead.training.checkpoints import LAST


def run(overrides: Sequence[str] = (), *, announcer: Announcer | None = None) -> RunResult:
    """Train, test and record one run, as `multihead train` does.

    Args:
        overrides: What one would type, such as `["experiment=cnn_mnist", "seed=1"]`; with
            `resume=<run id>`, that run goes on where it stopped, with further overrides applied.
        announcer: Told of the start.

    Raises:
        MultiheadError: In one line, for whatever cannot run.
    """
    resumed, others = split_resume(overrides)
    if resumed is None:
        return execute(compose_run(others), announcer=announcer)
    run_id, config = resumed_config(resumed, others)
    return execute(config, resume=run_id, announcer=announcer)


def split_resume(overrides: Sequence[str]) -> tuple[str | None, list[str]]:
    """Part `resume=<run id>` from the other overrides."""
    found = [o.partition("=")[2] for o in overrides if o.startswith("resume=")]
    if len(found) > 1:
        raise ConfigError(f"resume is given {len(found)} times; name one run.")
    return (found[0] if found else None), [o for o in overrides if not o.startswith("resume=")]


def resumed_config(wanted: str, overrides: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return our id and the recorded configuration of a run, set to go on from its last.ckpt.

    Raises:
        ConfigError: If there is no such run.
        CheckpointError: If the run has no checkpoint on this machine.
    """
    uri = next(
        (o.partition("=")[2] for o in overrides if o.startswith("logger.tracking_uri=")), None
    )
    home = next((o.partition("=")[2] for o in overrides if o.startswith("paths.home=")), None)
    store = Store(uri, Path(home) if home else settings.home())
    run_id = find_run(store, wanted).data.tags[RUN_TAG]
    folder = store.home / run_id
    if not (folder / CONFIG_FILE).is_file():
        raise ConfigError(f"run {run_id} has no folder in {store.home}; resume it where it ran.")
    checkpoint = folder / "checkpoints" / LAST
    if not checkpoint.is_file():
        raise CheckpointError(f"run {run_id} stopped before its first checkpoint; train it anew.")
    config = compose_run(list(overrides), folder)
    return run_id, {**config, "ckpt_path": str(checkpoint)}
