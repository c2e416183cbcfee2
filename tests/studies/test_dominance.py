"""Pruning with several objectives."""

import pytest

from multihead.errors import ConfigError
from multihead.studies.dominance import DominancePruner

OTHERS = [{2: [0.9, 0.1]}, {2: [0.8, 0.2]}, {2: [0.85, 0.15]}, {1: [0.9, 0.1]}]


def pruner(**keys: object) -> DominancePruner:
    options = {"n_startup_trials": 3, **keys}
    return DominancePruner(["maximize", "minimize"], **options)  # type: ignore[arg-type]


def test_what_enough_trials_dominate_at_the_same_step_is_stopped() -> None:
    assert "3 trials dominate it at step 2" in (pruner().reason(2, [0.3, 0.9], OTHERS) or "")


@pytest.mark.parametrize(
    "own",
    [
        pytest.param([0.95, 0.9], id="the best in one objective"),
        pytest.param([0.3, 0.05], id="the best in the other"),
        pytest.param([0.79, 0.21], id="worse by less than the margin"),
    ],
)
def test_what_may_end_on_the_front_goes_on(own: list[float]) -> None:
    assert pruner().reason(2, own, OTHERS) is None


def test_only_equal_steps_are_compared() -> None:
    assert pruner(n_warmup_steps=0).reason(1, [0.0, 1.0], OTHERS) is None


def test_a_value_that_is_not_finite_dominates_nothing() -> None:
    broken = [{2: [float("nan"), 0.0]}] * 5
    assert pruner().reason(2, [0.3, 0.9], broken) is None


def test_numbers_outside_their_ranges_are_refused() -> None:
    with pytest.raises(ConfigError, match="n_dominators is 0"):
        pruner(n_dominators=0)
