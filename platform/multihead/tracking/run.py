"""One run's record: its folder on this machine, and a sender that copies it to the MLflow store.

The folder's name is our own sortable id. It identifies the run (tag `multihead.run`) and exists
before the first request to the store. Every record is first appended to the folder's spool.
"""

import json
import logging
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import yaml

from multihead.errors import ConfigError, DeletedError, RecordLostError, StoreError
from multihead.files import inside, sha256, write_atomically, write_text_atomically
from multihead.tracking.delivery import Delivery
from multihead.tracking.find import find_run
from multihead.tracking.folder import CONFIG_FILE, History, RunFolder, run_path
from multihead.tracking.reap import close_dead_attempt
from multihead.tracking.sender import Sender
from multihead.tracking.spool import Spool
from multihead.tracking.store import Store, run_route
from multihead.tracking.tags import ERROR_TAG, HOME_TAG, RUN_TAG, TAG_LENGTH
from multihead.yaml_file import read_yaml

__all__ = ["CONFIG_FILE", "ERROR_TAG", "RUN_TAG", "TrackedRun", "find_run", "flat", "new_run_id"]

Status = Literal["FINISHED", "FAILED", "KILLED"]
_PARAM_LENGTH = 6000
_LIMITS = {"metrics": 1000, "params": 100, "tags": 100}
_SETTLE_SECONDS = 12.0
# Seconds without progress after which the end of a run stops waiting for the store. They are short
# because a stopped container is killed ten seconds after SIGTERM.
_PATIENCE = {"FINISHED": 10.0, "FAILED": 10.0, "KILLED": 5.0}
_METRIC_NAME = re.compile(r"[\w.\- /:]{1,250}")
# A name, such as that of a column, may have characters that MLflow refuses in a parameter's name.
_NO_PARAM, _LONGEST_PARAM = re.compile(r"[^\w.\- ]"), 250
_LOG = logging.getLogger("multihead.tracking")


def new_run_id() -> str:
    """Return an id that sorts by time, such as 20261122-214501-3f9ac2."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a nested configuration as dotted keys and text, `model.optimizer.lr: 0.002`."""
    items: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            items |= flat(value, f"{prefix}{key}.")
        else:
            items[f"{prefix}{key}"] = str(value)
    return items


class TrackedRun:
    """A run that this process, and no other, records.

    Args:
        store: Where the record goes.
        folder: The run's folder, whose lock this process holds.
        history: What the spool holds already.

    Attributes:
        refusal: Why the store refused the run at its start; None if it did not.
    """

    refusal: StoreError | None = None

    def __init__(self, store: Store, folder: RunFolder, history: History) -> None:
        self.store, self.run_id, self.folder = store, folder.run_id, folder.path
        self._files = folder
        self._history = history
        self._steps: dict[str, int] = {}
        self._spool = Spool(folder.spool, history.end)
        self._sender: Sender | None = None
        self._sending = False
        self._born: float | None = None  # by the monotonic clock

    @classmethod
    def create(
        cls,
        store: Store,
        experiment: str,
        config: Mapping[str, Any],
        *,
        name: str | None = None,
        kind: str = "run",
        run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        later: bool = False,
    ) -> "TrackedRun":
        """Make the folder, write the configuration into it, and begin the first attempt.

        If the store does not answer, the record is sent later.

        Args:
            store: Where the record will be.
            experiment: MLflow's name of the experiment.
            config: A composed configuration in plain types.
            name: The run's name in MLflow; made from experiment and id if None.
            kind: The kind of run: run, evaluation, study, trial, ...
            run_id: Our id, if it was made before; see `new_run_id`.
            tags: Further tags, such as the run it belongs to.
            later: Whether sending starts only with `send`, or with the end of the run at the
                latest. `settle` then raises the store's refusal.

        Raises:
            StoreError: If the folder cannot be written to or the store refuses. The folder is
                removed then.
        """
        store.make_home()
        run_id = run_id or new_run_id()
        folder = RunFolder(run_path(store.home, run_id, "the run"))
        try:
            folder.path.mkdir()
        except OSError as error:
            raise StoreError(f"{folder.path} cannot be made ({error.strerror}).") from error
        try:
            folder.acquire()
            _write_config(folder.path, config)
            run = cls(store, folder, History())
            run._append(
                "create",
                experiment=experiment,
                name=name or f"{experiment}-{run_id[-6:]}",
                tags={**(tags or {}), "multihead.kind": kind, HOME_TAG: store.home_id()},
            )
            run._begin()
            if not later:
                run._settle_at_once()
        except (StoreError, OSError) as error:
            folder.lock.release()
            shutil.rmtree(folder.path, ignore_errors=True)
            if isinstance(error, OSError):
                raise StoreError(
                    f"{folder.path} cannot be written to ({error.strerror})."
                ) from error
            raise
        return run

    @classmethod
    def reopen(
        cls, store: Store, run_id: str, config: Mapping[str, Any], *, from_step: int = 0
    ) -> "TrackedRun":
        """Begin another attempt at a run, with the configuration for this attempt.

        MLflow keeps the first value of a parameter, so a changed value becomes a tag.

        Args:
            store: Where the record is.
            run_id: Our id of the run.
            config: As composed now.
            from_step: The step of the checkpoint that the run resumes from. Points already
                recorded at or after this step are not recorded again when it is repeated.

        Raises:
            StoreError: If another process has the run, or the store refuses it.
        """
        folder = RunFolder(inside(store.home, run_id, "the run"))
        folder.acquire()
        try:
            run = cls(store, folder, close_dead_attempt(folder, from_step))
            before = read_yaml(folder.config)
            begun = {key: before[key] for key in ("ckpt_path", "paths") if key in before}
            after = {**config, **begun}
            old, new = flat(before), flat(after)
            changed = {f"resumed.{k}": v for k, v in new.items() if old.get(k) != v}
            run._begin()
            run._settle_at_once()
        except BaseException:
            folder.lock.release()
            raise
        if changed:
            run.set_tags(changed)
            _write_config(folder.path, after)
        return run

    def _begin(self) -> None:
        """Record the attempt."""
        self._history.attempts += 1
        who = {"host": platform.node(), "pid": os.getpid()}  # for people only, not for checks
        self._append("attempt", number=self._history.attempts, **who)
        self._spool.flush()
        self._files.marker.write_text(json.dumps(who))
        self._sender = Sender(self._spool, Delivery(self._files, self.store))

    def send(self) -> None:
        """Start the thread that sends the run to the store, unless it has started already."""
        if self._sender is not None and not self._sending:
            self._sending = True
            self._sender.start()

    @property
    def is_settled(self) -> bool:
        """Whether the store knows the run, has refused it, or has failed to answer."""
        return self._sender is not None and self._sender.settled.is_set()

    def settle(self, seconds: float = _SETTLE_SECONDS) -> None:
        """Wait a bounded time until the store knows the run, refuses it, or fails to answer.

        Args:
            seconds: The longest wait.

        Raises:
            StoreError: If the store refuses the run, which must then end; see `refusal`.
        """
        assert self._sender is not None
        self.send()
        self._sender.settled.wait(seconds)
        refusal = self._sender.refusal
        if refusal is not None and (self.mlflow_id is None or isinstance(refusal, DeletedError)):
            self.refusal = refusal
            raise refusal
        self._sender.beginning = False

    def _settle_at_once(self) -> None:
        try:
            self.settle()
        except StoreError:
            self._abandon()
            raise

    def discard(self) -> None:
        """Remove a new run that the store refuses."""
        self._abandon()
        self._files.lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _abandon(self) -> None:
        """Record that the store refuses this attempt, and end it."""
        assert self._sender is not None
        self._sender.close(_PATIENCE["KILLED"])
        with suppress(RecordLostError):
            self._append("status", status="FAILED", reason=str(self.refusal), exit=2)
        self._files.marker.unlink(missing_ok=True)
        self._spool.close()

    @property
    def mlflow_id(self) -> str | None:
        """MLflow's id of the run; None until the store knows it."""
        return None if self._sender is None else self._sender.delivery.cursor.mlflow_id

    @property
    def url(self) -> str | None:
        """The address of the run's page; None until the store knows it."""
        if self._sender is None or self.mlflow_id is None:
            return None
        return self.store.run_url(str(self._sender.delivery.cursor.experiment_id), self.mlflow_id)

    def route(self, mlflow_id: str | None = None, artifact: str = "") -> str | None:
        """Return an address within MLflow's UI, for links between its pages.

        Args:
            mlflow_id: MLflow's id of a run of the same experiment; this run if none.
            artifact: The path of an artifact, for the address of its page; the run's page if empty.

        Returns:
            None until the store knows this run.
        """
        if self._sender is None or self.mlflow_id is None:
            return None
        experiment = str(self._sender.delivery.cursor.experiment_id)
        return run_route(experiment, mlflow_id or self.mlflow_id, artifact)

    def age(self) -> int:
        """Return the whole seconds since the run was made, over all its attempts.

        Within an attempt the number never decreases, even if the system clock is set back.
        """
        now = time.monotonic()
        if self._born is None:
            self._born = now - _seconds_since(self.run_id)
        return int(now - self._born)

    def pace(self) -> None:
        """Limit the sender's share of the processor from now on, because training begins."""
        if self._sender is not None:
            self._sender.pace()

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Record one point of each metric at an optimizer step, once.

        A point that an earlier attempt recorded at this step keeps its first value and time.

        Raises:
            ConfigError: For a name that MLflow refuses.
            StoreError: If the folder cannot be written to.
        """
        known, steps = self._history.points, self._steps
        new: dict[str, float] = {}
        for key, value in metrics.items():
            if key not in steps:
                _check_name(key)
            elif steps[key] == step:
                continue
            steps[key] = step
            if (key, step) not in known:
                new[key] = float(value)
        for part in _parts(new, "metrics"):
            self._append("metrics", step=step, values=part)

    def log_params(self, params: Mapping[str, str]) -> None:
        """Record hyperparameters; those already recorded keep their first value."""
        known = self._history.params
        named = {_NO_PARAM.sub("_", name)[:_LONGEST_PARAM]: v for name, v in params.items()}
        new = {k: v[:_PARAM_LENGTH] for k, v in named.items() if k not in known}
        known |= set(new)
        for part in _parts(new, "params"):
            self._append("params", values=part)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Record tags, replacing those of the same name. An empty value removes the tag."""
        for part in _parts({k: v[:TAG_LENGTH] for k, v in tags.items()}, "tags"):
            self._append("tags", values=part)

    def log_dataset(
        self, *, name: str, digest: str, context: str, source: str, profile: Mapping[str, Any]
    ) -> None:
        """Record a dataset the run used, with the digest of its content."""
        self._append(
            "dataset",
            name=name,
            digest=digest,
            context=context,
            source=source,
            profile=dict(profile),
        )

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Record a file as an artifact: it stays in the run's folder and is uploaded from there.

        Args:
            path: The file; copied if it is elsewhere.
            folder: The artifact's folder.

        Raises:
            RecordLostError: If the folder does not exist any more.
            StoreError: If the folder cannot be written to.
        """
        place = f"{folder}/{path.name}" if folder else path.name
        kept = inside(self.folder, place, "an artifact")
        self.check()
        try:
            kept.parent.mkdir(exist_ok=True)
            if kept != path:
                copy = partial(_copy, path)
                write_atomically(kept, copy, make_folder=False)
            digest = sha256(kept)
        except OSError as error:
            raise StoreError(f"{kept} cannot be written to ({error.strerror}).") from error
        self.note_file(place, digest)

    def note_file(self, place: str, digest: str) -> None:
        """Record a file that is in the run's folder already.

        Args:
            place: Its path in the folder, and of the artifact.
            digest: Its SHA-256.
        """
        self._append("file", path=place, sha256=digest)

    def log_model(self, place: str, digest: str) -> None:
        """Record an MLflow model that is in the run's folder; see `models.write_model`.

        Args:
            place: Its folder within the run's.
            digest: The digest of its weights and their description.
        """
        self._append("model", path=place, digest=digest)

    def check(self) -> None:
        """Check that the record is still in its place and as this process left it.

        Raises:
            RecordLostError: If another program deleted, moved or changed it.
            StoreError: If the disk fails.
        """
        self._spool.check()

    def flush(self) -> None:
        """Write the record to the disk, so that it survives a power cut."""
        self._spool.flush()

    def finish(self, status: Status, reason: str = "", exit_code: int = 0) -> None:
        """Record how this attempt ended, and wait a bounded time for the store to receive it all.

        If the record is lost or the disk is full, the status goes directly to the store. If that
        fails too, `multihead reap` finds the run.

        Raises:
            RecordLostError: If a run that FINISHED has lost its record; it is FAILED then.
            StoreError: If the end of a run that FINISHED cannot be recorded; it is FAILED then.
        """
        problem: RecordLostError | StoreError | None = None
        try:
            self._append("status", status=status, reason=reason, exit=exit_code)
            self._spool.flush()
            self._files.marker.unlink(missing_ok=True)
        except (RecordLostError, StoreError) as error:
            problem = error
        if self._sender is not None:
            self._end_sending(_PATIENCE[status])
        if problem is not None:
            self._end_lost(status, reason, problem)
        with suppress(StoreError):  # a failing disk; `problem` already reports it
            self._spool.close()
        self._files.lock.release()
        if problem is not None and status == "FINISHED":
            raise problem
        if problem is None:
            self._say_unsent()
        elif not reason.endswith(str(problem)):
            _LOG.warning("run %s: %s", self.run_id, problem)

    def _end_sending(self, patience: float) -> None:
        """Deliver the rest, also if the sender has not started yet."""
        assert self._sender is not None
        self.send()
        began = time.monotonic()
        self._sender.settled.wait(patience)
        self._sender.close(max(1.0, patience - (time.monotonic() - began)))

    def _end_lost(self, status: Status, reason: str, problem: Exception) -> None:
        """Send the store an end that cannot be written to the folder."""
        if self._sender is None:
            return
        ended = "FAILED" if status == "FINISHED" else status
        reason = reason or f"{type(problem).__name__}: {problem}"
        try:
            self._sender.delivery.end_lost(int(time.time() * 1000), ended, reason)
        except StoreError as error:
            if not self.store.is_gone:  # if it is gone with the home, `problem` reports it
                _LOG.warning("%s `multihead reap` will mark the run as ended there.", error)

    def _say_unsent(self) -> None:
        unsent = self._sender.delivery.unsent() if self._sender is not None else None
        if unsent:
            _LOG.warning(
                "%s of run %s are not in the store yet. They are safe in %s; send them with "
                "`multihead sync %s`.",
                *(unsent, self.run_id, self.folder, self.run_id),
            )

    def _append(self, what: str, **values: Any) -> None:
        self._spool.append({"what": what, "time": int(time.time() * 1000), **values})


def _seconds_since(run_id: str) -> float:
    made = datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    return max(0.0, (datetime.now(UTC) - made).total_seconds())


def _write_config(folder: Path, config: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(config), sort_keys=False)
    write_text_atomically(folder / CONFIG_FILE, text)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _parts(values: Mapping[str, Any], what: str) -> Iterator[dict[str, Any]]:
    """Yield the values in parts that fit into a request."""
    items = iter(values.items())
    while part := dict(islice(items, _LIMITS[what])):
        yield part


def _check_name(name: str) -> None:
    if not _METRIC_NAME.fullmatch(name) or name.startswith("/") or ".." in name.split("/"):
        raise ConfigError(
            f"{name!r} is not allowed as the name of a metric: use at most 250 characters, of "
            f"letters, digits, spaces and _ - . / :, without a leading / or a part '..'."
        )
