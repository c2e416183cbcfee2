"""Weights that timm publishes: whether they can be had, and where to put them where they cannot."""

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
    """Check that a network's published weights are here, or that there is a network to get them.

    Without one, the library would try again and again for minutes.

    Args:
        name: A network of timm's.

    Raises:
        ConfigError: Saying where to put the file.
    """
    config = _config(name)
    if not config.get("hf_hub_id") and not config.get("url"):
        raise ConfigError(
            f"timm publishes no weights of {name!r}; set model.net.pretrained=false, or name one "
            f"of timm.list_pretrained()."
        )
    repository = config.get("hf_hub_id")
    if not repository or any(_is_here(repository, file) for file in _FILES):
        return
    if constants.HF_HUB_OFFLINE or not (getproxies() or _has_name(constants.ENDPOINT)):
        raise unreachable(name)


def unreachable(name: str) -> ConfigError:
    """Return the error for weights that are not here and cannot be downloaded."""
    folder = f"models--{str(_config(name).get('hf_hub_id')).replace('/', '--')}"
    return ConfigError(
        f"the published weights of {name!r} are not on this machine and cannot be downloaded; put "
        f"the folder {folder} of a machine that has it into {Path(constants.HF_HUB_CACHE)}, or "
        f"give the file: model.net.pretrained=false model.init_from=model.safetensors"
    )


def _config(name: str) -> Mapping[str, Any]:
    found = timm.get_pretrained_cfg(name)
    return {} if found is None else vars(found)


def _is_here(repository: str, file: str) -> bool:
    return isinstance(try_to_load_from_cache(repository, file), str)


def _has_name(address: str) -> bool:
    """Return whether a server has an address here, which it has not without a network."""
    try:
        return bool(socket.getaddrinfo(urlsplit(address).hostname, 443))
    except OSError:
        return False
