"""Which heads help each other, measured in one training."""

import copy
import json
from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from tests.balancing.test_balancers import SMALL
from tests.conftest import Run

from multihead import Heads, MultiheadLitModule, SimpleCNN
from multihead.balancing.cagrad import CAGrad
from multihead.data.datamodule import MultiheadDataModule
from multihead.data.source import Source
from multihead.training.affinity import TaskAffinity
from multihead.training.look_ahead import look_ahead


def planted(data_dir: Path, split: str) -> Source:
    """`same` has the labels of `one`, `coin` random ones; `rare` those of `one`, one in sixteen."""
    del data_dir, split
    rng = np.random.default_rng(0)
    labels, coin = rng.integers(0, 2, (2, 192))
    images = rng.normal(90, 30, (192, 1, 8, 8)) + 40 * labels[:, None, None, None]
    rare = np.where(np.arange(192) % 16 == 0, labels, -1)
    given = {"one": labels, "same": labels, "coin": coin, "rare": rare}
    return Source(
        name="planted",
        images=images.clip(0, 255).astype(np.uint8),
        labels={name: values.astype(np.int64) for name, values in given.items()},
        heads=Heads.from_outputs(dict.fromkeys(given, 2)),
        mean=(0.4,),
        std=(0.2,),
        incomplete=frozenset(["rare"]),
    )


def module(dropout: float = 0.2, **options: object) -> MultiheadLitModule:
    torch.manual_seed(1)
    given = {"optimizer": partial(torch.optim.SGD, lr=0.05), **options}
    return MultiheadLitModule(partial(SimpleCNN, **SMALL, dropout=dropout), **given)


def trained(
    *callbacks: pl.Callback,
    of: MultiheadLitModule | None = None,
    ckpt: str | None = None,
    batch_size: int = 16,
    max_epochs: int = 2,
    **further: object,
) -> pl.Trainer:
    trainer = pl.Trainer(
        max_epochs=max_epochs,
        accelerator="cpu",
        callbacks=[*callbacks],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
        **further,
    )
    data = MultiheadDataModule(source=planted, multihead=True, batch_size=batch_size)
    trainer.fit(of or module(), data, ckpt_path=ckpt, weights_only=True)
    return trainer


def by_pair(callback: TaskAffinity) -> pd.DataFrame:
    return callback.of_training().set_index(["source", "target"])


def test_a_planted_synergy_shows_and_a_coin_helps_nobody() -> None:
    callback = TaskAffinity(every=1)
    wide = {"conv1_channels": 8, "conv2_channels": 8, "fc_hidden": 32, "dropout": 0.0}
    torch.manual_seed(1)
    of = MultiheadLitModule(partial(SimpleCNN, **wide), partial(torch.optim.SGD, lr=0.02))
    trained(callback, of=of, max_epochs=4, batch_size=32)
    found = by_pair(callback)["affinity"]
    assert min(found["one", "same"], found["same", "one"]) > 0.03
    assert max(found["coin", "one"], found["coin", "same"]) < 0.01
    assert max(found["one", "coin"], found["same", "coin"]) < 0.01


@pytest.mark.parametrize(
    ("options", "further"),
    [
        ({}, {"precision": "bf16-mixed", "accumulate_grad_batches": 3}),
        ({}, {"precision": "bf16-true"}),
        (
            {"optimizer": partial(torch.optim.Adam, lr=0.01), "balancer": CAGrad},
            {"gradient_clip_val": 0.1},
        ),
        ({"loss_weights": {"one": 2.0, "coin": 0.0}}, {}),
    ],
    ids=["mixed and accumulated", "bf16", "cagrad, adam and clipped", "weights"],
)
def test_a_look_leaves_the_training_as_it_was_to_the_bit(options: dict, further: dict) -> None:
    """Dropout, batch norm and missing labels are part of it."""
    found = []
    for callbacks in ([look := TaskAffinity(every=1)], []):
        trainer = trained(*callbacks, of=module(**options), limit_train_batches=7, **further)
        optimizer = trainer.optimizers[0].state_dict()["state"]
        found.append((trainer.lightning_module.state_dict(), optimizer, torch.get_rng_state()))
    torch.testing.assert_close(*found, rtol=0, atol=0)
    assert look.table()["looks"].max() == 7


def test_a_look_leaves_gradients_and_generators_alone() -> None:
    class Check(pl.Callback):
        def on_train_batch_end(
            self, trainer: pl.Trainer, module: pl.LightningModule, _: object, batch: tuple, i: int
        ) -> None:
            parameters = [*module.net.parameters()]
            before = copy.deepcopy([[p.data, p.grad] for p in parameters])
            random = torch.get_rng_state()
            look_ahead(trainer, module, batch)
            after = [[p.data, p.grad] for p in parameters]
            torch.testing.assert_close(after, before, rtol=0, atol=0)
            assert torch.equal(torch.get_rng_state(), random)

    trained(Check(), limit_train_batches=2)


def test_it_is_the_formula_of_the_paper_computed_by_an_optimizer() -> None:
    """One step of SGD on a copy of the network, with the same dropout."""
    seen = []

    class Check(pl.Callback):
        def on_train_batch_start(
            self, trainer: pl.Trainer, module: pl.LightningModule, batch: tuple, i: int
        ) -> None:
            found = look_ahead(trainer, module, batch)
            random = torch.get_rng_state()
            for source in range(4):
                torch.set_rng_state(random)
                other = copy.deepcopy(module)
                losses, counts, *_ = other.losses(batch)
                other.zero_grad()
                losses[source].backward()
                torch.optim.SGD(other.shared_parameters(), lr=0.05).step()
                torch.set_rng_state(random)
                after = other.losses(batch)[0]
                torch.set_rng_state(random)
                if counts[source]:
                    expected = torch.where(counts > 0, 1 - after / losses, 0).detach().double()
                    torch.testing.assert_close(found[1, source], expected, rtol=1e-3, atol=1e-6)
                    seen.append(source)

    trained(Check(), limit_train_batches=3)
    assert set(seen) >= {0, 1, 2}


def test_a_step_of_length_0_changes_nothing() -> None:
    callback = TaskAffinity(every=2)
    trained(callback, of=module(optimizer=partial(torch.optim.SGD, lr=0.0)))
    assert (callback.of_training()["affinity"].abs() < 1e-6).all()


def test_a_head_without_labels_or_weight_is_left_out() -> None:
    callback = TaskAffinity(every=1)
    trained(callback, of=module(loss_weights={"coin": 0.0}))
    looks = by_pair(callback)["looks"]
    assert "coin" not in {*looks.index.get_level_values(0), *looks.index.get_level_values(1)}
    batches = looks["one", "same"]
    assert looks["one", "rare"] == looks["rare", "one"] == looks["rare", "rare"]
    assert 0 < looks["rare", "one"] < batches


@pytest.mark.slow(minutes=0.5)
def test_a_compiled_network_is_looked_at_too() -> None:
    """Without dropout, for which a compiled network draws other numbers."""
    found = []
    for compiled in (False, True):
        callback = TaskAffinity(every=3)
        of = module(0.0, compile=compiled, balancer=CAGrad)
        trained(callback, of=of, limit_train_batches=4, max_epochs=1)
        found.append(callback.of_training()["affinity"])
    np.testing.assert_allclose(*found, atol=1e-3)


def test_a_run_keeps_the_matrix_and_its_picture(train: Run) -> None:
    result = train("callbacks=affinity", "callbacks.affinity.every=2")
    folder = result.folder
    assert folder is not None
    matrix = json.loads((folder / "affinity.json").read_text())
    assert matrix["heads"] == list(result.heads)
    table = pd.read_csv(folder / "affinity.csv").set_index(["source", "target"])
    assert len(table) == len(matrix["heads"]) ** 2
    assert matrix["affinity"][0][1] == pytest.approx(table["affinity"]["digit", "thickness"])
    assert (folder / "affinity.png").stat().st_size > 5000
    assert (pd.read_csv(folder / "affinity_epochs.csv")["epoch"] == 0).all()
