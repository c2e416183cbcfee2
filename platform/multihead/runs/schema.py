"""Check the keys and values of a composed configuration before anything is built.

The allowed keys come from the signatures of the targets, so they are defined only once, in Python.
"""

import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from multihead.errors import ConfigError
from multihead.runs.former_names import current
from multihead.runs.tensors import is_tensor_like, wants_tensor
from multihead.seeding import MAX_SEED
from multihead.text import KEYS_PAGE, nearest, shortened, some_of

_TAG = re.compile(r"[\w \-.:/]{1,200}", re.ASCII)
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # databases refuse these characters
_LONGEST_SHOWN = 200
_LONGEST_NAME = 1000  # characters; a run with a name of 100,000 did not end
_LARGEST = 2**63
_LONGEST_NUMBER = 40  # characters; Python refuses to read integers with thousands of digits
_WORDS = {
    **dict.fromkeys(("on", "yes", "y", "t", "1"), "true"),
    **dict.fromkeys(("off", "no", "n", "f", "0"), "false"),
}
_OURS = {  # pydantic's words, and ours
    "a valid dictionary": "a mapping, {key: value}",
    "a valid tuple": "a list, [a, b]",
    "a valid list": "a list, [a, b]",
    "an instance of Sequence": "a list, [a, b]",
    "'str' instances are not allowed as a Sequence value": "input should be a list, [a, b]",
    "input is not a valid path for <class 'pathlib.Path'>": "input should be a path",
    "input should be callable": "input should be a mapping with _target_",
    ", unable to parse string as an integer": "",
    ", unable to parse string as a number": "",
    "a valid string": "a text",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid boolean": "true or false",
}
_HYDRA_KEYS = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PathsConfig(_Strict):
    """The folders of runs and data."""

    home: str
    data_dir: str


class LoggerConfig(_Strict):
    """The MLflow store and experiment of the runs."""

    experiment_name: str
    tracking_uri: str | None


class RunConfig(_Strict):
    """The top-level keys of a configuration; `check_node` checks the groups with targets."""

    train: bool
    test: bool
    ckpt_path: str | None
    seed: int = Field(ge=0, le=MAX_SEED)
    name: str | None
    tags: list[str | int | float | bool]
    optimized_metric: str | None
    paths: PathsConfig
    logger: LoggerConfig
    data: dict[str, Any]
    model: dict[str, Any]
    trainer: dict[str, Any]
    callbacks: dict[str, Any] | None


def check_config(config: Mapping[str, Any]) -> None:
    """Check keys and simple values of a whole configuration.

    Raises:
        ConfigError: For an unknown key, with the nearest valid one, or for a value that is not
            allowed.
    """
    check_keys(config)
    _check_plain(config, "")
    for tag in config["tags"]:
        if not _TAG.fullmatch(str(tag)):
            raise ConfigError(
                f"tags has {tag!r}; a tag is 1 to 200 letters, digits, spaces and any of _ - . : /"
            )
    name = config["name"] or ""
    if len(name) > _LONGEST_NAME or _NO_TEXT.search(name):
        raise ConfigError(
            f"name is {shortened(ascii(name), _LONGEST_SHOWN)}; give up to {_LONGEST_NAME:,} "
            f"characters, without NUL and without unpaired surrogates."
        )
    trainer = dict(config["trainer"])
    if trainer.get("precision") == "auto":  # ours, not Lightning's
        del trainer["precision"]
    model = dict(config["model"])
    for key in ("init_from", "init_digest"):  # ours, not the module's
        _check_value(model.pop(key, None), str | None, f"model.{key}")
    for group, node in (("data", config["data"]), ("model", model), ("trainer", trainer)):
        check_node(node, group)
    check_node(config["model"].get("net"), "model.net")
    for name, node in (config["callbacks"] or {}).items():
        if node is not None:
            check_node(node, f"callbacks.{name}")
    if not (config["train"] or config["test"]):
        raise ConfigError("train and test are both false, so there is nothing to do; set one.")


def _check_plain(value: Any, path: str) -> None:
    """Refuse integers beyond 64 bits, and mappings with both numbers and texts as keys."""
    inner: Mapping[Any, Any] = value if isinstance(value, Mapping) else {}
    if "_target_" not in inner and len({isinstance(key, str) for key in inner}) > 1:
        raise ConfigError(
            f"{path} has both numbers and names as keys, {', '.join(map(repr, inner))[:100]}; "
            f"write the whole mapping, such as {path}={{0: 1, 1: 0}}."
        )
    inner = dict(enumerate(value)) if isinstance(value, list) else inner
    for key, each in inner.items():
        _check_plain(each, f"{path}.{key}" if path else str(key))
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise ConfigError(
            f"{path} has too many digits; a whole number is at most {_LARGEST - 1:,}."
        )


def check_keys(config: Mapping[str, Any]) -> None:
    """Check the top-level keys of a configuration, and their types.

    Raises:
        ConfigError: For an unknown or missing key, or for a value of a wrong type.
    """
    try:
        RunConfig.model_validate(dict(config))
    except ValidationError as error:
        raise _explain(error) from error


def check_node(node: Any, path: str) -> None:
    """Check one node with a `_target_`, and those inside it, against their signatures.

    Args:
        node: A mapping of the configuration.
        path: Its dotted key, for messages.

    Raises:
        ConfigError: For a target that does not exist, an unknown key or a value of a wrong type.
    """
    target = _target(node, path)
    parameters, hints = _parameters(target), _hints(target)
    passed_on = getattr(target, "passes_on_to", None)
    if passed_on in parameters and _further(parameters):
        # This target passes its unknown arguments on to the function that it is given.
        del parameters[_further(parameters)[0]]
        function = _function(node.get(passed_on), f"{path}.{passed_on}")
        parameters |= dict(list(_parameters(function).items())[2:]) if function else {}
        hints |= _hints(function) if function else {}
    open_ended = bool(_further(parameters))
    names = [n for n in parameters if n not in _further(parameters)]
    for key, value in node.items():
        if key in _HYDRA_KEYS:
            continue
        if key not in names:
            if open_ended:
                continue
            ours = str(node["_target_"]).startswith("multihead.")
            page = KEYS_PAGE if ours else f"the documentation of {node['_target_']}"
            raise ConfigError(
                f"there is no key {key!r} in {path}{nearest(key, names)}; "
                f"{node['_target_']} takes: "
                f"{some_of(key, names, page)}."
            )
        hint = hints.get(key, Any)
        if isinstance(value, dict) and not _is_plain(hint, made="_target_" in value or not value):
            _check_inside({key: value}, path)
        elif key in hints:
            _check_value(value, hint, f"{path}.{key}")


def with_whole_numbers(node: Any, path: str = "") -> Any:
    """Return a node in which 1e1, a float, becomes the integer 10 where an integer is needed.

    Args:
        node: A checked node; nodes inside it are changed as well.
        path: Its dotted key, for messages.
    """
    if not isinstance(node, Mapping):
        return node
    hints: Mapping[str, Any] = {}
    if "_target_" in node:
        hints = _hints(locate(node["_target_"], f"{path}._target_"))
    return {
        key: int(value)
        if isinstance(value, float) and value.is_integer() and _wants_whole(hints.get(key))
        else with_whole_numbers(value, f"{path}.{key}" if path else str(key))
        for key, value in node.items()
    }


def _is_plain(hint: Any, *, made: bool) -> bool:
    """Return whether a hint accepts only numbers and texts, so that a mapping is wrong.

    Args:
        hint: The type hint of an argument.
        made: Whether the mapping has a `_target_` or is empty. Callables are not plain then.
    """
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    single = (int, float, bool, str, type(None))
    return all(o in single or (typing.get_origin(o) is Callable and not made) for o in options)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _wants_whole(hint: Any) -> bool:
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    return int in options and float not in options


def _target(node: Any, path: str) -> Any:
    if not isinstance(node, dict) or "_target_" not in node:
        raise ConfigError(f"{path} has no _target_; add one that names the class to build.")
    if not isinstance(partial := node.get("_partial_", False), bool):
        raise ConfigError(f"{path}._partial_ is {_shown(partial)}; write true or false.")
    return locate(node["_target_"], f"{path}._target_")


def _function(node: Any, path: str) -> Any:
    """Return the function that a node with `_partial_: true` names, or None for another value."""
    if not isinstance(node, dict) or "_target_" not in node:
        return None
    if node.get("_partial_") is not True:
        raise ConfigError(f"{path} is called later, so it needs _partial_: true; add that.")
    return locate(node["_target_"], f"{path}._target_")


def locate(name: object, path: str) -> Any:
    """Import the class or function that a `_target_` names.

    Raises:
        ConfigError: If the module or the name does not exist, or is not callable.
    """
    module_name, _, attribute = current(str(name)).rpartition(".")
    words = str(name).split(".")
    if not (isinstance(name, str) and module_name and all(map(str.isidentifier, words))):
        raise ConfigError(
            f"{path} is {_shown(name)}; write the full name of a class, package.module.Class."
        )
    try:
        module = importlib.import_module(module_name)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"{path} is {name!r}, which cannot be imported: {error}.") from error
    try:
        target = getattr(module, attribute)
    except AttributeError as error:
        raise ConfigError(
            f"{path} is {name!r}, but {module_name} has no {attribute!r}"
            f"{nearest(attribute, dir(module))}."
        ) from error
    if not callable(target):
        raise ConfigError(f"{path} is {name!r}, which is not a class or function.")
    return target


def _check_inside(mapping: dict[str, Any], path: str, *, deeper: bool = True) -> None:
    for key, value in mapping.items():
        if isinstance(value, dict) and "_target_" in value:
            check_node(value, f"{path}.{key}")
        elif isinstance(value, dict) and deeper:
            _check_inside(value, f"{path}.{key}", deeper=False)


def _parameters(target: Any) -> dict[str, inspect.Parameter]:
    try:
        parameters = dict(inspect.signature(target).parameters)
    except ValueError:  # a builtin has no signature, so any argument may fit
        return {"options": inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD)}
    parameters.pop("self", None)
    return {n: p for n, p in parameters.items() if p.kind is not inspect.Parameter.VAR_POSITIONAL}


def _further(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    return [n for n, p in parameters.items() if p.kind is inspect.Parameter.VAR_KEYWORD]


def _hints(target: Any) -> dict[str, Any]:
    function = target.__init__ if inspect.isclass(target) else target
    if isinstance(signature := getattr(target, "__signature__", None), inspect.Signature):
        return {n: p.annotation for n, p in signature.parameters.items()}
    try:
        return typing.get_type_hints(inspect.unwrap(function))
    except (NameError, TypeError):  # hints with names that are imported for type checkers only
        return {}


def _check_value(value: Any, hint: Any, path: str) -> None:
    if wants_tensor(hint) and is_tensor_like(value):
        return
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError, NameError):
        return  # pydantic cannot check such a hint, for example a callable protocol
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        reasons = dict.fromkeys(_lower(e["msg"]) for e in error.errors())
        mended = next(filter(None, (_mended(path, e) for e in error.errors())), "")
        raise ConfigError(f"{path} is {_shown(value)}: {'; or '.join(reasons)}{mended}.") from error
    if isinstance(value, bool) and not _admits(bool, hint):
        raise ConfigError(f"{path} is {str(value).lower()}, but true and false are not allowed.")
    if isinstance(value, str) and _names(value, hint):
        return
    if isinstance(value, str) and _admits(bool, hint) and not _admits(str, hint):
        meant = _WORDS.get(value.lower(), value.lower())
        raise ConfigError(f"{path} is the text {_shown(value)}; write {path}={meant}.")
    if isinstance(value, str) and not _admits(str, hint) and _is_number(value):
        raise ConfigError(f"{path} is the text {_shown(value)}; write {path}={_as_number(value)}.")


def _names(value: str, hint: Any) -> bool:
    """Return whether a hint lists this text, as `bool | Literal["warn"]` lists `warn`."""
    options = typing.get_args(hint) if _is_union(hint) else (hint,)
    literal = [o for o in options if typing.get_origin(o) is typing.Literal]
    return any(value in typing.get_args(option) for option in literal)


def _admits(kind: type, hint: Any) -> bool:
    options = typing.get_args(hint) or (hint,)
    return any(option is kind or option is Any or option is object for option in options)


def _as_number(text: str) -> str:
    """Return a number in the form that YAML reads as a number: 10 for 010, 1.0e-05 for 1e-5."""
    if len(text) > _LONGEST_NUMBER:
        return "NUMBER"
    if text.strip("+-_0123456789") == "":
        return str(int(text))
    number = float(text)
    mantissa, exponent, power = repr(number).partition("e")
    return f"{mantissa}{'' if '.' in mantissa or not exponent else '.0'}{exponent}{power}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _explain(error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        groups: dict[str, type[_Strict]] = {"paths": PathsConfig, "logger": LoggerConfig}
        owner = groups.get(str(first["loc"][0]), RunConfig)
        names = list(owner.model_fields)
        last = str(first["loc"][-1])
        return ConfigError(
            f"there is no key {key!r}{nearest(last, names)}; allowed: {some_of(last, names)}."
        )
    if first["type"] == "missing":
        return ConfigError(f"the key {key!r} is missing; the shipped train.yaml shows it.")
    value = first["input"]
    return ConfigError(f"{key} is {_shown(value)}: {_lower(first['msg'])}{_mended(key, first)}.")


def _mended(key: str, found: Any) -> str:
    """Return how to write a value that YAML reads as another type than meant, or an empty text."""
    value, kind = found["input"], found["type"]
    if kind.startswith("bool") and isinstance(value, str) and value.lower() in _WORDS:
        return f"; write {key}={_WORDS[value.lower()]}"
    if kind.startswith("int") and isinstance(value, str) and value.strip().isdecimal():
        return f"; write {key}={int(value)}, without quotes and leading zeros"
    if kind.startswith("int") and isinstance(value, float) and abs(value) < 1e15:
        if not value.is_integer():
            return ""
        return f"; write {key}={int(value)}"
    if kind.startswith("string") and isinstance(value, int | float):
        shown = str(value).lower() if isinstance(value, bool) else value
        return f"; write a text that looks like a number or true in quotes: '{key}=\"{shown}\"'"
    return ""


def _shown(value: Any) -> str:
    """Return a value as it is written in YAML, shortened to fit a line."""
    plain = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return plain[value]
    return shortened(repr(value), _LONGEST_SHOWN)


def _lower(message: str) -> str:
    message = message[0].lower() + message[1:]
    for theirs, ours in _OURS.items():
        message = message.replace(theirs, ours)
    return message
