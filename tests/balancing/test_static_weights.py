"""Which methods undo the static weights that they are given."""

import pytest
from hydra.utils import instantiate

from multihead import Heads, settings
from multihead.balancing.static_weights import ignores_static_weights
from multihead.yaml_file import read_yaml

HEADS = Heads.from_outputs({"a": 4, "b": 3, "c": 2})
FOLDER = settings.packaged("experiments") / "model" / "balancer"
# Scales cancel in the formula; or what is learned undoes them.
UNDO = {"db_mtl", "fairgrad", "famo", "gls", "imtl_g", "gradnorm", "imtl_l", "uw"}


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.yaml")))
def test_methods_for_which_a_loss_has_no_scale_undo_static_weights(name: str) -> None:
    make = instantiate(read_yaml(FOLDER / f"{name}.yaml"))
    assert ignores_static_weights(lambda weights: make(HEADS, weights), HEADS) == (name in UNDO)
