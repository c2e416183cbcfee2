"""Send the records of a spool to the store, once and in order, from where the last send stopped.

Every action can safely be repeated:

- A run is found by its tag if the reply to its creation was lost.
- MLflow drops a point that it already has (same metric, value, step and time).
- Parameters keep their value, and a tag ends with its last value.

So the cursor may be out of date, or missing.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from multihead.errors import ConfigError, DeletedError, StoreError, StoreUnreachableError
from multihead.files import inside, sha256, write_text_atomically
from multihead.tracking import spool
from multihead.tracking.artifacts import Artifacts
from multihead.tracking.cursor import Cursor
from multihead.tracking.folder import RunFolder
from multihead.tracking.store import Store
from multihead.tracking.tags import (
    ATTEMPTS_TAG,
    DESCRIPTION_TAG,
    ERROR_TAG,
    RUN_TAG,
    TAG_LENGTH,
)

ATTEMPTS_FILE = "attempts.json"
_BATCH = {"metrics": 1000, "params": 100, "tags": 100}
_ENTITIES = 1000  # of all three together
_BATCH_BYTES = 500_000  # a server takes a million, but in a longer format


@dataclass(frozen=True)
class Unsent:
    """How much of a run is not in the store yet."""

    records: int
    points: int
    files: int

    def __bool__(self) -> bool:
        return bool(self.records or self.files)

    def __str__(self) -> str:
        return f"{self.points:,} points, {self.records:,} records and {self.files:,} files"


class Delivery:
    """Delivers one run from its folder to the store; the caller must hold `send.lock`.

    Args:
        folder: The run's folder.
        store: Where the record goes.

    Raises:
        ConfigError: If the run was begun in another store.
    """

    def __init__(self, folder: RunFolder, store: Store) -> None:
        self.folder, self.store = folder, store
        self.cursor = Cursor.load(folder.delivery, store.identity)
        if self.cursor.store != store.identity:
            raise ConfigError(
                f"run {folder.run_id} belongs to the store {self.cursor.store}, not to "
                f"{store.identity}; set MLFLOW_TRACKING_URI to the run's store."
            )
        if not self._fits():
            self._start_anew()
        self.cursor.save(folder.delivery)  # from now on the run belongs to this store
        self.artifacts = Artifacts(folder, store, self.cursor.wanted, self.cursor.sent)
        self._verified = False

    def step(self) -> bool:
        """Deliver one batch of records or one file; return whether there was anything to send.

        Raises:
            StoreUnreachableError: If a later try may succeed.
            DeletedError: If the run was deleted in the store.
            StoreError: If the store refuses.
        """
        if self.store.scheme == "sqlite":
            self.store.knock()
        try:
            return self._deliver()
        except StoreError as error:
            if not self._is_gone(error):
                self._check_bin(error)
                raise
        self._start_anew()
        return True

    def verify(self) -> None:
        """Mark as unsent what the store has lost: the run, or some of its files.

        Raises:
            StoreError: If the store refuses or does not answer.
        """
        mlflow_id = self.cursor.mlflow_id
        if mlflow_id is None:
            return
        try:
            with self.store.errors():
                self.store.client.get_run(mlflow_id)
            self.artifacts.verify(mlflow_id)
        except StoreError as error:
            if not self._is_gone(error):
                raise
            self._start_anew()

    def end_lost(self, time: int, status: str, reason: str) -> None:
        """Send only the end of a run whose record is gone.

        Args:
            time: Now, in milliseconds since 1970.
            status: MLflow's status.
            reason: Why it ended, in one line.

        Raises:
            StoreError: If the store refuses or does not answer.
        """
        mlflow_id = self.cursor.mlflow_id
        if mlflow_id is not None:
            if self.store.scheme == "sqlite":
                self.store.knock()
            with self.store.errors():
                self.store.client.set_tag(mlflow_id, ERROR_TAG, reason[:TAG_LENGTH])
                self.store.client.set_terminated(mlflow_id, status, time)

    def unsent(self) -> Unsent:
        """Count what the store lacks, by the cursor."""
        records = [entry.record for entry in spool.read(self.folder.spool, self.cursor.offset)]
        points = sum(len(r["values"]) for r in records if r["what"] == "metrics")
        files = {r["path"] for r in records if r["what"] == "file"} | set(self.artifacts.missing())
        return Unsent(len(records), points, len(files))

    def _deliver(self) -> bool:
        batch = self._next_batch()
        if not batch:
            return self._upload()
        if _ends(batch[0].record):
            self._write_attempts(batch[0].record)
            if not self._verified:  # a FINISHED run must be complete in the store
                self._verified = True
                self.verify()
            if self._upload():
                return True
        self._send([entry.record for entry in batch])
        self.cursor.offset = batch[-1].end
        self.cursor.save(self.folder.delivery)
        return True

    def _upload(self) -> bool:
        if self.cursor.mlflow_id is None or not self.artifacts.upload_one(self.cursor.mlflow_id):
            return False
        self.cursor.save(self.folder.delivery)
        return True

    def _next_batch(self) -> list[spool.Entry]:
        """Return the next record, or as many as fit into one request."""
        batch: list[spool.Entry] = []
        counts = dict.fromkeys(_BATCH, 0)
        first = self.cursor.offset
        for entry in spool.read(self.folder.spool, first):
            what = entry.record["what"]
            if what not in _BATCH:
                return batch or [entry]
            counts[what] += len(entry.record["values"])
            full = any(counts[kind] > limit for kind, limit in _BATCH.items())
            if batch and (full or sum(counts.values()) > _ENTITIES):
                break
            batch.append(entry)
            if entry.end - first > _BATCH_BYTES:
                break
        return batch

    def _send(self, records: list[spool.Record]) -> None:
        record = records[0]
        match record["what"]:
            case "create":
                self._create(record)
            case "attempt":
                self._begin_attempt(record)
            case "status":
                self._set_status(record)
            case "dataset":
                self._log_dataset(record)
            case "file":
                self.artifacts.want(record["path"], record["sha256"])
            case "model":
                self._send_model(record)
            case "damaged":
                self.artifacts.notice(f"{self.folder.spool} has a damaged line, which is not sent")
            case _:
                self._log_batch(records)

    def _create(self, record: spool.Record) -> None:
        """Find the run by its tag, or make it, because an earlier try may have made it already."""
        experiment = self.store.experiment_id(record["experiment"])
        self.cursor.experiment_id = experiment
        found = self._by_tag()
        if found is None:
            with self.store.errors():
                found = self.store.client.create_run(
                    experiment,
                    start_time=record["time"],
                    run_name=record["name"],
                    tags={RUN_TAG: self.folder.run_id, **record["tags"]},
                )
        elif found.info.lifecycle_stage == "deleted":
            raise self._deleted()
        self.cursor.mlflow_id = found.info.run_id

    def _check_bin(self, refusal: StoreError) -> None:
        """Check whether the store refuses a run because the run is deleted.

        Raises:
            DeletedError: If it was deleted, alone or with its experiment. The message names the
                command that restores it.
        """
        mlflow_id = self.cursor.mlflow_id
        if mlflow_id is None or isinstance(refusal, StoreUnreachableError | DeletedError):
            return
        with self.store.errors():
            stage = self.store.client.get_run(mlflow_id).info.lifecycle_stage
        if stage == "deleted":
            raise self._deleted() from refusal

    def _deleted(self) -> DeletedError:
        run_id = self.folder.run_id
        return DeletedError(
            f"run {run_id} is deleted in {self.store.shown_uri}; "
            f"restore it with `{self.store.restoring(run_id)}`."
        )

    def _by_tag(self) -> Any:
        """Return the run in the store, or None; if there are two, delete the other one.

        A slow server may make a second run when it executes a request after we stopped waiting.
        """
        from mlflow.entities import ViewType

        with self.store.errors():
            found = self.store.client.search_runs(
                [str(self.cursor.experiment_id)],
                f"tags.`{RUN_TAG}` = '{self.folder.run_id}'",
                run_view_type=ViewType.ALL,
            )
            living = [r for r in found if r.info.lifecycle_stage == "active"]
            ours = [r for r in living if r.info.run_id == self.cursor.mlflow_id] or living
            for extra in living:
                if extra is not ours[0]:
                    self.store.client.delete_run(extra.info.run_id)
        return next(iter([*ours, *found]), None)

    def _begin_attempt(self, record: spool.Record) -> None:
        attempts = self._attempts(record["number"] - 1)
        attempts.append({k: v for k, v in record.items() if k != "what"})
        with self.store.errors():
            client, mlflow_id = self.store.client, str(self.cursor.mlflow_id)
            found = client.get_run(mlflow_id)
            if found.info.lifecycle_stage == "deleted":
                raise self._deleted()
            if found.info.status != "RUNNING":
                client.update_run(mlflow_id, status="RUNNING")
            if ERROR_TAG in found.data.tags:
                client.delete_tag(mlflow_id, ERROR_TAG)
            client.set_tag(mlflow_id, ATTEMPTS_TAG, str(len(attempts)))
        self.cursor.attempts = attempts

    def _set_status(self, record: spool.Record) -> None:
        with self.store.errors():
            client, mlflow_id = self.store.client, str(self.cursor.mlflow_id)
            if record["reason"]:
                client.set_tag(mlflow_id, ERROR_TAG, record["reason"][:TAG_LENGTH])
            client.set_terminated(mlflow_id, record["status"], record["time"])
        self._by_tag()
        self.cursor.attempts = self._ended_attempts(record)

    def _write_attempts(self, record: spool.Record) -> None:
        """Write the file of attempts; this record ends the last attempt."""
        file = self.folder.path / ATTEMPTS_FILE
        text = json.dumps(self._ended_attempts(record), indent=2)
        with suppress(OSError):  # the record of the end matters more than the list
            write_text_atomically(file, text, durable=False, make_folder=False)
            self.artifacts.want(ATTEMPTS_FILE, sha256(file))

    def _ended_attempts(self, record: spool.Record) -> list[dict[str, Any]]:
        attempts = self._attempts(len(self.cursor.attempts))
        if attempts:
            keep = ("status", "reason", "exit")
            attempts[-1] |= {"end": record["time"], **{k: record[k] for k in keep}}
        return attempts

    def _attempts(self, count: int) -> list[dict[str, Any]]:
        return [dict(a) for a in self.cursor.attempts[:count]]

    def _log_dataset(self, record: spool.Record) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            record["name"],
            record["digest"],
            "local",
            json.dumps({"uri": record["source"]}),
            profile=json.dumps(record["profile"]),
        )
        used = DatasetInput(dataset, [InputTag("mlflow.data.context", record["context"])])
        with self.store.errors():
            self.store.client.log_inputs(str(self.cursor.mlflow_id), [used])

    def _send_model(self, record: spool.Record) -> None:
        from multihead.tracking.models import send_model

        folder = inside(self.folder.path, record["path"], "a model")
        if not (folder / "MLmodel").is_file():
            self.artifacts.notice(f"{folder} is missing; make the model with `multihead promote`")
            return
        # Another user may have written the folder: a link in it must not upload other files.
        names = [str(path.relative_to(folder)) for path in folder.rglob("*")]
        files = [inside(folder, name, "a file of the model") for name in names]
        self.artifacts.uploading = sum(path.stat().st_size for path in files if path.is_file())
        try:
            send_model(self.store, str(self.cursor.mlflow_id), folder, record["digest"])
        finally:
            self.artifacts.uploading = 0

    def _log_batch(self, records: list[spool.Record]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        values: dict[str, list[Any]] = {"metrics": [], "params": [], "tags": []}
        for record in records:
            for key, value in record["values"].items():
                match record["what"]:
                    case "metrics":
                        made: Any = Metric(key, value, record["time"], record["step"])
                    case "params":
                        made = Param(key, value)
                    case _:
                        made = RunTag(key, value)
                values[record["what"]].append(made)
        # If a tag was set twice within a batch, the last value counts.
        tags = {tag.key: tag for tag in values["tags"]}
        description = tags.get(DESCRIPTION_TAG)
        if description is not None and self._is_edited(description.value):
            del tags[DESCRIPTION_TAG]
        with self.store.errors():
            self.store.client.log_batch(
                str(self.cursor.mlflow_id),
                values["metrics"],
                values["params"],
                [tag for tag in tags.values() if tag.value],
            )
        self._remove_tags({key for key, tag in tags.items() if not tag.value})
        if DESCRIPTION_TAG in tags:
            self.cursor.described = _digest(tags[DESCRIPTION_TAG].value)

    def _remove_tags(self, keys: set[str]) -> None:
        """Remove the tags of an earlier attempt; the store refuses to remove one that is absent."""
        if not keys:
            return
        with self.store.errors():
            client, mlflow_id = self.store.client, str(self.cursor.mlflow_id)
            for key in keys & client.get_run(mlflow_id).data.tags.keys():
                client.delete_tag(mlflow_id, key)

    def _is_edited(self, new: str) -> bool:
        """Return whether a person has edited the description in the store."""
        with self.store.errors():
            run = self.store.client.get_run(str(self.cursor.mlflow_id))
        there = run.data.tags.get(DESCRIPTION_TAG, "")
        return there not in ("", new) and _digest(there) != self.cursor.described

    def _is_gone(self, error: StoreError) -> bool:
        """Return whether the store has lost a run that it had; it is then delivered again."""
        from mlflow.exceptions import MlflowException

        cause = error.__cause__
        missing = isinstance(cause, MlflowException) and (
            cause.error_code == "RESOURCE_DOES_NOT_EXIST"
        )
        if not missing or self.cursor.mlflow_id is None:
            return False
        return self._by_tag() is None

    def _fits(self) -> bool:
        """Return whether the cursor fits this spool; a crash may have cut the end of either."""
        offset = self.cursor.offset
        if offset > self.folder.spool.stat().st_size:
            return False
        following = next(iter(spool.read(self.folder.spool, offset)), None)
        return following is None or following.record is not spool.DAMAGED

    def _start_anew(self) -> None:
        fresh = Cursor(self.store.identity)
        # `self.artifacts` holds references to these two.
        self.cursor.wanted.clear()
        self.cursor.sent.clear()
        fresh.wanted, fresh.sent = self.cursor.wanted, self.cursor.sent
        self.cursor = fresh
        with suppress(OSError):
            self.cursor.save(self.folder.delivery)


def _ends(record: spool.Record) -> bool:
    return bool(record["what"] == "status" and record["status"] != "RUNNING")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
