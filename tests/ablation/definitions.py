"""An ablation of the digits that ends in seconds."""

from click.testing import CliRunner, Result

from multihead.ablation.definition import Definition
from multihead.cli.ablate import command

SMALL = (
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "data.train_val_test_split=[128,64,64]",
)


def define(**keys: object) -> Definition:
    """Return its definition, with keys replaced."""
    return Definition.model_validate(
        {
            "name": "small",
            "experiment": "multihead_cnn_digits",
            "overrides": SMALL,
            "arms": {"single": {"single_task": "all"}, "uniform": {"loss_weights": "uniform"}},
            "baseline": "single",
            "seeds": 2,
            **keys,
        }
    )


def ablate(*arguments: str) -> Result:
    """Run the command in this process, which has imported all it needs."""
    return CliRunner().invoke(command, arguments, catch_exceptions=False)
