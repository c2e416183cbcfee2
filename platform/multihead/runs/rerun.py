"""Run a recorded run again, and report what differs from the first time.

The configuration is the recorded `config.yaml`, and not the current presets of the same names.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from multihead import settings
from multihead.checked_json import read_json_object
from multihead.errors import ConfigError
from multihead.runs.build import Parts
from multihead.runs.execute import Announcer, RunResult, execute
from multihead.runs.load import config_of
from multihead.runs.numerics import ENVIRONMENT_FILE, NAMES, differences, numerics_of
from multihead.runs.places import check_places
from multihead.runs.recorded import recomposed
from multihead.runs.run_files import run_file
from multihead.runs.sections import RunConfig
from multihead.runs.trust import started
from multihead.tracking import facts
from multihead.tracking.code import DIFF_TAG, LOCK_TAG, code_tags
from multihead.tracking.find import find_run, folder_of
from multihead.tracking.folder import CONFIG_FILE
from multihead.tracking.run import TrackedRun, flat
from multihead.tracking.store import Store
from multihead.tracking.tags import RUN_TAG

RERUN_TAG = "multihead.rerun_of"
# Tags of a run that influence its results beside the configuration, and their names in messages.
_COMPARED = {
    "git.commit": "commit",
    DIFF_TAG: "uncommitted changes",
    LOCK_TAG: "requirements.lock",
    "data.train_digest": "training data",
    "data.test_digest": "test data",
    **NAMES,
}
_MOST_PACKAGES = 10
_PLACES = ("paths.", "logger.tracking_uri")
_FROM = "model.init_from"
_PRETRAINED = "model.net.pretrained"


def rerun(
    wanted: str,
    overrides: Sequence[str] = (),
    *,
    trust: Collection[str] = (),
    announcer: Announcer | None = None,
) -> RunResult:
    """Train, test and record a run again, in a new run with the tag `multihead.rerun_of`.

    On the same machine with the same code, libraries and data, it gives the same metrics; on a CPU
    they are equal bit for bit. The recorded threads and precision are used if this machine has
    them. Before the training starts, each difference is reported in a line; the lines are also in
    the result's notes.

    Args:
        wanted: The run's id, its MLflow id, or a unique prefix of either.
        overrides: Changes to its configuration, such as `["seed=2"]`.
        trust: Further targets of its configuration to trust, beside the list of `runs.trust`.
        announcer: Is notified of the start.

    Raises:
        ConfigError: If the run does not exist, has no configuration, or names a class that is not
            trusted.
        MultiheadError: For every other error of the user, in one line.
    """
    for override in overrides:
        if override.startswith("-"):
            raise ConfigError(f"rerun takes overrides only, not {override}.")
    store = Store()
    record = find_run(store, wanted)
    before, now = recorded_configs(store, record, overrides, trust)
    changes = [*_changes(before, now), *_package_changes(store, record)]
    speaker = _Speaker(record, changes, announcer or Announcer(), test=now["test"])
    result = execute(now, announcer=speaker, like=record.data.tags)
    return replace(result, notes=(*speaker.differences, *result.notes))


def recorded_configs(
    store: Store, record: Any, overrides: Sequence[str], trust: Collection[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a run's recorded configuration, and the one to run now.

    The second has the overrides, the current home and the current store.

    Raises:
        ConfigError: If the run has no configuration, names a class that is not trusted, would
            download weights, or if an override does not fit.
    """
    run = folder_of(store, record).name
    name = f"{CONFIG_FILE} of run {run}"
    before, ours = config_of(store, record, run)
    now = recomposed(before, overrides, name, trust)
    if now["model"]["net"].get("pretrained") and not _types(overrides, _PRETRAINED):
        raise ConfigError(
            f"{name} starts from weights that timm downloads; type {_PRETRAINED}=true to download "
            f"them now, or {_PRETRAINED}=false."
        )
    now["model"] = started(now["model"], name, typed=_types(overrides, _FROM))
    if not _types(overrides, "paths.home"):
        now["paths"]["home"] = str(settings.home())
    if not _types(overrides, "logger.tracking_uri"):
        now["logger"]["tracking_uri"] = None
    if not ours:
        check_places(RunConfig.of(now), overrides, store)
    return before, now


def _types(overrides: Sequence[str], key: str) -> bool:
    return any(override.lstrip("+").partition("=")[0] == key for override in overrides)


class _Speaker(Announcer):
    """Compare with the record after the data are read, and tag the new run.

    Attributes:
        differences: A line per difference.
    """

    def __init__(self, record: Any, changes: list[str], inner: Announcer, *, test: bool) -> None:
        self.record, self.inner, self.test = record, inner, test
        self.differences = changes

    def started(self, run: TrackedRun | None, parts: Parts, notes: list[str]) -> None:
        """Add the differences, tag the run, and call the inner announcer."""
        tags = self.record.data.tags
        today = _today(parts, test=self.test)
        self.differences = [*self.differences, *differences(tags, today, _COMPARED)]
        if run is not None:
            run.set_tags({RERUN_TAG: tags.get(RUN_TAG, self.record.info.run_id)})
        if not self.differences:
            self.differences = ["nothing differs from the record"]
        self.inner.started(run, parts, [*self.differences, *notes])

    def known(self, run: TrackedRun) -> None:
        """Call the inner announcer."""
        self.inner.known(run)


def _today(parts: Parts, *, test: bool) -> dict[str, str]:
    now = {
        "git.commit": facts.git_state().get("commit", ""),
        **code_tags(facts.code_diff()),
        "data.train_digest": parts.data.train_source.digest(),
        **numerics_of(parts),
    }
    if test:
        now["data.test_digest"] = parts.data.test_source.digest()
    return now


def _package_changes(store: Store, record: Any) -> list[str]:
    """Return a line for each package with another version than recorded, ten at most."""
    folder = folder_of(store, record)
    file = run_file(store, record, folder / ENVIRONMENT_FILE, ENVIRONMENT_FILE)
    if file is None:
        return ["installed packages: not recorded then"]
    installed = read_json_object(file).get("installed")
    if not isinstance(installed, list) or not all(isinstance(line, str) for line in installed):
        raise ConfigError(f"{file} is damaged: it does not list the installed packages.")
    then, today = (
        {name: rest for name, _, rest in (line.partition("==") for line in lines)}
        for lines in (installed, facts.installed())
    )
    changed = [name for name in sorted({*then, *today}) if then.get(name) != today.get(name)]
    lines = [
        f"{name}: {then.get(name, 'absent')} then, {today.get(name, 'absent')} now"
        for name in changed[:_MOST_PACKAGES]
    ]
    more = len(changed) - len(lines)
    return [*lines, f"and {more} more packages"] if more else lines


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    old, new = flat(before), flat(now)
    return [
        f"{key}: {old.get(key, 'absent')} then, {new.get(key, 'absent')} now"
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key) and not key.startswith(_PLACES)
    ]
