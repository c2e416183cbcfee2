"""The LightningModule that trains any multi-head network with one criterion per head."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Self, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from multihead.balancing import Balancer, StaticWeights
from multihead.balancing.gradients import HeadGradients, keep_compiled_graphs
from multihead.balancing.means import WeightMeans
from multihead.data.datamodule import MultiheadDataModule, Part
from multihead.data.transforms import Mixed
from multihead.errors import CheckpointError, ConfigError, DivergenceError
from multihead.heads import Head, Heads
from multihead.heads.losses.choice import Criterion, make_criterion
from multihead.heads.readout import Readouts
from multihead.models.network import MultiheadNetwork
from multihead.seeding import random_state, restore_random_state, seed_rank
from multihead.training.accumulation import label_shares
from multihead.training.accumulators import HeadSums
from multihead.training.checkpoints import RAW, RECORD, check_heads, check_record
from multihead.training.criteria import Criteria
from multihead.training.finetuning import Finetuning
from multihead.training.fit import fitting_heads
from multihead.training.gathering import Gathering
from multihead.training.hardware import choose_memory_format
from multihead.training.head_artifacts import HeadArtifacts
from multihead.training.head_metrics import Chosen, HeadMetrics
from multihead.training.imbalance import Imbalance, Resolved
from multihead.training.learning_rate import BatchScaling
from multihead.training.metrics import (
    best_names,
    heads_in_mean_accuracy,
    mean_weights,
    split_metrics,
)
from multihead.training.mixing import dominant, gathered
from multihead.training.nonfinite import FiniteWatch
from multihead.training.optimization import Optimization, parameter_groups, regroups, thaw_again
from multihead.training.presence import Presence

# The third element is there only if images are mixed (mixup, cutmix).
Batch = tuple[Tensor, dict[str, Tensor] | Tensor] | tuple[Tensor, dict[str, Tensor], Mixed]

SETTINGS = "optimizer_settings"


class MultiheadLitModule(pl.LightningModule):
    """Train a multi-head network and log every head's loss and metrics once an epoch.

    Args:
        net: The network, or a callable that builds it. The callable is called as
            `net(input_channels=, input_size=, heads_config=)` with the datamodule's values.
        optimizer: A class such as `torch.optim.Adam`, or a partial. It is called with the
            parameters.
        scheduler: A class or a partial, called with the optimizer, or None. A bare class gets its
            missing arguments from the defaults of `multihead.training.schedules`.
        criteria: By head name, a module `criterion(outputs [B, K], labels [B]) -> []`, or a class
            or partial of `multihead.models.losses` that makes one when called with the `Head`.
        parameter_criterion: Makes the criterion of every parameter head that `criteria` does not
            name. Without it such a head gets the default criterion of its kind.
        class_criterion: Makes the criterion of every head of classes or tags that `criteria` does
            not name.
        class_weights: By head name, `balanced` (computed from the training labels) or a weight per
            class. `training.criteria` describes the weighted mean.
        pos_weight: By head name, for heads of yes-or-no answers and tags: `balanced`, or the weight
            of a yes relative to a no, as one number or one per tag.
        label_smoothing: By head name, 0 to 1, or one number for all heads of classes or tags. The
            criterion defines how labels are smoothed.
        loss_weights: Weight by head name in the summed loss; 1 for a head without one.
        balancer: Called with the heads and `loss_weights`; returns the object that weights the
            heads' losses in each step. `{split}/loss` is always weighted by `loss_weights`.
        auto_configure_from_dataset: Take the heads from the datamodule and check the network
            against them. If false, the network's own heads are used.
        compile: Compile the network with torch.compile.
        scheduler_monitor: Metric that a ReduceLROnPlateau watches.
        scheduler_interval: `epoch` or `step`: how often the scheduler is stepped.
        eval_weights: Fixed weights by head name for `{split}/acc_weighted` and
            `{split}/score_weighted`; not logged if none.
        memory_format: `auto`, `contiguous` or `channels_last`.
        fused: `auto`, true or false: one kernel for the whole optimizer step.
        learning_rate_scaling: `none`, `linear` or `sqrt`: how the learning rate depends on the
            batch size; see `BatchScaling`.
        reference_batch: Batch size, in images, for which the learning rate was chosen.
        metrics: By head name, the metrics to measure: names of metrics of its kind, or functions
            and classes of torchmetrics (see `multihead.metrics.own`). A head that is not named gets
            the default metrics of its kind.
        finetune: Which weights train, from which epoch on, and their learning rates. By default all
            weights train.
        predictions_mb: Memory limit, in MB of 10**6 bytes, for the predictions that are kept for
            metrics of a whole evaluation.

    Attributes:
        gathering: Exchanges tensors with the other processes of the training. It is set before the
            training starts.
        numerics: The settings that influence rounding, for checkpoints; see `runs.numerics`.
        probe: If set, it is called for each training batch with the unweighted losses [T] and with
            the heads that have labels in the batch, bool [T].

    Raises:
        ConfigError: If heads, weights, criteria, network and data do not fit together.
        DivergenceError: During training, when a head's loss is no longer finite.
    """

    def __init__(
        self,
        net: nn.Module | Callable[..., nn.Module],
        optimizer: Callable[..., Optimizer],
        scheduler: Callable[..., LRScheduler | ReduceLROnPlateau] | None = None,
        criteria: Mapping[str, Criterion] | None = None,
        loss_weights: Mapping[str, float] | None = None,
        auto_configure_from_dataset: bool = True,
        compile: bool = False,
        scheduler_monitor: str = "val/loss",
        scheduler_interval: str = "epoch",
        eval_weights: Mapping[str, float] | None = None,
        memory_format: str = "auto",
        fused: bool | str = "auto",
        parameter_criterion: Callable[[Head], nn.Module] | None = None,
        learning_rate_scaling: str = "none",
        reference_batch: int | None = None,
        balancer: Callable[[Heads, Mapping[str, float]], Balancer] = StaticWeights,
        metrics: Mapping[str, Sequence[Chosen]] | None = None,
        predictions_mb: float = 1000,
        class_criterion: Callable[[Head], nn.Module] | None = None,
        class_weights: Mapping[str, str | Sequence[float]] | None = None,
        pos_weight: Mapping[str, str | float | Sequence[float]] | None = None,
        label_smoothing: Mapping[str, float] | float | None = None,
        finetune: Finetuning | None = None,
    ) -> None:
        super().__init__()
        self.given_metrics, self.predictions_mb = metrics, predictions_mb
        self.given_balancer = balancer
        self.optimization = Optimization(
            optimizer,
            scheduler,
            monitor=scheduler_monitor,
            interval=scheduler_interval,
            fused=fused,
            scaling=BatchScaling(learning_rate_scaling, reference_batch),
        )
        self.finetuning = finetune or Finetuning()
        self.gathering = Gathering()
        self.numerics: dict[str, str] = {}
        self.net = net
        self.given_criteria, self.loss_weights = dict(criteria or {}), dict(loss_weights or {})
        self.parameter_criterion, self.class_criterion = parameter_criterion, class_criterion
        self.imbalance = Imbalance(class_weights or {}, pos_weight or {}, label_smoothing or {})
        self.weights_of_labels = Resolved()
        self.auto_configure_from_dataset = auto_configure_from_dataset
        self.compile_net = compile
        if memory_format not in ("auto", "contiguous", "channels_last"):
            raise ConfigError(
                f"model.memory_format is {memory_format!r}; choose one of "
                f"{['auto', 'contiguous', 'channels_last']}."
            )
        self.eval_weights, self.memory_format = eval_weights, memory_format
        self.heads: Heads | None = None
        self.normalisation: tuple[list[float], list[float]] = ([0.0], [1.0])
        self.preparation: dict[str, Any] | None = None
        self.best: dict[str, float] = {}
        self.incomplete: dict[Part, Collection[str]] = {"train": (), "val": (), "test": ()}
        self.shares: Tensor | None = None
        self.probe: Callable[[Tensor, Tensor], None] | None = None
        self._thawed_for = 0  # the epoch for which parameters were last frozen and unfrozen
        self._validated = False  # since the last training epoch ended
        self._resumed: dict[str, Any] | None = None
        made = [parameter_criterion, class_criterion, *self.given_criteria.values()]
        ready = all(c is None or isinstance(c, nn.Module) for c in made)
        if ready and not self.imbalance.is_given:
            self._use_heads_of_network()  # otherwise criteria are made when the data are known

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning sets this attribute about forty times a step. nn.Module.__setattr__ would check
        # each time for parameters, buffers and modules, which takes 2 microseconds.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    @property
    def backbone(self) -> nn.Module:
        """The network's backbone; Lightning's `BackboneFinetuning` expects this name."""
        return cast(MultiheadNetwork, self.net).backbone

    # -- configuration ---------------------------------------------------------------------

    def configure_from(self, data: MultiheadDataModule) -> None:
        """Take heads from the data, build the network if it is not built, and check the fit.

        Raises:
            ConfigError: If the network's heads or images are not those of the data.
        """
        channels, height, width = data.image_shape
        if not isinstance(self.net, nn.Module):
            self.net = self.net(
                input_channels=channels, input_size=(height, width), heads_config=data.num_classes
            )
        heads = fitting_heads(self.net, data, from_data=self.auto_configure_from_dataset)
        self.finetuning.check(cast(MultiheadNetwork, self.net))
        self.normalisation = (list(data.train_source.mean), list(data.train_source.std))
        given = data.train_source.preparation
        self.preparation = None if given is None else dict(given)
        if heads != self.heads:
            self._use_heads(heads, data)
        self._use_gaps(data, "train")
        self._use_gaps(data, "val")

    def _use_gaps(self, data: MultiheadDataModule, part: Part) -> None:
        """Find the heads that have missing labels in a part of the data."""
        self.incomplete[part] = data.incomplete(part) & frozenset(self._heads)
        self._sums(part).incomplete = self.incomplete[part]

    def _use_heads_of_network(self) -> None:
        if isinstance(self.net, MultiheadNetwork):
            self._use_heads(Heads.from_outputs(self.net.heads_config))

    def _use_heads(self, heads: Heads, data: MultiheadDataModule | None = None) -> None:
        for name in self.given_criteria:
            if name not in heads:
                raise ConfigError(
                    f"criteria names head {name!r}, but the network has {list(heads)}. "
                    f"Remove it, or add the head under data.heads."
                )
        self.heads = heads
        found = self.weights_of_labels = self.imbalance.resolved(heads, data)
        made = {
            name: make_criterion(self._criterion(head), head, found.options(name))
            for name, head in heads.items()
        }
        self._check_class_criterion(heads)
        self.criteria = Criteria(made, found.class_weights)
        self.head_metrics = HeadMetrics(heads, self.given_metrics, self.predictions_mb)
        self.balancer = self._made_balancer(heads)
        self.presence = Presence(heads)
        self.weight_means = WeightMeans(heads) if self.balancer.changes else None
        if self.eval_weights is not None:
            for names in (list(heads), heads_in_mean_accuracy(heads)):
                _ = names and mean_weights(heads, self.eval_weights, names)
        self.sums = nn.ModuleDict({f"{s}_sums": HeadSums(heads) for s in ("train", "val", "test")})
        self.readouts = Readouts(heads)
        self.watch = FiniteWatch(heads)
        self.artifacts = HeadArtifacts(heads)

    def _made_balancer(self, heads: Heads) -> Balancer:
        made = self.given_balancer(heads, self.loss_weights)
        if not isinstance(made, Balancer):
            raise ConfigError(
                f"model.balancer makes a {type(made).__name__}, but it must make a "
                f"multihead.balancing.Balancer."
            )
        return made

    def _check_class_criterion(self, heads: Heads) -> None:
        of_classes = [name for name, head in heads.items() if head.is_of_classes]
        if self.class_criterion is not None and set(of_classes) <= set(self.given_criteria):
            raise ConfigError(
                f"model.class_criterion is used by no head of {list(heads)}: model.criteria "
                f"already names a criterion for every head of classes or tags. Add "
                f"model.criteria=null."
            )

    def _criterion(self, head: Head) -> Criterion | None:
        default = self.parameter_criterion if head.parameter is not None else None
        if head.kind.activation and head.parameter is None:
            default = self.class_criterion
        chosen = self.given_criteria.get(head.name)
        unnamed = chosen is None or (isinstance(chosen, Mapping) and not chosen)
        return default if unnamed else chosen

    def setup(self, stage: str) -> None:
        """Configure from the trainer's datamodule and prepare the network for the device."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, MultiheadDataModule):
            self.configure_from(data)
        if self.heads is None:
            self._use_heads_of_network()
        if self.heads is None:
            raise ConfigError(
                "the heads are not known: pass a MultiheadDataModule to the trainer, or give the "
                "module a MultiheadNetwork with heads_config."
            )
        net = cast(nn.Module, self.net)
        if self.used_memory_format(self.trainer) == "channels_last":
            net.to(memory_format=torch.channels_last)
        if self.compile_net and stage == "fit":
            self._compile(net)

    def _compile(self, net: nn.Module) -> None:
        balancer = self.balancer
        if balancer.needs_gramian and not balancer.is_alone:
            if balancer.gramian_of == "features" or balancer.every > 1:
                raise ConfigError(
                    "model.compile does not work with a balancer that needs gradients of features. "
                    "Set model.balancer.gramian_of=shared and model.balancer.every=1, or "
                    "model.compile=false."
                )
            keep_compiled_graphs()
        net.compile()

    def used_memory_format(self, trainer: pl.Trainer) -> str:
        """Return the memory format in use on a trainer's device."""
        if self.memory_format != "auto":
            return self.memory_format
        device = trainer.strategy.root_device.type
        return choose_memory_format(cast(nn.Module, self.net), trainer.precision, device).value

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer (fused where that is possible) and the scheduler."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        batch_size = getattr(data, "batch_size", None)
        groups = self.parameter_groups(only_trained=regroups(self.trainer))
        return self.optimization.configured(
            groups, self.trainer, self.device.type, batch_size, self.count_train_batches
        )

    def count_train_batches(self) -> int:
        """Return how many training batches an epoch has, without `limit_train_batches`."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, MultiheadDataModule):
            return data.count_batches("train")
        self.trainer.fit_loop.setup_data()
        return int(self.trainer.num_training_batches)

    def optimizer_settings(self) -> dict[str, Any]:
        """Return the settings that the state of the optimizer or the scheduler holds, by key."""
        return self.optimization.settings() | self.finetuning.rates()

    def parameter_groups(self, *, only_trained: bool = False) -> list[dict[str, Any]]:
        """Return the groups of parameters that the optimizer is made with.

        Args:
            only_trained: Leave out frozen parameters.
        """
        if not self.finetuning.groups_parameters:
            return parameter_groups(self, self.balancer, only_trained=only_trained)
        apart = {id(parameter) for parameter in self.balancer.parameters()}
        *_, of_balancer = parameter_groups(self, self.balancer)
        groups = self.finetuning.groups(self, cast(MultiheadNetwork, self.net), apart)
        return groups + [of_balancer] * bool(apart)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all modules, but keep frozen batch norm in evaluation mode."""
        super().train(mode)
        if isinstance(self.net, MultiheadNetwork):
            self.finetuning.set_modes(self.net, self._thawed_for)
        return self

    def _thaw(self) -> None:
        """Freeze and unfreeze parameters for the current epoch."""
        self._thawed_for = self.trainer.current_epoch
        if isinstance(self.net, MultiheadNetwork):
            self.finetuning.apply(self.net, self._thawed_for)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step per-step schedulers; `on_train_epoch_end` steps the per-epoch ones."""
        if self.optimization.interval == "step":
            super().lr_scheduler_step(scheduler, metric)

    # -- steps -----------------------------------------------------------------------------

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the outputs [B, K] of every head for images [B, C, H, W]."""
        return cast(dict[str, Tensor], self.net(images))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the scalar [] that is back-propagated: the losses as the balancer weights them."""
        if self.balancer.changes:
            self.balancer.batch = self.trainer.fit_loop.total_batch_idx
        losses, counts, outputs, labels = self.losses(batch, "train")
        self._sums("train").add(losses, outputs, labels, counts)
        self._note(losses)
        present = self.present(counts)
        if counts is not None:
            self.presence.add(present)
        if self.probe is not None:
            self.probe(losses, present)
        if self.shares is not None:
            losses = losses * self.shares[batch_idx]
        total, weights = self.balanced(losses, present)
        if self.weight_means is not None:
            self.weight_means.add(weights, present)
        return total

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Do not update a head that had no label since the last step.

        Momentum and weight decay would change its weights even without a gradient.
        """
        for name in self.presence.absent():
            index = list(self._heads).index(name)
            own = cast(MultiheadNetwork, self.net).heads[f"{name}_head"].parameters()
            for parameter in (*own, *self.balancer.parameters_of(index)):
                parameter.grad = None

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add one batch to the sums."""
        losses, counts, outputs, labels = self.losses(batch, "val")
        self._sums("val").add(losses, outputs, labels, counts)
        self.head_metrics.add(outputs, labels, self.incomplete["val"])
        self._note(losses)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Add one batch to the sums and to the artifacts of the test."""
        losses, counts, outputs, labels = self.losses(batch, "test")
        self._sums("test").add(losses, outputs, labels, counts)
        self.head_metrics.add(outputs, labels, self.incomplete["test"])
        self.artifacts.add(outputs, labels, self.incomplete["test"])

    def predict_step(self, batch: Batch | Tensor, batch_idx: int) -> dict[str, Tensor]:
        """Return each head's classes, int64 [B], or values in the parameter's unit, float [B]."""
        images = batch if isinstance(batch, Tensor) else batch[0]
        return {
            name: self.readouts[name].values(outputs.float())
            for name, outputs in self(images).items()
        }

    def losses(
        self, batch: Batch, split: Part = "train"
    ) -> tuple[Tensor, Tensor | None, dict[str, Tensor], dict[str, Tensor]]:
        """Return losses [T], counts, outputs [B, K] and labels [B] by head name for one batch.

        Counts are the number of labelled samples of each head, [T], or None if no label is missing
        in the split. With several processes, each process gets its part of the batch and returns
        the values of the whole batch. For mixed images, the label with the larger share is
        returned.
        """
        images, given, mixed = batch if len(batch) == 3 else (*batch, None)
        own = {next(iter(self._heads)): given} if isinstance(given, Tensor) else given
        # Losses are computed in float32: a log-sum-exp in bfloat16 has only two correct digits.
        found = {name: values.float() for name, values in self._outputs(images).items()}
        outputs, labels, mixed = gathered(self.gathering, found, own, mixed)
        gaps = self.incomplete[split]
        losses, counts = self.criteria(self._heads, outputs, labels, gaps, mixed)
        if mixed is not None:
            labels = dominant(self._heads, labels, mixed, gaps)
        return losses, counts, outputs, labels

    def present(self, counts: Tensor | None) -> Tensor:
        """Return which heads have a label in a batch, bool [T], from the counts of `losses`."""
        return self.balancer.everyone if counts is None else counts > 0

    def balanced(self, losses: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scalar to back-propagate, [], and the weights of the losses, [T].

        Args:
            losses: [T].
            present: Which heads have a label in this batch, bool [T].
        """
        balancer = self.balancer
        if not balancer.needs_gramian or balancer.is_alone:
            return cast(tuple[Tensor, Tensor], balancer(losses, present))
        by_features = self._uses_features
        shared = [self.features] if by_features else self.shared_parameters()
        if not any(tensor.requires_grad for tensor in shared):
            return (losses * balancer.base).sum(), balancer.base  # the backbone is frozen
        gradients = HeadGradients(losses, shared, [self._own_parameters(n) for n in self._heads])
        apart = self.gathering.ranks.world_size if by_features else 0
        asked = gradients.gramian(self.gathering.averaged, apart) if balancer.asks_now else None
        total, weights = balancer(losses.detach(), present, asked)
        of_own = balancer.base if balancer.only_shared else weights
        handed_over = gradients.scalar(weights, of_own, total)
        return handed_over + (total - total.detach()), weights

    @property
    def _uses_features(self) -> bool:
        """Whether gradients are taken at the features, so that the backbone runs backward once."""
        balancer = self.balancer
        if not balancer.needs_gramian or balancer.is_alone:
            return False
        return balancer.gramian_of == "features" or not balancer.asks_now

    def _own_parameters(self, name: str) -> list[nn.Parameter]:
        head = cast(MultiheadNetwork, self.net).heads[f"{name}_head"]
        return [*head.parameters(), *self.criteria.of(name).parameters()]

    def shared_parameters(self) -> list[nn.Parameter]:
        """Return the trainable parameters of the network that all heads share."""
        own = {id(p) for name in self._heads for p in self._own_parameters(name)}
        net = cast(nn.Module, self.net)
        return [p for p in net.parameters() if id(p) not in own and p.requires_grad]

    def _outputs(self, images: Tensor) -> dict[str, Tensor]:
        if self.training and self._uses_features:
            net = cast(MultiheadNetwork, self.net)
            self.features = net.features(images)
            return net.from_features(self.features)
        if len(images) or self.training:
            return cast(dict[str, Tensor], self(images))
        # A rank without images skips the network, because not every network accepts an empty batch.
        return {name: images.new_zeros(0, width) for name, width in self._heads.outputs.items()}

    @property
    def _heads(self) -> Heads:
        return cast(Heads, self.heads)

    def _sums(self, split: str) -> HeadSums:
        return cast(HeadSums, self.sums[f"{split}_sums"])

    # -- epochs ----------------------------------------------------------------------------

    def on_train_epoch_start(self) -> None:
        """Reset the sums, and freeze or unfreeze parameters for the epoch."""
        self._thaw()
        self._sums("train").reset()
        self.presence.reset()
        self.shares = self._label_shares()
        if self.weight_means is not None:
            self.weight_means.reset()

    def _label_shares(self) -> Tensor | None:
        """Return the weight of each batch of the epoch for each head, [batches, T].

        It is None if every weight is 1: without gradient accumulation or missing labels.
        """
        trainer, data = self.trainer, self.trainer.datamodule  # type: ignore[attr-defined]
        every, gaps = trainer.accumulate_grad_batches, self.incomplete["train"]
        if every == 1 or not gaps or not isinstance(data, MultiheadDataModule):
            return None
        loader, source = trainer.train_dataloader, data.train_source
        shares = label_shares(source, data.train_indices, loader, self._heads, gaps, every)
        return None if shares is None else shares.to(self.device)

    def on_train_start(self) -> None:
        """Restore the sums and the random state of an interrupted training.

        Every rank after the first has its own random state, for dropout.

        Raises:
            CheckpointError: If the sums or the random state in the checkpoint are damaged.
        """
        self._thaw()
        ranks, others = self.gathering.ranks, []
        if self._resumed is not None:
            others = self._resumed.get("random_state_of_others", [])
            try:
                self._sums("train").restore(self._resumed["train_sums"])
                restore_random_state(self._resumed["random_state"])
                if 0 < ranks.rank <= len(others):
                    restore_random_state(others[ranks.rank - 1])
            except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
                raise CheckpointError(
                    f"the checkpoint is damaged: its sums or random state are unusable ({error})."
                ) from error
            self._resumed = None
            if regroups(self.trainer):
                thaw_again(self, self.trainer.optimizers[0])
        if ranks.rank > len(others):
            seed_rank(ranks.rank, self.global_step)

    def on_validation_epoch_end(self) -> None:
        """Log the validation metrics, and the best mean accuracy and score so far."""
        self.check_finite()
        metrics = self._read("val")
        if self.trainer.sanity_checking:
            return
        self._validated = True
        for name in best_names(self._heads):
            if name in metrics:
                self.best[name] = max(self.best.get(name, 0.0), metrics[name])
        self._log(metrics | {f"{name}_best": value for name, value in self.best.items()})

    def on_train_epoch_end(self) -> None:
        """Log the training metrics and step the schedulers that are stepped once an epoch."""
        self.check_finite()
        metrics = self._read("train")
        if self.weight_means is not None:
            means = self.weight_means.read()
            metrics |= {f"train/{name}_weight": mean for name, mean in means.items()}
        metrics["lr"] = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        self._log(metrics)
        if self.trainer.is_last_batch:  # a resumed training goes on within an epoch that was cut
            self.balancer.end_epoch()
            self.optimization.end_epoch(self.trainer, validated=self._validated)
        self._validated = False

    def on_test_epoch_start(self) -> None:
        """Discard the artifacts of an earlier test."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, MultiheadDataModule):
            self._use_gaps(data, "test")
        self.artifacts.reset()

    def on_test_epoch_end(self) -> None:
        """Log the test metrics."""
        self._log(self._read("test"))

    def _note(self, losses: Tensor) -> None:
        if self.watch.is_full:
            self.check_finite()
        self.watch.add(losses, self.global_step)

    def check_finite(self) -> None:
        """Stop the training if a loss was not finite.

        Raises:
            DivergenceError: Naming step and head.
        """
        found = self.watch.report()
        if found is not None:
            raise DivergenceError(
                f"the loss of head {found[1]!r} is not finite at step {found[0]} (epoch "
                f"{self.current_epoch}); lower model.optimizer.lr or set trainer.gradient_clip_val."
            )

    def _read(self, split: str) -> dict[str, float]:
        means, weights = self._sums(split).read(), self.balancer.base.tolist()
        whole = {} if split == "train" else self.head_metrics.read(self.readouts)
        return split_metrics(split, self.head_metrics, means, weights, self.eval_weights, whole)

    def _log(self, metrics: dict[str, float]) -> None:
        # "step" and "epoch" put the training and validation points of an epoch at the same place.
        at = {"step": float(self.global_step), "epoch": float(self.current_epoch)}
        self.log_dict({**metrics, **at})

    # -- checkpoints -----------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state that exact resumption needs, in types that weights-only loading accepts."""
        self._reopen_epoch(checkpoint["loops"]["fit_loop"]["epoch_progress"])
        channels_and_size = None
        if isinstance(self.net, MultiheadNetwork):
            channels_and_size = [self.net.input_channels, *self.net.input_size]
        checkpoint[RECORD] = {
            "heads": self._heads.to_record(),
            "image_shape": channels_and_size,
            "mean": self.normalisation[0],
            "std": self.normalisation[1],
            "best": self.best,
            "train_sums": self._sums("train").state(),
            "random_state": random_state(),
            "numerics": self.numerics,
            SETTINGS: self.optimizer_settings(),
        }
        if self.preparation is not None:
            checkpoint[RECORD]["preparation"] = self.preparation
        if not self.gathering.alone:
            states = self.gathering.collected(random_state())
            checkpoint[RECORD]["random_state_of_others"] = states[1:]

    def _reopen_epoch(self, progress: dict[str, dict[str, int]]) -> None:
        """Record an epoch that `max_steps` or `max_time` cut as one that goes on.

        Lightning counts it as trained. A resumed training would draw the rest of its batches from
        the order of the next epoch.
        """
        counted = progress["total"]["processed"] == progress["total"]["started"]
        if counted and self.trainer.training and not self.trainer.is_last_batch:
            for counts in progress.values():
                counts["processed"] -= 1

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check the heads, and keep the state of an interrupted training for `on_train_start`.

        Raises:
            CheckpointError: If the checkpoint has other heads, or is damaged.
        """
        record = check_record(checkpoint, "the checkpoint")
        if self.heads is not None:
            check_heads(record, self.heads, "the checkpoint")
        if self.trainer.state.fn != TrainerFn.FITTING:
            self._leave_balancer(checkpoint["state_dict"])
            if RAW in checkpoint:
                # Callbacks that average weights load the raw weights from this key, also in a test.
                checkpoint[RAW] = checkpoint["state_dict"]
        self.best = dict(record["best"])
        self._resumed = record

    def _leave_balancer(self, state: dict[str, Tensor]) -> None:
        """Replace the balancer's state in a checkpoint by this module's own, for a test."""
        mine = ("balancer.", "weight_means.")
        for name in [name for name in state if name.startswith(mine)]:
            del state[name]
        state |= {name: v for name, v in self.state_dict().items() if name.startswith(mine)}


MNISTLitModule = MultiheadLitModule
"""An alias of `MultiheadLitModule` for older scripts and recorded runs."""
