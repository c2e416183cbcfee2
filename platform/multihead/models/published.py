"""Check whether timm's published weights are available, and explain how to get them."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import timm
from huggingface_hub import constants, try_to_load_from_cache

from multihead.errors import ConfigError

_FILES = ("model.safetensors", "pytorch_model.bin")


def check_published(name: str) -> None:
    """Check that a network's published weights are in the cache or can be downloaded.

    Without an internet connection, the library would retry for minutes.

    Args:
        name: The name of a timm network.

    Raises:
        ConfigError: If there are no such weights, or they cannot be downloaded. The message says
            where to put the file.
    """
    config = _config(name)
    if not config.get("hf_hub_id") and not config.get("url"):
        raise ConfigError(
            f"timm publishes no weights of {name!r}; set model.net.pretrained=false, or choose a "
            f"name of timm.list_pretrained()."
        )
    repository = config.get("hf_hub_id")
    if not repository or any(_is_here(repository, file) for file in _FILES):
        return
    if constants.HF_HUB_OFFLINE or not (getproxies() or _has_name(constants.ENDPOINT)):
        raise unreachable(name)


def unreachable(name: str) -> ConfigError:
    """Return the error for weights that are not in the cache and cannot be downloaded."""
    folder = f"models--{str(_config(name).get('hf_hub_id')).replace('/', '--')}"
    return ConfigError(
        f"the published weights of {name!r} are not on this machine and cannot be downloaded; "
        f"copy the folder {folder} from another machine into {Path(constants.HF_HUB_CACHE)}, or "
        f"name the file: model.net.pretrained=false model.init_from=model.safetensors"
    )


def _config(name: str) -> Mapping[str, Any]:
    found = timm.get_pretrained_cfg(name)
    return {} if found is None else vars(found)


def _is_here(repository: str, file: str) -> bool:
    return isinstance(try_to_load_from_cache(repository, file), str)


def _has_name(address: str) -> bool:
    """Return whether the name of a server can be resolved, which needs a network connection."""
    try:
        return bool(socket.getaddrinfo(urlsplit(address).hostname, 443))
    except OSError:
        return False
