"""Export a study's trials to a file, using its storage only.

The data, classes and presets of the study need not exist any more, so nothing of them is read. The
export needs only the names of the parameters, which the stored space gives.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna

from multihead.studies.definition import Definition
from multihead.studies.registry import known
from multihead.studies.space import Space
from multihead.studies.space_file import build_space
from multihead.studies.space_weights import WEIGHTS
from multihead.studies.storage import StudyStorage
from multihead.studies.table import check_suffix, trials_table, write_table


def export(definition: Definition, path: Path) -> int:
    """Write the trials of a study to a file.

    Args:
        definition: Names the study and the storage.
        path: The file. Its suffix, .parquet, .csv or .json, sets the format.

    Returns:
        The number of trials.

    Raises:
        ConfigError: If the suffix is another one, the study does not exist, or the file cannot be
            written.
    """
    check_suffix(path)
    storage = StudyStorage(definition.storage_url)
    there = known(storage, definition.name).definition
    study = optuna.load_study(study_name=definition.name, storage=storage.optuna)
    table = trials_table(there, _space(there), study.get_trials(deepcopy=False), storage)
    write_table(table, path)
    return len(table)


def _space(definition: Definition) -> Space:
    """Return the space of a stored study. Its heads are those that the space itself names."""
    return build_space(definition.space, _heads(definition.space.get(WEIGHTS)), {})


def _heads(weights: Any) -> dict[str, None]:
    if not isinstance(weights, Mapping):
        return {}
    named = [weights.get("reference")]
    for several in (weights.get("simplex"), weights.get("ratios")):
        named += several if isinstance(several, list | dict) else []
    return dict.fromkeys(name for name in named if isinstance(name, str))
