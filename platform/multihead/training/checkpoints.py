"""Read and write checkpoints, and keep `best.ckpt` and `last.ckpt` of a run.

A checkpoint is written completely or not at all, and reading one runs no code from it.
"""

import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.trainer.states import TrainerFn

from multihead.errors import CheckpointError, ConfigError, DataUnreachableError
from multihead.files import link, sha256, sync_folder, write_atomically
from multihead.heads import Heads
from multihead.training.archives import check_archive, check_tensors
from multihead.training.best_of_heads import BestOfHeads, file_of
from multihead.training.hashes import read_hashes, recorded_hashes
from multihead.training.head_metrics import HeadMetrics
from multihead.training.metrics import shortest
from multihead.training.points import log_epoch

BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"
_NEXT = ".next.ckpt"
RECORD = "multihead"
RAW = "current_model_state"  # Lightning's: the weights that train, where `state_dict` is an average
RECORD_KEYS = {"heads", "image_shape", "mean", "std", "best", "train_sums", "random_state"}
# Lightning needs these keys to resume a training.
_TRAINING_KEYS = {
    "pytorch-lightning_version",
    "epoch",
    "global_step",
    "loops",
    "optimizer_states",
    "lr_schedulers",
    "callbacks",
}


# torch.load raises these for files that are truncated, overwritten or of another format.
_DAMAGED = (
    *(RuntimeError, EOFError, OSError, ValueError, TypeError, LookupError, AttributeError),
    *(AssertionError, OverflowError, struct.error, zipfile.BadZipFile),
)


def check_training_state(checkpoint: dict[str, Any], path: str | Path) -> None:
    """Check that a training can be resumed from a checkpoint, which needs more than weights.

    Raises:
        CheckpointError: If a key is missing; the message names it.
    """
    missing = sorted(_TRAINING_KEYS - set(checkpoint))
    if missing or not isinstance(checkpoint["callbacks"], dict) or not checkpoint["loops"]:
        what = missing[0] if missing else "loops and callbacks"
        raise CheckpointError(f"no training can be resumed from {path}: {what} is missing in it.")


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Args:
        path: A local file; URLs are refused.

    Raises:
        CheckpointError: If it is missing, damaged, or contains other types than tensors, numbers,
            text, lists and dicts.
    """
    if "://" in str(path):
        raise CheckpointError(f"{path} is a URL; download the checkpoint and give its path.")
    if not Path(path).is_file():
        raise CheckpointError(f"there is no checkpoint {path}; give the path of a .ckpt file.")
    try:
        check_archive(Path(path))
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        check_tensors(checkpoint, Path(path))
    except pickle.UnpicklingError as error:
        reason = _refused(str(error))
        raise CheckpointError(f"{path} is refused: {reason}.") from error
    except _DAMAGED as error:
        size = Path(path).stat().st_size
        raise CheckpointError(
            f"{path} ({size:,} bytes) is damaged and cannot be read; use another checkpoint."
        ) from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), dict):
        raise CheckpointError(f"{path} has no state_dict; give a checkpoint that a run wrote.")
    return checkpoint


def check_record(checkpoint: dict[str, Any], path: str | Path) -> dict[str, Any]:
    """Return the part of a checkpoint that `MultiheadLitModule` wrote, with `heads` as `Heads`.

    Raises:
        CheckpointError: If the checkpoint was not written by multihead, or is damaged.
    """
    record = checkpoint.get(RECORD)
    if not isinstance(record, dict) or not set(record) >= RECORD_KEYS:
        raise CheckpointError(f"{path} was not written by multihead: it does not name its heads.")
    try:
        heads = Heads.from_record(record["heads"])
    except ConfigError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    for name, fits in (
        ("image_shape", _is_shape),
        ("mean", are_numbers),
        ("std", are_numbers),
        ("best", lambda best: isinstance(best, dict) and are_numbers(list(best.values()))),
        ("train_sums", lambda sums: isinstance(sums, dict)),
    ):
        if not fits(record[name]):
            raise CheckpointError(f"{path} is damaged: {name} in it is {record[name]!r:.80}.")
    return {**record, "heads": heads}


def check_heads(record: dict[str, Any], heads: Heads, path: str | Path) -> None:
    """Check that a checkpoint has the heads of the network, with the same units.

    Args:
        record: The return value of `check_record`.
        heads: The heads of the network.
        path: The checkpoint, for the error message.

    Raises:
        CheckpointError: If a head differs; the message names the first one.
    """
    there = record["heads"]
    if list(there) != list(heads):
        raise CheckpointError(
            f"{path} has the heads {list(there)}, but the network has {list(heads)}; choose the "
            f"experiment it was trained with."
        )
    for name, head in heads.items():
        for what in ("num_classes", "kind", "parameter"):
            was, now = getattr(there[name], what), getattr(head, what)
            if was != now:
                raise CheckpointError(
                    f"{path} has another head {name!r}: its {what} is {was} there, but {now} here; "
                    f"choose the data and experiment it was trained with."
                )


def _is_shape(shape: object) -> bool:
    """Return whether this is [channels, height, width], or None for an unknown shape."""
    if shape is None:
        return True
    counts = isinstance(shape, list) and all(type(n) is int and n > 0 for n in shape)
    return counts and len(shape) == 3  # type: ignore[arg-type]


def are_numbers(values: object) -> bool:
    """Return whether this is a list of numbers."""
    return isinstance(values, list) and all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in values
    )


def _refused(message: str) -> str:
    named = re.search(r"GLOBAL (\S+)", message)
    if named is not None:
        return f"loading it would run {named[1]}"
    return "it has other content than tensors, numbers and text, or it is damaged"


class AtomicCheckpointIO(CheckpointIO):
    """Write whole files only, read without running code, and delete only checkpoints.

    A resumed ModelCheckpoint of Lightning deletes the file that the checkpoint names. The
    checkpoint may come from an untrusted source, so `remove_checkpoint` checks the path.

    Args:
        home: Folder of the runs. A run's folder that was deleted in it is not created again.
    """

    def __init__(self, home: Path | None = None) -> None:
        self._home = None if home is None else home.resolve()
        self._folders: set[Path] = set()

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write to a temporary file, flush it to the disk, then rename it.

        Raises:
            CheckpointError: If the disk is full or fails; the earlier checkpoint stays unchanged.
        """
        del storage_options
        folder = Path(path).parent
        try:
            of_run = self._home is not None and folder.resolve().is_relative_to(self._home)
            folder.mkdir(parents=not of_run, exist_ok=True)
            write = partial(_save, checkpoint)
            write_atomically(Path(path), write, make_folder=False)
            self._folders.add(folder.resolve())
        except OSError as error:
            raise CheckpointError(
                f"the checkpoint cannot be written into {folder} ({error.strerror}); "
                f"free some disk space and resume: the checkpoint before it is complete."
            ) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a local checkpoint, always with `weights_only` and on the CPU."""
        del map_location, weights_only
        return read_checkpoint(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Delete a checkpoint, if it exists.

        Raises:
            CheckpointError: If it is not a .ckpt file in a folder that this training writes to.
        """
        file = Path(path)
        if file.suffix != ".ckpt" or file.parent.resolve() not in self._folders:
            raise CheckpointError(
                f"{str(path)!r:.200} is not deleted: it is not a checkpoint in a folder that this "
                f"training writes to. The checkpoint that is resumed names this file; start the "
                f"training from the beginning instead."
            )
        file.unlink(missing_ok=True)


class RunCheckpoint(Checkpoint):
    """Write `last.ckpt` after every epoch, and keep `previous.ckpt` and `best.ckpt`.

    `previous.ckpt` is the `last.ckpt` before; `best.ckpt` is that of the best epoch, or of the best
    validation within an epoch (`trainer.val_check_interval`). With several
    processes, all of them call this callback and only the first one writes files.

    Lightning's ModelCheckpoint writes last.ckpt only when the best one improves, so a resumed run
    would go back to the best epoch.

    Args:
        monitor: The metric that decides which epoch is best.
        mode: Whether the metric is best at its `max` or `min`.
        dirpath: Folder of the files; by default the run's folder.
        per_head: Also keep `best-<head>.ckpt` for each head, of the epoch with the best validation
            metric of this head. These files are hard links where possible, so they need little
            disk space.

    Attributes:
        of_heads: The best epoch of each head; None until the heads are known.
        best_metrics: Every metric at the epoch of `best.ckpt`.
        best_epoch: The epoch of `best.ckpt`, counted from 0; None before the first one.
        saved: If set, it is called with the name and SHA-256 of every new checkpoint.

    Raises:
        ConfigError: For another mode than `min` or `max`.
    """

    def __init__(
        self,
        monitor: str = "val/acc_best",
        mode: Literal["min", "max"] = "max",
        dirpath: str | Path | None = None,
        per_head: bool = False,
    ) -> None:
        if mode not in ("min", "max"):
            raise ConfigError(f"callbacks.model_checkpoint.mode is {mode!r}; choose min or max.")
        self.monitor, self.mode = monitor, mode
        self.dirpath = None if dirpath is None else Path(dirpath)
        self.per_head = per_head
        self.of_heads: BestOfHeads | None = None
        self.start_from: Path | None = None
        self._writes = True
        self._loaded_epoch: int | None = None
        self._loaded: list[str] | None = None  # names of the loaded checkpoint
        self._names: list[str] = []  # of the checkpoint that is written
        self._trains = True
        self.best_score: float | None = None
        self.best_epoch: int | None = None
        self.best_metrics: dict[str, float] = {}
        self.saved: Callable[[str, str], None] | None = None

    @property
    def folder(self) -> Path:
        """The folder of the checkpoints."""
        return Path("checkpoints") if self.dirpath is None else self.dirpath

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Store whether this process writes files."""
        self._writes = trainer.is_global_zero

    def know_heads(self, pl_module: pl.LightningModule) -> None:
        """Take over the heads and the metric that decides about each of them, for `per_head`."""
        if self.per_head and self.of_heads is None:
            measured = pl_module.head_metrics
            assert isinstance(measured, HeadMetrics)
            self.of_heads = BestOfHeads({name: measured.judge(name) for name in measured.heads})

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the heads, if no checkpoint was loaded."""
        self.know_heads(pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write last.ckpt, and each best checkpoint that this epoch improves."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        best = self._update(trainer, _figures(trainer))
        log_epoch(trainer)
        self._save(trainer, [*best, LAST])

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write each best checkpoint that a validation within an epoch improves.

        At the end of the epoch, the weights would no longer be those that were validated.
        """
        fits = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if not fits or trainer.is_last_batch or trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        # Those of the training are still of the epoch before.
        figures = {n: v for n, v in _figures(trainer).items() if not n.startswith("train/")}
        if best := self._update(trainer, figures):
            self._save(trainer, best)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Write last.ckpt if the data's storage becomes unreachable between two batches.

        The state is consistent between two batches. Saving it avoids repeating a long epoch.
        """
        done = trainer.fit_loop.epoch_loop.batch_progress.current.completed
        if isinstance(exception, DataUnreachableError) and trainer.training and done:
            self.save_last(trainer)

    def save_last(self, trainer: pl.Trainer) -> None:
        """Write last.ckpt now; a fast_dev_run writes no files."""
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._save(trainer, [LAST])

    def _save(self, trainer: pl.Trainer, names: list[str]) -> None:
        """Write a checkpoint and give it its names.

        A crash at any point leaves usable checkpoints. The best checkpoints are links to the same
        file and are made first, so last.ckpt never names a best epoch whose file is missing.
        """
        new = self.folder / _NEXT
        self._names = names
        trainer.save_checkpoint(new)
        if not self._writes:
            return
        digest = sha256(new)
        hashes = dict.fromkeys(names, frozenset({digest}))
        if LAST in names:
            hashes[PREVIOUS] = read_hashes(self.folder).get(LAST, frozenset())
        with recorded_hashes(self.folder, hashes):
            for name in names:
                if name != LAST:
                    write_atomically(self.folder / name, lambda t: link(new, t))
            if LAST not in names:
                new.unlink()
            else:
                if (self.folder / LAST).exists():
                    write_atomically(self.folder / PREVIOUS, lambda t: link(self.folder / LAST, t))
                new.replace(self.folder / LAST)
            sync_folder(self.folder)
        if self.saved is not None:
            for name in names:
                self.saved(name, digest)
        self.check_best()

    def check_best(self) -> None:
        """Check that the files of the best epochs exist.

        Raises:
            CheckpointError: If one of them was deleted during the training.
        """
        kept = {} if self.best_epoch is None else {BEST: self.best_epoch}
        kept |= {file_of(head): epoch for head, epoch in self.best_epochs.items()}
        for name, epoch in kept.items() if self._writes else ():
            if not (self.folder / name).is_file():
                raise CheckpointError(
                    f"{self.folder / name} was deleted during the run, so the weights of the best "
                    f"epoch, {epoch}, are lost. Resume the run, or train it from the beginning."
                )

    @property
    def best_epochs(self) -> dict[str, int]:
        """The epoch of each `best-<head>.ckpt`, by head name."""
        best = {} if self.of_heads is None else self.of_heads.best
        return {head: epoch for head, (_, epoch) in best.items()}

    def _earlier(self, name: str, epoch: int | None) -> Path | None:
        """Return the file of an earlier training that holds the best epoch of this name."""
        start = self.start_from
        if start is None or epoch is None:
            return None
        is_start = epoch == self._loaded_epoch if self._loaded is None else name in self._loaded
        if is_start:
            return start
        beside = start.with_name(name)
        return beside if start.name == LAST and beside.is_file() else None

    def _update(self, trainer: pl.Trainer, figures: dict[str, float]) -> list[str]:
        """Take over better values, and return the files of the best checkpoints to write."""
        epoch, found = trainer.current_epoch, []
        score, best = figures.get(self.monitor), self.best_score
        if score is not None:
            better = best is None or (score > best if self.mode == "max" else score < best)
            if better:
                self.best_score, self.best_epoch, self.best_metrics = score, epoch, figures
                found.append(BEST)
        if self.of_heads is not None:
            found += map(file_of, self.of_heads.update(figures, epoch))
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return the best epochs and their metrics, for a resumed training."""
        of_heads = {} if self.of_heads is None else {"of_heads": self.of_heads.state()}
        return {
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "best_metrics": self.best_metrics,
            "names": self._names,
            **of_heads,
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store the epoch of the checkpoint, and take over the heads."""
        self._loaded_epoch = checkpoint["epoch"]
        self._trains = trainer.state.fn == TrainerFn.FITTING
        self.know_heads(pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best epochs of an earlier training, together with their files.

        A best epoch without its file is dropped, because its metrics would then describe other
        weights. A test takes over nothing: after a training it must not replace what the training
        found, and the run of an evaluation has no checkpoint of its own.
        """
        if not self._trains:
            return
        names = state_dict.get("names")
        self._loaded = names if isinstance(names, list) else None
        if self.of_heads is not None:
            for head, score, epoch in self.of_heads.recorded(state_dict.get("of_heads")):
                if self._takes_over(file_of(head), epoch):
                    self.of_heads.best[head] = score, epoch
        if not self._takes_over(BEST, state_dict["best_epoch"]):
            return
        self.best_score = state_dict["best_score"]
        self.best_epoch = state_dict["best_epoch"]
        self.best_metrics = dict(state_dict["best_metrics"])

    def _takes_over(self, name: str, epoch: int | None) -> bool:
        """Link the checkpoint of an epoch into the folder if needed; return whether it exists."""
        if (self.folder / name).exists():
            return True
        best = self._earlier(name, epoch)
        if best is None:
            return False
        if self._writes:
            with recorded_hashes(self.folder, {name: frozenset({sha256(best)})}):
                write_atomically(self.folder / name, lambda t: link(best, t))
        return True


def _figures(trainer: pl.Trainer) -> dict[str, float]:
    return {name: shortest(value) for name, value in trainer.callback_metrics.items()}


def _save(checkpoint: dict[str, Any], path: Path) -> None:
    # Open the file here: with a path torch.save would hide the error of a full disk.
    with path.open("wb") as file:
        try:
            torch.save(checkpoint, file)
        except RuntimeError as error:  # torch wraps the file's OSError in it
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, OSError):
                cause = cause.__context__
            raise cause or error from error
