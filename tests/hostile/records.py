"""The corpus: what a record may be made to say. Each would touch the canary, or tell of itself.

A case takes a good record's plain values and the path of a canary, and returns the text of a file.
"""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

Case = Callable[[Mapping[str, Any], Path], str]
# Modules that a record may not have imported; `canary` lies in the folder where commands run.
NEVER_IMPORTED = ("this", "antigravity", "canary", "turtle", "idlelib", "pip", "ftplib", "pty")


def _config(path: str, value: Any) -> Case:
    """Return a case with another value at a dotted path; `CANARY` in its texts is the canary."""

    def case(good: Mapping[str, Any], canary: Path) -> str:
        config = copy.deepcopy(dict(good))
        node = config
        *parents, last = path.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
        return yaml.safe_dump(config).replace("CANARY", str(canary))

    return case


def _text(text: str) -> Case:
    """Return a case with further lines of YAML."""
    return lambda good, canary: yaml.safe_dump(good) + text.replace("CANARY", str(canary))


def _target(name: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"_target_": name, **({"_args_": list(args)} if args else {}), **kwargs}


TOUCH = "touch CANARY"
_CALLED = {
    "os.system": _target("os.system", TOUCH),
    "subprocess.call": _target("subprocess.call", ["touch", "CANARY"]),
    "builtins.exec": _target("builtins.exec", "open('CANARY', 'w')"),
    "builtins.eval": _target("builtins.eval", "open('CANARY', 'w')"),
    "pathlib.Path.touch": _target("pathlib.Path.touch", _target("pathlib.Path", "CANARY")),
    "a pickle behind an address": _target("pandas.read_pickle", "http://127.0.0.1:9/canary"),
    "a module that prints when it is imported": _target("this.d"),
    "a module that opens a browser": _target("antigravity.fly"),
    "a module beside the command": _target("canary.Canary"),
    "a module within a package of ours that is not there": _target("multihead.models.canary.Net"),
    "a function of ours that runs commands": _target("multihead.cli.main.main", ["doctor"]),
    "a function of ours that reads files": _target(
        "multihead.pickles.unpickle.safe_load", "CANARY"
    ),
    "a library behind a module of ours": _target("multihead.runs.load.torch.load", "CANARY"),
    "a library behind a listed package": _target("multihead.data.datamodule.np.load", "CANARY"),
    "a module behind torch": _target("torch.nn.modules.loss.warnings.warn", "x"),
    "os behind lightning": _target("lightning.pytorch.callbacks.model_checkpoint.os.system", TOUCH),
    "torch.load": _target("torch.load", "CANARY"),
    "torch.hub.load": _target("torch.hub.load", "someone/canary", "canary"),
    "torch.save": _target("torch.save", {}, "CANARY"),
    "torch.jit.load": _target("torch.jit.load", "CANARY"),
    "a download of torchvision": _target("torchvision.datasets.MNIST", "CANARY", download=True),
    "a logger of lightning": _target("lightning.pytorch.loggers.CSVLogger", "CANARY"),
    "a trainer out of its place": _target("lightning.pytorch.Trainer", default_root_dir="CANARY"),
    "hydra's own finder": _target("hydra.utils.get_method", path="canary.Canary"),
    "hydra's own caller": _target("hydra.utils.call", {"_target_": "os.system"}),
    "functools.partial": _target("functools.partial", "os.system"),
    "a callback that writes where it likes": _target(
        "lightning.pytorch.callbacks.ModelCheckpoint", dirpath="CANARY"
    ),
    "the same by position": _target("lightning.pytorch.callbacks.ModelCheckpoint", "CANARY"),
    "our callback that writes where it likes": _target(
        "multihead.training.checkpoints.RunCheckpoint", dirpath="CANARY"
    ),
    "a file name with folders": _target(
        "lightning.pytorch.callbacks.ModelCheckpoint", filename="../../CANARY"
    ),
    "a file name of a billion characters": _target(
        "lightning.pytorch.callbacks.ModelCheckpoint", filename="{epoch:999999999d}"
    ),
    "a target within an argument": _target(
        "lightning.pytorch.callbacks.EarlyStopping", monitor=_target("os.system", TOUCH)
    ),
    "a target within lists": _target(
        "lightning.pytorch.callbacks.EarlyStopping", monitor=[[_target("os.system", TOUCH)]]
    ),
    "a target that is a number": _target(5),
    "a target that is a node": {"_target_": {"_target_": "os.system"}},
    "a target of two lines": _target("os.system\nmultihead.SimpleCNN", TOUCH),
    "a target with an escape sequence": _target("\x1b[2Jos.system", TOUCH),
    "a target with a Cyrillic letter": _target("multihead.SimpleC\u041d\u041d"),
    "a target of 100,000 characters": _target("a." * 50_000 + "b"),
}
CONFIGS: dict[str, Case] = {
    **{f"callback: {name}": _config("callbacks.canary", node) for name, node in _CALLED.items()},
    "optimizer": _config("model.optimizer", _target("os.system", TOUCH, _partial_=True)),
    "optimizer: Adam's neighbour": _config(
        "model.optimizer", _target("torch.optim.lr_scheduler.warnings.warn")
    ),
    "scheduler": _config("model.scheduler", _target("canary.Canary", _partial_=True)),
    "criterion": _config("model.criteria.digit", _target("canary.Canary")),
    "module": _config("model._target_", "canary.Canary"),
    "trainer": _config("trainer._target_", "subprocess.call"),
    "plugin of the trainer": _config("trainer.plugins", [_target("os.system", TOUCH)]),
    "logger of the trainer": _config("trainer.logger", _target("canary.Canary")),
    "root of the trainer": _config("trainer.default_root_dir", "CANARY"),
    "registry of the trainer": _config("trainer.model_registry", "someone/canary"),
    "data": _config("data._target_", "canary.Canary"),
    "source of the data": _config("data.source", _target("canary.Canary", _partial_=True)),
    "heads of the data": _config("data.heads", {"digit": _target("os.system", TOUCH)}),
    "a target in the tags": _config("tags", [_target("os.system", TOUCH)]),
    "a target in the paths": _config("paths.data_dir", _target("os.system", TOUCH)),
    "a secret of the environment": _config("name", "${oc.env:SECRET}"),
    "a secret in a key's value": _config("data.data_dir", "${oc.env:SECRET}"),
    "a reference to decode": _config("tags", ["${oc.decode:'[1]'}"]),
    "an escaped reference": _config("name", "\\${oc.env:SECRET}"),
    "a list of defaults": _text("defaults: [/canary]\n"),
    "a search path of Hydra's": _text("hydra: {searchpath: ['pkg://canary']}\n"),
    "a callback of Hydra's": _text("hydra: {callbacks: {a: {_target_: canary.Canary}}}\n"),
    "a key of another group": _text("canary: {_target_: canary.Canary}\n"),
    "a Python object": _text("name: !!python/object/apply:os.system ['touch CANARY']\n"),
    "aliases that grow": _text(
        "tags: &a0 [x, x]\n"
        + "".join(f"t{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    ),
    "aliases that grow in a known key": lambda good, canary: (
        "trainer: {a0: &a0 [x], "
        + ", ".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))
        + "}\n"
        + yaml.safe_dump({k: v for k, v in good.items() if k != "trainer"})
    ),
    "an alias of itself": lambda good, canary: (
        "tags: &a [*a]\n" + yaml.safe_dump({k: v for k, v in good.items() if k != "tags"})
    ),
    "a deep nest": _text("name: " + "[" * 5000 + "]" * 5000 + "\n"),
    "a date": _config("tags", [__import__("datetime").date(2026, 1, 1)]),
    "no paths": lambda good, canary: yaml.safe_dump({**good, "paths": None}),
    "a list": lambda good, canary: "- 1\n",
}

_TIMM = {"_target_": "multihead.TimmNetwork", "name": "resnet18"}
_CFG = {"url": "http://127.0.0.1:9/canary.pth", "file": "CANARY", "hf_hub_id": "someone/canary"}
NETS: dict[str, Any] = {
    **{name: node for name, node in _CALLED.items() if "callback" not in name},
    "a callback as network": _target("lightning.pytorch.callbacks.EarlyStopping", "a"),
    "an optimizer as network": _target("torch.optim.Adam"),
    "a loss of ours as network": _target("multihead.LevelCrossEntropy"),
    "timm: from a hub": {**_TIMM, "name": "hf-hub:someone/canary"},
    "timm: from a hub, as once": {**_TIMM, "name": "hf_hub:someone/canary"},
    "timm: from a hub, by owner": {**_TIMM, "name": "timm/resnet18"},
    "timm: from a folder": {**_TIMM, "name": "local-dir:CANARY"},
    "timm: a name that is a list": {**_TIMM, "name": ["resnet18"]},
    "timm: published weights": {**_TIMM, "pretrained": True},
    "timm: published weights by a tag": {**_TIMM, "name": "resnet18.a1_in1k", "pretrained": "yes"},
    **{
        f"ours: {arguments}": {"_target_": "multihead.SimpleCNN", **arguments}
        for arguments in (
            {"heads_config": "abc"},
            {"heads_config": {"digit": "os"}},
            {"input_size": "abc"},
            {"input_size": []},
            {"input_channels": None, "conv1_channels": "CANARY"},
            {"conv1_channels": -1},
            {"dropout": _target("os.system", TOUCH)},
            {"dropout": [_target("canary.Canary")]},
            {"head_hidden": ["a"]},
            {"fc_hidden": 1.5},
            {"canary": 1},
            {"\x1b[2J": 1},
            {"_args_": ["CANARY"]},
        )
    },
    "timm: options that are a list": {**_TIMM, "options": ["CANARY"]},
    "timm: a word that timm does not know": {**_TIMM, "options": {"norm_layer": "canary"}},
    **{
        f"timm: {next(iter(options))}": {**_TIMM, "pretrained": True, "options": options}
        for options in (
            {"cache_dir": "CANARY", "pretrained_cfg": _CFG},
            {"pretrained_cfg": _CFG},
            {"pretrained_cfg_overlay": _CFG},
            {"checkpoint_path": "CANARY"},
            {"pretrained": True},
            {"pretrained_model_args": {"a": 1}},
            {"pretrained_filter_fn": "os.system"},
            {"features_only": True, "feature_cls": "canary.Canary"},
            {"pruned": True},
            {"kwargs_filter": ["a"]},
            {"model_cfg": {"a": 1}},
            {"scriptable": True},
            {"act_layer": "canary.Canary"},
            {"norm_layer": {"_target_": "os.system", "command": TOUCH}},
            {"block_fn": "canary"},
            {"device": "cuda"},
        )
    },
}
for _name, _node in NETS.items():
    CONFIGS[f"network: {_name}"] = _config("model.net", _node)


def model_json(good: Mapping[str, Any], net: Any, canary: Path) -> str:
    """Return a model's description with another network."""
    text = json.dumps({**good, "net": net})
    return text.replace("CANARY", str(canary))
