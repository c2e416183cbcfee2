"""Turn a trial's parameters into the configurations of its runs."""

from collections.abc import Collection, Mapping
from typing import Any

from multihead.runs.config import Base
from multihead.runs.recorded import check_texts
from multihead.runs.sections import RunConfig
from multihead.runs.trust import check_targets, started
from multihead.studies.definition import Definition

# Seeds of a search start at the base's seed and count upwards; this offset is far beyond them.
_CONFIRM_OFFSET = 100_000


class TrialConfigs:
    """Makes the configurations of a study's runs.

    Each combination of config groups is composed only once.

    Args:
        definition: The study.
        trust: Targets that a study from a storage may name in addition to those of `runs.trust`.
            None if the study is the user's own, which may name any target.

    Raises:
        ConfigError: If the base does not compose, or names an untrusted target.
    """

    def __init__(self, definition: Definition, trust: Collection[str] | None = None) -> None:
        self.definition, self._trust = definition, trust
        self._bases: dict[tuple[str, ...], Base] = {}
        if trust is not None:
            content = definition.model_dump(mode="json", exclude={"storage", "overrides"})
            check_texts(content, definition.overrides, self._name)
        self.base = RunConfig.of(self._checked(self._base({}).variant({})))

    @property
    def groups(self) -> dict[str, str]:
        """The base's choice of each config group."""
        return self._base({}).groups

    def seed(self, index: int) -> int:
        """Return the seed of the training with this index (from 0) in each trial."""
        return self.base.run.seed + index

    def confirm_seed(self, index: int) -> int:
        """Return the seed of a retraining, which no training of the search has."""
        return self.seed(self.definition.seeds + _CONFIRM_OFFSET + index)

    def config(self, values: Mapping[str, Any], **further: Any) -> dict[str, Any]:
        """Return the configuration of one run.

        Args:
            values: Values by override path, from `Space.values`.
            further: Values of top-level keys, such as `seed`.
        """
        groups = {path: value for path, value in values.items() if "/" in path}
        plain = {p.lstrip("+"): v for p, v in values.items() if "/" not in p}
        return self._checked(self._base(groups).variant({**plain, **further}))

    @property
    def _name(self) -> str:
        return f"the study {self.definition.name} of the storage"

    def _checked(self, config: dict[str, Any]) -> dict[str, Any]:
        if self._trust is not None:
            check_targets(config, self._name, self._trust)
            started(config["model"], self._name, typed=False)
        return config

    def _base(self, groups: Mapping[str, Any]) -> Base:
        chosen = tuple(f"{group}={choice}" for group, choice in groups.items())
        if chosen not in self._bases:
            self._bases[chosen] = Base([*self.definition.base, *chosen], Definition.model_fields)
        return self._bases[chosen]
