"""Compose a run's configuration with Hydra, and explain errors in one line.

Config files are searched in `experiments/` of the current folder, then in the package's own.
"""

import copy
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from multihead import settings
from multihead.errors import ConfigError, MultiheadError
from multihead.runs.columns import settled_data, spelled
from multihead.runs.directions import with_modes
from multihead.text import nearest, some_of

ROOT = "train"
RECORD = "multihead-record"
_BY_HEAD = re.compile(
    r"((model\.(metrics|loss_weights|eval_weights|class_weights|pos_weight|label_smoothing)"
    r"|data\.head_kinds)\.\w+|data\.breaks(\.\w+)?)="
)
# Hydra accepts these characters only in quotes.
_ODD = re.compile(r"""[^a-zA-Z0-9_/\\%+.:*@?|$=,{}\[\]()'"\s-]""")
USER_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError)


class ExperimentFolders(SearchPathPlugin):
    """Put `experiments/` of the current folder before the package's own."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Prepend all folders except the packaged one, which Hydra already has."""
        for folder in reversed(settings.config_folders("experiments")[:-1]):
            search_path.prepend(provider="multihead", path=f"file://{folder}")


def register_folders() -> None:
    """Make Hydra search the experiment folders."""
    Plugins.instance().register(ExperimentFolders)


def split_run(overrides: Sequence[str], key: str = "run") -> tuple[str | None, list[str]]:
    """Separate `run=<run id>`, or `resume=<run id>`, from the other overrides.

    Raises:
        ConfigError: If several runs are named.
    """
    found = [o.partition("=")[2] for o in overrides if o.startswith(f"{key}=")]
    if len(found) > 1:
        raise ConfigError(f"{key} is given {len(found)} times; name one run.")
    return (found[0] if found else None), [o for o in overrides if not o.startswith(f"{key}=")]


def compose_run(overrides: Sequence[str], folder: Path | None = None) -> dict[str, Any]:
    """Compose a run from the user's overrides.

    Args:
        overrides: Such as `["experiment=multihead_cnn_mnist", "seed=1"]`.
        folder: A folder whose file `RECORD` is used instead of the experiments.

    Returns:
        The resolved configuration in plain Python types.

    Raises:
        ConfigError: If Hydra refuses it; one line with the nearest valid key or choice.
    """
    register_folders()
    directory = str((folder or settings.packaged("experiments")).absolute())
    name = RECORD if folder else ROOT
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=directory, version_base="1.3"):
            given = [opened(override) for override in overrides]
            config = compose(name, overrides=given, return_hydra_config=True)
            return settle(config, config.hydra.runtime.choices.get("experiment"))
    except (*USER_ERRORS, ValueError) as error:  # Hydra raises ValueError for odd group choices
        raise explain(error, overrides, folder) from error


def opened(override: str) -> str:
    """Return an override with `++` where its key is a head's name, so that it may add the key.

    The heads are not known yet. An unknown head is refused later, with a list of all heads.
    """
    return f"++{override}" if _BY_HEAD.match(override) else spelled(override)


def compose_record(record: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a run's recorded configuration with the user's overrides applied.

    Args:
        record: The return value of `runs.recorded.read_config`.
        overrides: Such as `["seed=1"]`.

    Raises:
        ConfigError: If Hydra refuses it; one line with the nearest valid key.
    """
    if not overrides:
        return copy.deepcopy(dict(record))
    with tempfile.TemporaryDirectory() as scratch:
        # Quote everything: without quotes Hydra reads the text 1e-4 of a record as a number.
        text = yaml.safe_dump(dict(record), sort_keys=False, default_style='"')
        Path(scratch, f"{RECORD}.yaml").write_text(text, encoding="utf-8")
        return compose_run(overrides, Path(scratch))


class Base:
    """A composed run that gives many variants. Composing takes 0.3 s, a variant 10 ms.

    Args:
        overrides: Such as `["experiment=multihead_cnn_mnist", "seed=1"]`.
        own: Keys that the command itself accepts beside Hydra's, to suggest for a misspelt key.

    Attributes:
        groups: The choice of each config group.

    Raises:
        ConfigError: If Hydra refuses it; one line with the nearest valid key or choice.
    """

    def __init__(self, overrides: Sequence[str], own: Iterable[str] = ()) -> None:
        register_folders()
        GlobalHydra.instance().clear()
        folder = str(settings.packaged("experiments").absolute())
        try:
            with initialize_config_dir(config_dir=folder, version_base="1.3"):
                given = [opened(override) for override in overrides]
                config = compose(ROOT, overrides=given, return_hydra_config=True)
        except (*USER_ERRORS, ValueError) as error:
            raise explain(error, overrides, own=own) from error
        self.groups = {str(k): str(v) for k, v in config.hydra.runtime.choices.items()}
        OmegaConf.set_struct(config, False)
        del config["hydra"]
        self._config = config

    def variant(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration with other values.

        Args:
            values: By dotted path, in plain types. Values that refer to them change as well.

        Raises:
            ConfigError: If a value does not fit, or refers to a key that does not exist.
        """
        config = copy.deepcopy(self._config)
        try:
            for path, value in values.items():
                _refuse_list(config, path, value)
                OmegaConf.update(config, path, value, merge=True, force_add=True)
            return settle(config, self.groups.get("experiment"))
        except (*USER_ERRORS, ValueError) as error:
            raise explain(error, ()) from error


def _refuse_list(config: DictConfig, path: str, value: Any) -> None:
    if isinstance(value, list) and isinstance(OmegaConf.select(config, path), DictConfig):
        raise ConfigError(_no_mapping(path))


def _no_mapping(path: str) -> str:
    return f"{path} is a mapping, and cannot be a list; write {path}={{key: value}}."


def settle(config: DictConfig, experiment: str | None) -> dict[str, Any]:
    """Resolve a composed configuration into plain types and name its MLflow experiment.

    Args:
        config: The configuration that Hydra composed.
        experiment: The chosen experiment config, or None.

    Raises:
        ConfigError: If a path contains `${`.
    """
    with_hydra = OmegaConf.to_container(config, resolve=False)
    plain = cast(dict[str, Any], with_hydra)
    plain.pop("hydra", None)
    settled = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.create(plain), resolve=True))
    if isinstance(settled.get("data"), dict):
        settled["data"] = settled_data(settled["data"])
    for key, value in (settled.get("paths") or {}).items():
        if "${" in str(value):  # from an environment variable; it would be interpolated again
            raise ConfigError(f"paths.{key} is {value!r}; this folder may not have '${{' in it.")
    logger = settled.get("logger")
    if isinstance(logger, dict) and logger.get("experiment_name") is None:
        logger["experiment_name"] = (experiment or ROOT).rsplit("/", 1)[-1]
    return with_modes(settled)


def explain(
    error: Exception,
    overrides: Sequence[str],
    folder: Path | None = None,
    *,
    own: Iterable[str] = (),
) -> MultiheadError:
    """Turn an error of Hydra, OmegaConf or YAML into one line for the user.

    Args:
        error: The error.
        overrides: The user's overrides.
        folder: The folder of the record, if one was composed.
        own: Further keys that the command accepts.
    """
    if isinstance(error, MissingConfigException) and error.options is not None:
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        options = sorted(o for o in error.options if not o.startswith("_"))
        return ConfigError(
            f"there is no {group} {choice!r}{nearest(choice, options)}; "
            f"choose one of: {', '.join(options)}."
        )
    text = _first_sentences(error)
    if text.startswith("Ambiguous value for argument '"):
        key, _, value = text.split("'")[1].partition("=")
        return ConfigError(
            f"{key}={value} has several values. Add -m to train with each of them, or write "
            f"'{key}=\"{value}\"' for one text, or {key}=[{value}] for a list."
        )
    if isinstance(error, OverrideParseException):
        return ConfigError(_unread(text, overrides))
    if "Config group override must be" in text:
        nulled = next((k for o in overrides if (k := _group_of_null(o))), None)
        if nulled is None:
            return ConfigError(f"an override has no key, or a group without a choice: {text}.")
        return ConfigError(
            f"{nulled} is a config group, so it cannot be null; leave it out, or choose a file "
            f"with {nulled}=NAME."
        )
    if "Cannot merge DictConfig with ListConfig" in text and "=" in text:
        return ConfigError(_no_mapping(text.partition("=")[0].rpartition(" ")[2].lstrip("+")))
    if isinstance(error, InterpolationKeyError) and error.full_key:
        return ConfigError(f"{error.full_key} refers to a key that does not exist: {text}.")
    if text.startswith("Multiple values for "):
        group = text.removeprefix("Multiple values for ").partition(". ")[0]
        choice = text.rpartition(": ")[2].rstrip("'")
        return ConfigError(
            f"{group} has a choice already, so + cannot add another; write {group}={choice}."
        )
    if "Could not override" in text:
        return _unknown_override(text, overrides, folder, own)
    return ConfigError(text)


def _unread(text: str, overrides: Sequence[str]) -> str:
    """Return a message on how to write the first override that Hydra cannot parse.

    Args:
        text: The parser's message.
        overrides: The user's overrides.
    """
    for override in overrides:
        if _parses(override):
            continue
        key, equals, value = override.partition("=")
        within = value.strip("'\"").replace("\\", "\\\\").replace('"', '\\"')
        quoted = f'{key}="{within}"'
        if not key.lstrip("+~"):
            break
        if equals and within and value[0] not in "[{" and _parses(quoted):
            odd = _ODD.search(value)
            why = f"has the character {odd[0]!r}" if odd else "has = or spaces at an end"
            return f"{override!r:.100} {why}, which must be in quotes; write '{quoted}'."
        if not equals:
            break
        if not _parses(f"{key}=1"):
            return f"{override!r:.100} has no valid key; write words joined by dots."
        return (
            f"{override!r:.200} cannot be read. Write lists as [a, b] and mappings as {{a: 1}}. In "
            f"them, put text in quotes that has =, spaces at its ends or letters beyond a to z: "
            f"'{key}=[\"a=b\"]'."
        )
    else:
        return text
    return f"{override!r} is not an override; write key=value."


def _parses(override: str) -> bool:
    try:
        OverridesParser.create().parse_override(opened(override))
    except HydraException:
        return False
    return True


def _group_of_null(override: str) -> str | None:
    """Return the key of an override without dots that sets it to null, or None."""
    if override.startswith("=") or not _parses(override):
        return None
    parsed = OverridesParser.create().parse_override(opened(override))
    return parsed.key_or_group if parsed.value() is None and "." not in override else None


def _first_sentences(error: Exception) -> str:
    texts = [str(error)]
    if error.__cause__ is not None:
        texts.append(str(error.__cause__))
    lines = [line.strip() for text in texts for line in text.splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key:", "object_type="))]
    return " ".join(dict.fromkeys(kept))


def _unknown_override(
    text: str, overrides: Sequence[str], folder: Path | None, own: Iterable[str]
) -> MultiheadError:
    key = text.split("Could not override '", 1)[1].split("'", 1)[0].split("@")[0]
    if "not in struct" not in text and "No match in the defaults list" not in text:
        return ConfigError(text)
    if "/" in key and folder is not None:
        return ConfigError(
            f"{key} is a config group, but a recorded run has only values. Change values, "
            f"such as {key.replace('/', '.')}.KEY=..., or start a new run with {key}=... ."
        )
    if any((folder / key).is_dir() for folder in settings.config_folders("experiments")):
        return ConfigError(
            f"the configuration does not use the config group {key} yet; add it with +{key}=NAME."
        )
    others = [o for o in overrides if _key(o) != key]
    if len(others) == len(overrides):
        return ConfigError(text)
    path, word, siblings = _first_unknown(key, compose_run(others, folder))
    if word in siblings and word.isdecimal():
        return ConfigError(
            f"{word} is a number in {path}, not a name; write {path}={{{word}: ...}}."
        )
    if word in siblings:
        full = f"{path}.{word}" if path else word
        missing = text.partition("Key '")[2].partition("'")[0]
        return ConfigError(
            f"there is no key {missing!r} in {full}; to add it, write +{full}.{missing}=..."
            if missing
            else text
        )
    where = f"in {path}" if path else "at the top"
    siblings = siblings if path else list(dict.fromkeys([*siblings, *own]))
    allowed = f"allowed: {some_of(word, siblings)}" if siblings else f"{path} is empty"
    meant = nearest(word, siblings)
    # At the top none can be added.
    added = f" To add a key, write +{key}=..." if path and not meant else ""
    return ConfigError(f"there is no key {word!r} {where}{meant}; {allowed}.{added}")


def _key(override: str) -> str:
    parsed = OverridesParser.create().parse_override(opened(override))
    return parsed.key_or_group


def _first_unknown(key: str, config: dict[str, Any]) -> tuple[str, str, list[str]]:
    """Return the first unknown part of a dotted key: its path, the word, the keys there."""
    node: Any = config
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if not isinstance(node, dict) or part not in node or depth == len(parts) - 1:
            known = [str(k) for k in node] if isinstance(node, dict) else []
            shown = [k for k in known if not k.startswith("_")]
            return ".".join(parts[:depth]), part, shown
        node = node[part]
    raise AssertionError("a key has at least one part")
