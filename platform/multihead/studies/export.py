"""A study's trials as a file, from its storage alone: no data are read, nothing is imported.

What a study was checked with when it was made need not be there any more. Of what its space says
only the names of parameters are needed, and these depend neither on data nor on a configuration.
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
    """Write the trials of a study as it was started; return how many there are.

    Args:
        definition: Names study and storage.
        path: Its ending says the form.

    Raises:
        ConfigError: For another ending, a study that is not there, or a place that cannot be
            written to.
    """
    check_suffix(path)
    storage = StudyStorage(definition.storage_url)
    there = known(storage, definition.name).definition
    study = optuna.load_study(study_name=definition.name, storage=storage.optuna)
    table = trials_table(there, _space(there), study.get_trials(deepcopy=False), storage)
    write_table(table, path)
    return len(table)


def _space(definition: Definition) -> Space:
    """Return the space of a study that was checked, with the heads that it names itself."""
    return build_space(definition.space, _heads(definition.space.get(WEIGHTS)), {})


def _heads(weights: Any) -> dict[str, None]:
    if not isinstance(weights, Mapping):
        return {}
    named = [weights.get("reference")]
    for several in (weights.get("simplex"), weights.get("ratios")):
        named += several if isinstance(several, list | dict) else []
    return dict.fromkeys(name for name in named if isinstance(name, str))
