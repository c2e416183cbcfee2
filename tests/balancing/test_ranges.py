"""What a search may vary of a method is there, has its default inside, and can be built."""

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution

from multihead import Heads, settings
from multihead.balancing.ranges import RANGES
from multihead.studies.space import Parameter, check_inside, lookup
from multihead.studies.space_file import build_space
from multihead.yaml_file import read_yaml

FOLDER = settings.packaged("experiments") / "model" / "balancer"
HEADS = Heads.from_outputs({"a": 2, "b": 3})
SEARCHED = [(name, path) for name, ranges in RANGES.items() for path in ranges]


def parameter(name: str, path: str) -> Parameter:
    (made,) = build_space({path: RANGES[name][path]}, {}, {}).parameters
    return made


def test_every_shipped_method_says_what_can_be_searched() -> None:
    assert sorted(RANGES) == sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize(("name", "path"), SEARCHED)
def test_the_default_is_inside(name: str, path: str) -> None:
    """Otherwise the first trial of a study, which is the base, could not be."""
    check_inside(parameter(name, path), lookup(read_yaml(FOLDER / f"{name}.yaml"), path))


@pytest.mark.parametrize(("name", "path"), SEARCHED)
def test_a_method_can_be_built_at_the_ends_of_a_range(name: str, path: str) -> None:
    made = parameter(name, path).distribution
    ends = made.choices if isinstance(made, CategoricalDistribution) else (made.low, made.high)
    for value in ends:
        content = OmegaConf.create(read_yaml(FOLDER / f"{name}.yaml"))
        OmegaConf.update(content, path, value)
        instantiate(content)(HEADS)
