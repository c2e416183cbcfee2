"""How long a training will take, from those on record that are like it.

Timing some batches would leave out validation, checkpoints and the test, which take most of the
time of a short training.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from multihead.studies.progress import span
from multihead.tracking.facts import hardware
from multihead.tracking.newest import MOST, newest_runs
from multihead.tracking.run import flat
from multihead.tracking.secrets import masked_values
from multihead.tracking.store import Store
from multihead.tracking.tags import ATTEMPTS_TAG

NO_ESTIMATE = (
    "no estimate of the time: no training on record of this kind of machine has the same data, "
    "network and number of epochs"
)
# A part of a configuration that decides how long a training takes, and what of it does not.
_DECIDES = ("data.", "model.net.", "trainer.")
_DECIDES_NOT = (
    *("data.heads.", "data.only_heads", "data.seed", "data.folds", "data.fold", "data.data_dir"),
    *("data.cache", "data.memory_budget_mb", "data.stratify"),
    *("trainer.accelerator", "trainer.enable_", "trainer.log", "trainer.default_root_dir"),
)
_OF_METHOD = ("data.only_heads", "model.balancer._target_")


@dataclass(frozen=True)
class Estimate:
    """What trainings on record say about one that is to come.

    Attributes:
        seconds: The median of their times, from start to end.
        count: How many there are.
        same_method: Whether they have the same heads and balancer too.
    """

    seconds: float
    count: int
    same_method: bool

    def __str__(self) -> str:
        same = "data, network and epochs"
        if self.same_method:
            same = "data, heads, network, balancer and epochs"
        trainings = "training" if self.count == 1 else "trainings"
        return (
            f"about {span(self.seconds)} each (median of {self.count} {trainings} on record with "
            f"the same {same})"
        )


class LikeTrainings:
    """The newest trainings on record, which are read once for any number of estimates.

    Trainings that went on after an interruption are left out.

    Args:
        store: Where the runs are.

    Raises:
        StoreError: If the store does not answer.
    """

    def __init__(self, store: Store) -> None:
        read = newest_runs(store, MOST)
        self._machine = hardware()
        self._runs: list[Any] = [
            run
            for run in (_searched(store) if read is None else read[0])
            if run.info.status == "FINISHED" and run.info.end_time and _in_one_go(run.data.tags)
        ]

    def estimate(self, config: Mapping[str, Any]) -> Estimate | None:
        """Return how long a training will take, or None if no training on record is like it.

        Args:
            config: A composed configuration in plain types.
        """
        wanted = flat(masked_values(dict(config)))
        deciding, machine = _deciding(wanted), _machine(wanted, self._machine)
        like = [
            run
            for run in self._runs
            if run.data.params.get("train") == wanted["train"]
            and _deciding(run.data.params) == deciding
            and _machine(run.data.params, run.data.tags, "hardware.") == machine
        ]
        same = [r for r in like if all(r.data.params.get(n) == wanted.get(n) for n in _OF_METHOD)]
        chosen = same or like
        if not chosen:
            return None
        times = [(run.info.end_time - run.info.start_time) / 1000 for run in chosen]
        return Estimate(median(times), len(times), bool(same))


def _searched(store: Store) -> list[Any]:
    with store.errors():
        experiments = [e.experiment_id for e in store.client.search_experiments()]
        order = ["attributes.start_time DESC"]
        return list(store.client.search_runs(experiments, max_results=MOST, order_by=order))


def _in_one_go(tags: Mapping[str, str]) -> bool:
    attempts = tags.get(ATTEMPTS_TAG, "")
    # Older records have a list in JSON here.
    return attempts == "1" or attempts.count('"number":') == 1


def _machine(
    params: Mapping[str, str], facts: Mapping[str, str], prefix: str = ""
) -> tuple[str | None, ...]:
    """Return processor, cores and, where training may use it, the GPU."""
    gpu = "" if params.get("trainer.accelerator") == "cpu" else facts.get(f"{prefix}gpu", "")
    return facts.get(f"{prefix}cpu"), facts.get(f"{prefix}cores"), gpu


def _deciding(params: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in params.items()
        if name.startswith(_DECIDES) and not name.startswith(_DECIDES_NOT)
    }
