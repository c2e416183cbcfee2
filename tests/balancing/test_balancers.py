"""What every balancer keeps, those of the package and one of a user's own."""

from collections.abc import Callable
from functools import partial

import lightning.pytorch as pl
import pytest
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback
from tests.balancing.outside import RunningNorms

from multihead import DigitsDataModule, Heads, MultiheadLitModule, SimpleCNN, settings
from multihead.balancing import Balancer, RandomWeighting, ScaledBalancer, StaticWeights
from multihead.errors import ConfigError
from multihead.runs.api import run
from multihead.yaml_file import read_yaml

MakeBalancer = Callable[..., Balancer]
FOLDER = settings.packaged("experiments") / "model" / "balancer"
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SMALL = {"conv1_channels": 2, "conv2_channels": 2, "fc_hidden": 8}


class StopAt(Callback):
    """End a training in the middle of an epoch, after writing a checkpoint."""

    def __init__(self, step: int, path: str) -> None:
        self.step, self.path = step, path

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True
            trainer.limit_train_batches = 0


def _module(balancer: MakeBalancer) -> MultiheadLitModule:
    torch.manual_seed(3)
    adam = partial(torch.optim.AdamW, lr=0.01, weight_decay=0.5)
    return MultiheadLitModule(
        partial(SimpleCNN, **SMALL), adam, balancer=balancer, loss_weights={"digit": 2.0}
    )


def _trainer(*callbacks: Callback, epochs: int = 2, **further: object) -> pl.Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    return pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=list(callbacks),
        enable_checkpointing=False,
        **quiet,
        **further,
    )


def _data(**further: object) -> DigitsDataModule:
    split = (96, 32, 32)
    return DigitsDataModule(multihead=True, train_val_test_split=split, batch_size=16, **further)


def _configured(module: MultiheadLitModule) -> MultiheadLitModule:
    module.configure_from(_data())
    return module


@pytest.fixture(params=[*SHIPPED, "outside"])
def balancer(request: pytest.FixtureRequest) -> MakeBalancer:
    if request.param == "outside":
        return RunningNorms
    return instantiate(read_yaml(FOLDER / f"{request.param}.yaml"))


def test_weights_are_finite_and_one_per_head(balancer: MakeBalancer, heads: Heads) -> None:
    losses = torch.tensor([0.7, 30.0], requires_grad=True)
    total, weights = balancer(heads)(losses, gramian=torch.tensor([[4.0, 1.0], [1.0, 900.0]]))
    assert weights.shape == (2,)
    assert torch.isfinite(weights).all()
    assert not weights.requires_grad
    total.backward()
    torch.testing.assert_close(losses.grad, weights)


def test_a_training_that_goes_on_equals_one_that_never_stopped(
    balancer: MakeBalancer, tmp_path: object
) -> None:
    """State that is not in the checkpoint shows here."""
    whole, trainer = _module(balancer), _trainer()
    trainer.fit(whole, _data())
    path = str(tmp_path / "half.ckpt")
    cut = _trainer(StopAt(4, path))
    cut.fit(_module(balancer), _data())
    assert cut.global_step == 4 < trainer.global_step
    resumed, going_on = _module(balancer), _trainer()
    going_on.fit(resumed, _data(), ckpt_path=path, weights_only=True)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    curves = {n: v for n, v in trainer.callback_metrics.items() if n.endswith("_weight")}
    assert curves == {n: going_on.callback_metrics[n] for n in curves}
    assert bool(curves) == whole.balancer.changes


def test_what_a_balancer_learns_is_not_decayed(balancer: MakeBalancer) -> None:
    module, trainer = _module(balancer), _trainer(epochs=1)
    trainer.fit(module, _data())
    groups = trainer.optimizers[0].param_groups
    own = {id(p) for p in module.balancer.parameters()}
    decayed = {id(p) for g in groups if g["weight_decay"] for p in g["params"]}
    assert not own & decayed
    everything = [id(p) for g in groups for p in g["params"]]
    assert sorted(everything) == sorted(id(p) for p in module.parameters())


def test_the_gramian_is_of_the_gradients_on_what_heads_share() -> None:
    given = []

    class Asking(StaticWeights):
        needs_gramian = True

        def weigh(self, losses, present, gramian):
            given.append(gramian)
            return self.base

    module = _module(Asking)
    data = _data()
    module.configure_from(data)
    module.eval()
    images = torch.randn(8, *data.image_shape)
    labels = {name: torch.arange(8) % count for name, count in data.num_classes.items()}
    losses, _, _, _ = module.losses((images, labels), "train")
    total, _ = module.balanced(losses, module.present(None))
    total.backward()  # the graph is still there
    rows = []
    for index in range(3):
        module.zero_grad()
        module.losses((images, labels), "train")[0][index].backward()
        rows.append(torch.cat([p.grad.flatten() for p in module.net.backbone.parameters()]))
    gradients = torch.stack(rows)
    torch.testing.assert_close(given[0], gradients @ gradients.T, rtol=1e-4, atol=1e-6)


def test_what_is_no_balancer_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.balancer makes a Linear, but it must make"):
        _module(lambda heads, weights: torch.nn.Linear(1, 1)).configure_from(_data())


@pytest.mark.usefixtures("home")
def test_a_balancer_is_one_word_and_its_weights_have_curves() -> None:
    small = [f"model.net.{key}={value}" for key, value in SMALL.items()]
    result = run(
        [
            "experiment=multihead_cnn_digits",
            "model/balancer=uw",
            "trainer.max_epochs=1",
            "callbacks.model_checkpoint.monitor=val/digit_acc",
            *small,
        ]
    )
    assert 0 < result.metrics["train/digit_weight"] != 1


def test_one_head_is_plain_training(balancer: MakeBalancer) -> None:
    """Otherwise a single-task arm is not plain training, and a comparison with it is unfair."""
    found = []
    for make in (balancer, StaticWeights):
        module, trainer = _module(make), _trainer(epochs=1)
        data = _data(only_heads=["digit"])
        trainer.fit(module, data)
        found.append(module.net.state_dict())
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name


def test_a_head_without_a_label_leaves_the_weights_of_the_others_to_them(
    balancer: MakeBalancer,
) -> None:
    """Its loss of 0 is none: a method must not take it for one that is learned."""
    three = Heads.from_outputs({"a": 2, "b": 2, "c": 2})
    two = Heads.from_outputs({"a": 2, "b": 2})
    gramian = torch.tensor([[4.0, -1.0], [-1.0, 9.0]])
    padded = torch.zeros(3, 3)
    padded[:2, :2] = gramian
    present = torch.tensor([True, True, False])
    _, weights = balancer(three)(torch.tensor([0.5, 2.0, 0.0]), present, padded)
    _, alone = balancer(two)(torch.tensor([0.5, 2.0]), gramian=gramian)
    assert torch.isfinite(weights).all()
    if isinstance(balancer(two), ScaledBalancer) and not isinstance(balancer(two), RandomWeighting):
        torch.testing.assert_close(weights, torch.tensor([*alone.tolist(), 0.0]))


def test_weights_sum_to_the_static_ones_unless_they_are_learned(balancer: MakeBalancer) -> None:
    """Otherwise the method changes the learning rate."""
    made = balancer(Heads.from_outputs({"a": 2, "b": 2}), {"a": 2.0, "b": 0.5})
    _, weights = made(torch.tensor([0.7, 30.0]), gramian=torch.tensor([[4.0, 1.0], [1.0, 900.0]]))
    if isinstance(made, ScaledBalancer):
        assert weights.sum().item() == pytest.approx(2.5)
        assert weights.min() >= 0


def test_clipping_accumulation_and_bfloat16_go_on_working(balancer: MakeBalancer) -> None:
    module = _module(balancer)
    trainer = _trainer(
        epochs=1, gradient_clip_val=0.1, accumulate_grad_batches=2, precision="bf16-mixed"
    )
    trainer.fit(module, _data())
    assert trainer.global_step == 3
    assert all(torch.isfinite(p).all() for p in module.parameters())


@pytest.mark.parametrize(
    "name", [n for n in SHIPPED if "every:" in (FOLDER / f"{n}.yaml").read_text()]
)
@pytest.mark.parametrize("further", [{"gramian_of": "features"}, {"every": 3}])
def test_cheaper_gradients_train_too(name: str, further: dict[str, object]) -> None:
    module = _module(instantiate({**read_yaml(FOLDER / f"{name}.yaml"), **further}))
    before = [p.clone() for p in _configured(module).net.backbone.parameters()]
    trainer = _trainer(epochs=1)
    trainer.fit(module, _data())
    assert all(
        not torch.equal(a, b) for a, b in zip(before, module.net.backbone.parameters(), strict=True)
    )
    assert all(torch.isfinite(p).all() for p in module.parameters())
