"""Warn if a study searches loss weights that have no effect with its balancer."""

from collections.abc import Mapping
from typing import Any

from multihead.balancing.balancer import Balancer
from multihead.balancing.static_weights import ignores_static_weights
from multihead.data.datamodule import MultiheadDataModule
from multihead.heads import Heads
from multihead.runs.build import build
from multihead.studies.configs import TrialConfigs
from multihead.studies.declared import BALANCER
from multihead.studies.space import WEIGHTS_PATH, Space
from multihead.studies.space_weights import WEIGHTS


def weight_notes(
    configs: TrialConfigs, space: Space, heads: Heads, opened: dict[str, MultiheadDataModule]
) -> list[str]:
    """Return a note if searched loss weights have no effect with one of the balancers."""
    searched = [p for p in space.parameters if p.of_weights or p.path.startswith(WEIGHTS_PATH)]
    if not searched or len(heads) < 2:
        return []
    methods = next((p for p in space.parameters if p.path == BALANCER), None)
    given = searched[0].when.get(BALANCER)
    if methods is None:
        names: tuple[Any, ...] = (configs.groups.get(BALANCER, "model.balancer"),)
    else:
        names = given or methods.choices

    def made(values: Mapping[str, Any], weights: Mapping[str, float]) -> Balancer:
        return build(
            configs.config({**values, WEIGHTS_PATH: weights}), opened=opened
        ).module.balancer

    idle = []
    for name in names:
        values = {} if methods is None else {BALANCER: name}
        if ignores_static_weights(lambda weights, v=values: made(v, weights), heads):  # type: ignore[misc]
            idle.append(str(name))
    if not idle:
        return []
    others = [str(name) for name in names if str(name) not in idle]
    mend = (
        f"give {WEIGHTS} when: {{{BALANCER}: [{', '.join(others)}]}}"
        if others
        else f"leave {WEIGHTS} out"
    )
    return [
        f"{WEIGHTS} have no effect on shared parameters with {BALANCER} {', '.join(idle)}, but the "
        f"space searches them with it; {mend}"
    ]
