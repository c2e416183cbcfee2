"""Find the parameters of an earlier run, to start a study with them.

A run's record has the composed values of its config groups, but not the names of the options. So
the option is found by comparing the values that each option composes to.
"""

from collections.abc import Mapping
from typing import Any

from multihead.errors import ConfigError
from multihead.studies.configs import TrialConfigs
from multihead.studies.space import Parameter, Space, lookup


def params_of_record(
    record: Mapping[str, Any], run_id: str, configs: TrialConfigs, space: Space
) -> dict[str, Any]:
    """Return the parameters that reproduce a run; those missing in its record are left out.

    Args:
        record: The configuration of the run.
        run_id: Its id, for error messages.
        configs: The configurations of the study.
        space: The space of the study.

    Raises:
        ConfigError: If a value is outside its range, or a config group matches none of the choices.
    """
    groups = dict(configs.groups)
    for parameter in space.parameters:
        if parameter.is_group:
            groups[parameter.path] = _choice_of(record, run_id, parameter, configs, space)
    return space.params_of(record, groups)


def _choice_of(
    record: Mapping[str, Any],
    run_id: str,
    parameter: Parameter,
    configs: TrialConfigs,
    space: Space,
) -> str:
    """Return the choice that composes to the record's values. Searched values may differ."""
    package = parameter.path.replace("/", ".")
    searched = {p.path for p in space.parameters if p.path.startswith(f"{package}.")}
    there = _leaves(lookup(record, package), package)
    choices = [str(choice) for choice in parameter.choices]
    composed = {
        choice: _leaves(lookup(configs.config({parameter.path: choice}), package), package)
        for choice in choices
    }
    for choice, leaves in composed.items():
        if all(leaves.get(path) == there.get(path) for path in {*leaves, *there} - searched):
            return choice
    made = _targets(there)  # the run may be of an earlier release with other default values
    alike = [choice for choice, leaves in composed.items() if made and _targets(leaves) == made]
    if len(alike) == 1:
        return alike[0]
    raise ConfigError(
        f"{parameter.path} of run {run_id} matches none of the choices of the space "
        f"({', '.join(choices)}); enqueue the run's values by path instead."
    )


def _targets(leaves: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in leaves.items() if path.endswith("._target_")}


def _leaves(node: Any, path: str) -> dict[str, Any]:
    """Return every value below a path, by its full path."""
    if not isinstance(node, Mapping):
        return {} if node is None else {path: node}
    found: dict[str, Any] = {}
    for key, value in node.items():
        found |= _leaves(value, f"{path}.{key}")
    return found
