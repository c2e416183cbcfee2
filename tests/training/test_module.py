import warnings
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from tests.conftest import write_mnist
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from multihead import (
    DigitsDataModule,
    MNISTDataModule,
    MNISTLitModule,
    MultiheadDataset,
    MultiheadLitModule,
    SimpleCNN,
)
from multihead.errors import ConfigError, DivergenceError

SPLIT = (96, 64, 32)


def _trainer(**options: object) -> pl.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    settings = {**quiet, "enable_checkpointing": False, "accelerator": "cpu", **options}
    return pl.Trainer(**settings)


def _digits(**options: object) -> DigitsDataModule:
    return DigitsDataModule(multihead=True, train_val_test_split=SPLIT, batch_size=32, **options)


def test_five_lines_of_plain_lightning_train_a_network(tmp_path: Path) -> None:
    """No Hydra, no store, classes passed bare: what the README promises."""
    torch.manual_seed(0)
    data = MNISTDataModule(
        write_mnist(tmp_path), multihead=True, train_val_test_split=(100, 20, 40)
    )
    net = SimpleCNN(heads_config={"digit": 10, "thickness": 5, "smoothness": 3})
    module = MultiheadLitModule(net, torch.optim.Adam, torch.optim.lr_scheduler.StepLR)
    trainer = _trainer(max_epochs=8)
    trainer.fit(module, data)
    assert trainer.callback_metrics["val/digit_acc"] > 0.5


def test_the_network_is_built_from_the_data_if_only_its_class_is_given() -> None:
    module = MultiheadLitModule(partial(SimpleCNN, conv1_channels=4), torch.optim.Adam)
    _trainer(max_epochs=1).fit(module, _digits())
    assert module.net.heads_config == {"digit": 10, "thickness": 5, "smoothness": 3}
    assert module.net.input_size == (8, 8)


def test_every_head_and_split_is_logged_under_the_documented_names() -> None:
    module = MultiheadLitModule(SimpleCNN, torch.optim.Adam, eval_weights={"digit": 2.0})
    trainer = _trainer(max_epochs=1)
    trainer.fit(module, _digits())
    logged = dict(trainer.callback_metrics)
    trainer.test(module, _digits(), verbose=False)
    logged |= trainer.callback_metrics
    kinds = [f"{h}_{k}" for h in ("digit", "thickness", "smoothness") for k in ("acc", "loss")]
    for split in ("train", "val", "test"):
        for kind in [*kinds, "loss", "acc", "acc_weighted"]:
            assert f"{split}/{kind}" in logged
    assert "val/acc_best" in logged


def test_accuracy_is_the_unweighted_mean_and_loss_the_weighted_sum() -> None:
    weights = {"digit": 1.0, "thickness": 0.5, "smoothness": 0.25}
    module = MultiheadLitModule(
        SimpleCNN, torch.optim.Adam, loss_weights=weights, eval_weights={"digit": 3.0}
    )
    trainer = _trainer(max_epochs=1)
    trainer.fit(module, _digits())
    got = {name: float(value) for name, value in trainer.callback_metrics.items()}
    accuracies = [got[f"val/{head}_acc"] for head in weights]
    assert got["val/acc"] == pytest.approx(sum(accuracies) / 3)
    weighted = (3 * accuracies[0] + accuracies[1] + accuracies[2]) / 5
    assert got["val/acc_weighted"] == pytest.approx(weighted)
    total = sum(weight * got[f"val/{head}_loss"] for head, weight in weights.items())
    assert got["val/loss"] == pytest.approx(total, rel=1e-5)


def test_a_single_head_is_also_the_mean() -> None:
    trainer = _trainer(max_epochs=1)
    data = DigitsDataModule(train_val_test_split=SPLIT)
    trainer.fit(MNISTLitModule(SimpleCNN, torch.optim.Adam), data)
    assert trainer.callback_metrics["val/acc"] == trainer.callback_metrics["val/digit_acc"]


def test_the_metrics_are_those_of_a_plain_evaluation() -> None:
    module = MultiheadLitModule(SimpleCNN, torch.optim.Adam)
    data, trainer = _digits(), _trainer(max_epochs=1)
    trainer.fit(module, data)
    module.eval()
    hits, losses = [], []
    with torch.no_grad():
        for images, labels in data.val_dataloader():
            logits = module(images)["thickness"]
            hits.append(logits.argmax(1) == labels["thickness"])
            losses.append(
                nn.functional.cross_entropy(logits, labels["thickness"], reduction="none")
            )
    got = trainer.callback_metrics
    assert float(got["val/thickness_acc"]) == pytest.approx(float(torch.cat(hits).float().mean()))
    assert float(got["val/thickness_loss"]) == pytest.approx(float(torch.cat(losses).mean()))


def test_a_wrapped_torch_dataset_trains_through_a_plain_dataloader() -> None:
    images, labels = torch.rand(60, 1, 8, 8), torch.arange(60) % 10
    data = MultiheadDataset(TensorDataset(images, labels))
    net = SimpleCNN(heads_config=data.heads.outputs, input_size=8)
    module = MultiheadLitModule(net, torch.optim.Adam)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers
        _trainer(max_epochs=1, limit_val_batches=0).fit(module, DataLoader(data, batch_size=20))


def test_a_single_head_takes_plain_label_tensors() -> None:
    loader = DataLoader(
        TensorDataset(torch.rand(40, 1, 8, 8), torch.arange(40) % 10), batch_size=20
    )
    module = MultiheadLitModule(SimpleCNN(input_size=8), torch.optim.Adam)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _trainer(max_epochs=1, limit_val_batches=0).fit(module, loader)


def test_one_head_of_many_can_be_trained_by_hand() -> None:
    """The single-task arm of a comparison, on the very same data."""
    net = SimpleCNN(heads_config={"thickness": 5}, input_size=8)
    module = MultiheadLitModule(net, torch.optim.Adam, auto_configure_from_dataset=False)
    trainer = _trainer(max_epochs=1)
    trainer.fit(module, _digits())
    assert "val/thickness_acc" in trainer.callback_metrics
    assert "val/digit_acc" not in trainer.callback_metrics


def test_a_network_with_other_heads_than_the_data_is_refused() -> None:
    net = SimpleCNN(heads_config={"digit": 10}, input_size=8)
    with pytest.raises(ConfigError, match="the network has the heads"):
        _trainer(max_epochs=1).fit(MultiheadLitModule(net, torch.optim.Adam), _digits())


def test_a_criterion_of_a_head_the_network_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="criteria names head 'size'"):
        MultiheadLitModule(SimpleCNN(), torch.optim.Adam, criteria={"size": nn.CrossEntropyLoss()})


def test_a_given_criterion_is_used() -> None:
    module = MultiheadLitModule(
        SimpleCNN(), torch.optim.Adam, criteria={"digit": nn.CrossEntropyLoss(label_smoothing=0.5)}
    )
    batch = (torch.rand(4, 1, 28, 28), torch.arange(4))
    plain = MultiheadLitModule(module.net, torch.optim.Adam)
    with torch.no_grad():
        assert module.eval().losses(batch)[0] != plain.eval().losses(batch)[0]


def test_a_loss_that_is_not_finite_names_step_and_head() -> None:
    module = MultiheadLitModule(SimpleCNN, partial(torch.optim.SGD, lr=1e30))
    with pytest.raises(DivergenceError, match=r"loss of head '\w+' is not finite at step \d+"):
        _trainer(max_epochs=3).fit(module, _digits())


def test_a_plateau_lowers_the_learning_rate() -> None:
    plateau = partial(torch.optim.lr_scheduler.ReduceLROnPlateau, patience=0, threshold=1e9)
    module = MultiheadLitModule(SimpleCNN, partial(torch.optim.Adam, lr=0.01), plateau)
    trainer = _trainer(max_epochs=3)
    trainer.fit(module, _digits())
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01 * 0.1**3)


def test_an_optimizer_is_fused_unless_set_by_hand() -> None:
    module = MultiheadLitModule(SimpleCNN, torch.optim.Adam)
    by_hand = MultiheadLitModule(SimpleCNN, partial(torch.optim.Adam, foreach=True))
    for each, fused in ((module, True), (by_hand, None)):
        trainer = _trainer(max_epochs=1)
        trainer.fit(each, _digits())
        assert trainer.optimizers[0].defaults["fused"] is fused


def test_gradients_are_clipped_in_mixed_precision() -> None:
    """Lightning refuses it of a fused optimizer, which is ours unless gradients are clipped."""
    clips = {"precision": "bf16-mixed", "gradient_clip_val": 0.1, "max_epochs": 1}
    module = MultiheadLitModule(SimpleCNN, torch.optim.Adam)
    _trainer(**clips).fit(module, _digits())
    with pytest.raises(ConfigError, match=r"cannot clip gradients .*; set model\.fused=auto"):
        _trainer(**clips).fit(
            MultiheadLitModule(SimpleCNN, torch.optim.Adam, fused=True), _digits()
        )


@pytest.mark.parametrize(
    "options", [{"memory_format": "nhwc"}, {"fused": "yes"}, {"scheduler_interval": "week"}]
)
def test_a_choice_that_does_not_exist_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="choose one of"):
        MultiheadLitModule(SimpleCNN, torch.optim.Adam, **options)


class _SeenImages(pl.Callback):
    """Keeps the sum of the pixels of each training batch."""

    def __init__(self) -> None:
        self.sums: list[float] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *given: Any) -> None:
        images = given[1][0]
        self.sums.append(images.sum().item())


def test_overfitting_trains_on_the_same_batches_in_every_epoch() -> None:
    """Lightning ends the shuffling of its own loaders, and only says so of others."""
    seen = _SeenImages()
    trainer = _trainer(max_epochs=3, overfit_batches=2, callbacks=[seen])
    trainer.fit(MultiheadLitModule(SimpleCNN, torch.optim.Adam), _digits())
    assert len(seen.sums) == 6
    assert seen.sums[:2] == seen.sums[2:4] == seen.sums[4:]
    assert len(set(seen.sums)) == 2
