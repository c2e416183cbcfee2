"""Run a task as a Hydra application: overrides, --cfg, --multirun, --help, one-line errors."""

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from multihead import settings
from multihead.errors import ConfigError, MultiheadError
from multihead.runs.config import (
    ROOT,
    USER_ERRORS,
    explain,
    opened,
    register_folders,
    settle,
)
from multihead.terminal.streams import printed_as_text

Task = Callable[[dict[str, Any]], float | None]


def run_hydra(name: str, task: Task, arguments: Sequence[str]) -> None:
    """Compose the arguments and call the task, once or for each job of a multirun.

    Args:
        name: Name of the command, for `--help`.
        task: A function of the composed configuration. Its result is the value for a sweeper.
        arguments: Overrides and Hydra's own flags.

    Raises:
        MultiheadError: If the configuration cannot be composed or run. The message has one line. A
            multirun raises the first error after all jobs.
    """
    given = _parsed(name, arguments)
    register_folders()
    refused: list[MultiheadError] = []
    composed = False
    typed = given.overrides
    only_shows = any((given.cfg, given.info, given.help, given.hydra_help))

    def job(config: DictConfig) -> float | None:
        nonlocal composed
        composed = True
        # Hydra would add lines to an error that is raised through it.
        try:
            settled = settle(config, HydraConfig.get().runtime.choices.get("experiment"))
        except USER_ERRORS as error:
            refused.append(explain(error, typed))
            return None
        except MultiheadError as error:
            refused.append(error)
            return None
        try:
            return task(settled)
        except MultiheadError as error:
            refused.append(error)
            return None

    job.__name__ = name
    # Without this, Hydra prints several lines and exits with 1. With it, Hydra raises the error.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    folder = str(settings.packaged("experiments"))
    application = hydra.main(version_base="1.3", config_path=folder, config_name=ROOT)(job)
    before, sys.argv = sys.argv, [f"multihead {name}", *map(opened, arguments)]
    try:
        with printed_as_text() if only_shows else nullcontext():
            application()
    except (*USER_ERRORS, ValueError, OSError) as error:
        if composed and not isinstance(error, USER_ERRORS):
            raise
        raise explain(error, typed) from error
    finally:
        sys.argv = before
    if refused:
        raise refused[0]


def _parsed(name: str, arguments: Sequence[str]) -> Namespace:
    """Return Hydra's own options and the overrides.

    Raises:
        ConfigError: For an unknown option; argparse would print its usage and exit.
    """

    def refuse(message: str) -> NoReturn:
        raise ConfigError(f"{message}; see `multihead {name} --help`.")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    given, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        refuse(f"there is no option {unknown[0]}")
    return given
