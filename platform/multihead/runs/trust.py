"""Decide which classes a record may name. Every record is checked by these rules.

A record is a run's `config.yaml`, a model's `model.json` or a study in a storage. Everybody who can
write into a store or a home can change it. So its `_target_`s must be on a list of classes, and are
looked up without importing other modules. The user can trust further names for one call. Values
that the user types, or has in own config files, are not records.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from torch import nn, optim
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from multihead.balancing import Balancer
from multihead.data.datamodule import MultiheadDataModule
from multihead.data.transforms import Transform
from multihead.datasets.named import SOURCES
from multihead.errors import ConfigError
from multihead.heads import Kind
from multihead.models.network import MultiheadNetwork
from multihead.runs.former_names import current
from multihead.runs.schema import check_node, locate
from multihead.tracking.secrets import typed_command
from multihead.training.finetuning import Finetuning
from multihead.training.module import MultiheadLitModule

# By group of a configuration: the package that must define the class, and what the class must be.
_LISTED: Mapping[str, tuple[tuple[str, type], ...]] = {
    "data": (
        ("multihead.data", MultiheadDataModule),
        ("multihead.data.transforms", Transform),
        ("multihead.heads", Kind),
        ("multihead.datasets", MultiheadDataModule),
        ("multihead.datasets.resonator.on_demand", object),
        ("multihead.datasets.resonator.plan", object),
        ("torchvision.transforms", object),
    ),
    "model": (
        ("multihead.training", MultiheadLitModule),
        ("multihead.training.finetuning", Finetuning),
        ("multihead.training.schedules", LRScheduler),
        ("multihead.models", nn.Module),
        ("multihead.heads.losses", nn.Module),
        ("multihead.balancing", Balancer),
        ("torchjd.aggregation", nn.Module),
        ("torchjd.scalarization", nn.Module),
        ("torch.optim", optim.Optimizer),
        ("torch.optim", LRScheduler),
        ("torch.nn.modules.loss", nn.Module),
        ("torchmetrics.classification", Metric),
        ("torchmetrics.regression", Metric),
    ),
    "trainer": (("lightning.pytorch.trainer", pl.Trainer),),
    "callbacks": (
        ("multihead.training", pl.Callback),
        ("lightning.pytorch.callbacks", pl.Callback),
    ),
}
# By package: the modules to import before a class is looked up in it. `_OURS` are imported freely.
_LIBRARIES = {
    "torch": ("torch",),
    "torchjd": ("torchjd.aggregation", "torchjd.scalarization"),
    "torchmetrics": ("torchmetrics",),
    "lightning": ("lightning",),
    "torchvision": ("torchvision.transforms.v2",),
}
_OURS = (
    "multihead.balancing.",
    "multihead.data.",
    "multihead.heads.",
    "multihead.datasets.",
    "multihead.models.",
    "multihead.training.",
)
_NAME = re.compile(r"(?=.{3,200}$)[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)
# Arguments with these words in their names define where something is read, written or sent.
_PLACES = {"path", "dir", "dirpath", "file", "filename", "url", "uri", "registry"}
# File names without folders and without large field widths: {epoch:999999999} is a gigabyte.
_PLAIN_FILE = re.compile(r"([\w\-.=]|\{\w+(:0?\d{0,2}(\.\d{1,2})?[a-z]?)?\}){1,200}", re.ASCII)
_NOT_FOR_RECORDS = {"trainer": {"callbacks", "logger", "plugins"}}
_MOST_NODES = 50_000
_LONGEST_SHOWN = 100
_SHOWN_AS_IT_IS = re.compile(r"[\w.\-]{1,100}", re.ASCII)


def targets_of(config: Mapping[str, Any]) -> set[str]:
    """Return every `_target_` in a configuration."""
    return {str(node["_target_"]) for _, node in _target_nodes(config, "the configuration")}


def check_targets(
    config: Mapping[str, Any],
    name: str,
    trust: Collection[str] = (),
    record: Mapping[str, Any] | None = None,
) -> None:
    """Refuse a configuration whose record names a class that is not on the list.

    Nothing that is not on the list is imported.

    Args:
        config: The configuration that will be built.
        name: The name of the record for messages.
        trust: Targets that the caller trusts.
        record: The recorded part of the configuration; None if all of it is recorded. The user
            typed all other targets and values.

    Raises:
        ConfigError: If there are such classes; it names all of them and the command to trust them.
    """
    record = config if record is None else record
    recorded = dict(_target_nodes(record, name))
    named = {str(node["_target_"]) for node in recorded.values()}
    strange: dict[str, str] = {}
    for path, node in _target_nodes(config, name):
        target, group = str(node["_target_"]), path.partition(".")[0]
        if target not in named or target in trust:
            continue
        if not _NAME.fullmatch(target):
            raise ConfigError(
                f"{name} names {shown(target)} in {shown(path)}, which is not a dotted name."
            )
        found = _listed(target, group)
        if found is None and not _is_function_of_ours(node, group):
            strange.setdefault(target, path)
        elif found is not None and group in ("trainer", "callbacks"):
            _check_places(found, node, recorded.get(path, {}), path, name)
    if strange:
        raise _untrusted(strange, name)


def started(model: Mapping[str, Any], name: str, *, typed: bool) -> dict[str, Any]:
    """Return the model section of a record, if its initial weights may be used.

    Args:
        model: The model section of the configuration.
        name: The name of the record for messages.
        typed: Whether the user typed `model.init_from`. The recorded digest is then removed.

    Raises:
        ConfigError: If the record starts from a file. No file that a record names is opened.
    """
    start = model.get("init_from")
    if typed:
        return {**model, "init_digest": None}
    if start is not None and str(start).endswith((".ckpt", ".safetensors")):
        raise ConfigError(
            f"{name} starts from the file {shown(str(start))}, but files that a record names are "
            f"not opened; type model.init_from=FILE, or model.init_from=null."
        )
    return dict(model)


def check_network(node: Mapping[str, Any], name: str, trust: Collection[str] = ()) -> None:
    """Refuse a recorded network whose class is not on the list, without importing it.

    Args:
        node: The network's node.
        name: The name of the record for messages.
        trust: Targets that the caller trusts.

    Raises:
        ConfigError: If the class is not on the list (the message has the command to trust it), or
            if the class does not take an argument.
    """
    if not isinstance(node.get("_target_"), str):
        raise ConfigError(f"{name} names no network: its _target_ is missing or not a text.")
    check_targets({"model": {"net": node}}, name, trust)
    target = str(node["_target_"])
    found = _listed(target, "model")
    if target not in trust and not (found and issubclass(found, MultiheadNetwork)):
        raise _untrusted({target: "model.net"}, name)
    check_node(dict(node), "model.net")


def import_kinds(heads: object, name: str, trust: Collection[str] = ()) -> None:
    """Check that the kinds of heads in a record are trusted, then import them.

    Args:
        heads: The record of the heads. Damaged entries are ignored here and found by its reader.
        name: The name of the record for messages.
        trust: Full names of kinds that the caller trusts.

    Raises:
        ConfigError: If a kind is neither shipped nor trusted, or cannot be imported.
    """
    named = kinds_in(heads)
    nodes_of = {str(number): {"_target_": kind} for number, kind in enumerate(named)}
    check_targets({"data": {"head_kinds": nodes_of}}, name, trust)
    for kind in named:
        locate(kind, f"the kind of a head in {name}")


def kinds_in(heads: object) -> list[str]:
    """Return the class names of kinds in a record of heads, without the kinds of multihead."""
    records = heads if isinstance(heads, list) else []
    kinds = [record.get("kind") for record in records if isinstance(record, dict)]
    return [str(kind["_target_"]) for kind in kinds if isinstance(kind, dict) and is_node(kind)]


def _untrusted(strange: Mapping[str, str], name: str) -> ConfigError:
    named = ", ".join(f"{shown(target)} ({shown(path)})" for target, path in strange.items())
    program = Path(sys.argv[0]).name
    if program in ("multihead", "__main__.py"):
        options = " ".join(f"--trust {target}" for target in strange)
        how = f"if you trust it, run: {typed_command()} {options}"
    else:
        how = f"if you trust it, give trust={list(strange)}"
    return ConfigError(
        f"{name} names {named}, which a record may not name, because it would run code that the "
        f"record's author chose. See docs/serving.md#use-runs-and-models-of-others; {how}"
    )


def _is_function_of_ours(node: Mapping[str, Any], group: str) -> bool:
    """Return whether a node names a dataset function of multihead, or `multihead.metrics.own`."""
    target = current(str(node["_target_"]))
    if group == "model":
        return target == "multihead.metrics.own"
    return group == "data" and target in SOURCES and node.get("_partial_") is True


def _listed(name: str, group: str) -> type | None:
    """Return the class of a name, or None if a record may not name it in this group."""
    found = _class_named(name)
    if found is not None and any(
        f"{found.__module__}.".startswith(f"{home}.") and issubclass(found, kind)
        for home, kind in _LISTED.get(group, ())
    ):
        return found
    return None


def _class_named(name: str) -> type | None:
    """Return a class of multihead or of the listed libraries, without other imports, or None."""
    module_name, _, attribute = current(name).rpartition(".")
    root = module_name.partition(".")[0]
    if module_name == "multihead":
        found = getattr(importlib.import_module(module_name), attribute, None)
    elif f"{module_name}.".startswith(_OURS):
        try:
            found = vars(importlib.import_module(module_name)).get(attribute)
        except ImportError:
            return None
    elif root in _LIBRARIES:
        for library in _LIBRARIES[root]:
            importlib.import_module(library)
        found = vars(sys.modules.get(module_name, object)).get(attribute)
    else:
        return None
    return found if isinstance(found, type) else None


def _check_places(
    found: type, node: Mapping[str, Any], recorded: Mapping[str, Any], path: str, name: str
) -> None:
    """Refuse a recorded argument that defines where something is read, written or sent."""
    arguments, before = _arguments(found, node), _arguments(found, recorded)
    for key, value in arguments.items():
        typed = key not in before or before[key] != value
        place = bool(_PLACES & set(str(key).split("_"))) or key in _NOT_FOR_RECORDS.get(path, ())
        harmless = value is None or isinstance(value, bool) or typed
        if key == "filename" and isinstance(value, str) and _PLAIN_FILE.fullmatch(value):
            harmless = True
        if place and not harmless:
            where = shown(f"{path}.{key}")
            raise ConfigError(
                f"{name} has {where}={shown(value)}, but a record may not set this; "
                f"type {where}=null, or your own value."
            )


def _arguments(found: type, node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node's arguments by name, including positional ones."""
    given = node.get("_args_")
    by_position = given if isinstance(given, list) else []
    return dict(zip(inspect.signature(found).parameters, by_position, strict=False)) | dict(node)


def _target_nodes(config: Mapping[str, Any], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, value in nodes(config, name):
        if is_node(value):
            yield path, value


def is_node(value: Any) -> bool:
    """Return whether a value is a mapping with a `_target_`."""
    return isinstance(value, dict) and "_target_" in value


def nodes(config: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """Yield every value with its dotted path.

    Raises:
        ConfigError: For more than 50,000 values, which YAML aliases can create from a small file.
    """
    waiting: list[tuple[str, Any]] = [(str(key), value) for key, value in config.items()]
    for _ in range(_MOST_NODES):
        if not waiting:
            return
        path, value = waiting.pop()
        yield path, value
        if isinstance(value, dict):
            waiting += [(f"{path}.{key}", inner) for key, inner in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [(f"{path}.{index}", inner) for index, inner in enumerate(value)]
    raise ConfigError(f"{name} is damaged: it has more than {_MOST_NODES:,} values.")


def shown(value: object) -> str:
    """Return a recorded value for a message: short, in one line and in ASCII."""
    if isinstance(value, str) and (_SHOWN_AS_IT_IS.fullmatch(value) or _NAME.fullmatch(value)):
        return value
    text = ascii(value if not isinstance(value, str) else value[: 2 * _LONGEST_SHOWN])
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
