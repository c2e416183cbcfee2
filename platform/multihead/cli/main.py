"""The command `multihead`: one module per command, imported when the command runs."""

import signal
import sys
from collections.abc import Sequence

import click
from click.shell_completion import BashComplete, add_completion_class

from multihead import __version__, settings
from multihead.cli.lazy import LazyGroup
from multihead.errors import MultiheadError
from multihead.garbage import collect_all_rarely
from multihead.terminal.lines import complain, say
from multihead.terminal.streams import show_notices

COMMANDS = {
    "train": "Train and test a network, and record the run.",
    "evaluate": "Test a recorded run or a checkpoint file.",
    "data": "List, inspect, validate, convert, shard and generate datasets.",
    "rerun": "Train a recorded run again, and print what differs from the first time.",
    "runs": "List runs, show one run, or compare several.",
    "ablate": "Compare methods (arms) over several seeds.",
    "study": "Search for good settings with many trainings.",
    "soup": "Average the weights of a study's best trials.",
    "cluster": "Write a Kubernetes manifest for a study.",
    "report": "Write the report of an ablation: a page, and its tables as files.",
    "compare": "Write the same kind of report for runs that you choose.",
    "promote": "Register a run's model under a name in MLflow.",
    "serve": "Serve a model over HTTP.",
    "export": "Write a run's network as ONNX, TorchScript or safetensors.",
    "sync": "Send records that are still missing to the MLflow store.",
    "reap": "Close the records of runs that died without recording their end.",
    "restore": "Bring back an experiment or a run that was deleted in MLflow.",
    "list": "List experiments, studies and ablations.",
    "ui": "Start the MLflow UI on this machine.",
    "doctor": "Check versions, devices, folders and the MLflow store.",
}
_MODULES = {name: f"multihead.cli.{name}" for name in COMMANDS} | {"list": "multihead.cli.listing"}
_LAZY = {name: (_MODULES[name], text) for name, text in COMMANDS.items()}


_HELP = """Train networks with one backbone and several heads, and record every run.

Run `multihead COMMAND --help` for the arguments and options of a command.
"""
_EPILOG = """\b
Examples:
  multihead train experiment=multihead_cnn_digits
  multihead runs
  multihead ui

\b
Shell completion, for the current shell:
  bash:  eval "$(_MULTIHEAD_COMPLETE=bash_source multihead)"
  zsh:   eval "$(_MULTIHEAD_COMPLETE=zsh_source multihead)"
  fish:  _MULTIHEAD_COMPLETE=fish_source multihead | source
"""


@click.group(
    cls=LazyGroup,
    lazy=_LAZY,
    help=_HELP,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="multihead")
def cli() -> None:
    """The group of all commands. Each one is imported when it is called."""


class WholeWordBash(BashComplete):
    """Complete `key=value` as one word. Bash would split it at the equals sign."""

    source_template = (
        "export COMP_WORDBREAKS=${COMP_WORDBREAKS//=/}\n"
        + BashComplete.source_template.replace(
            "complete -o nosort", "complete -o nosort -o nospace"
        )
    )

    @staticmethod
    def _check_version() -> None:
        """Skip the check, because it starts bash and only very old versions fail it."""


add_completion_class(WholeWordBash)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Errors that a user can cause are one line, with exit code 2."""
    collect_all_rarely()
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(128 + signum))
    show_notices()
    try:
        settings.current_folder()
        code = cli.main(arguments, prog_name="multihead", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        say(*error.format_message().splitlines(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        fail(error.format_message())
    except click.exceptions.Abort:
        sys.exit(130)
    except MultiheadError as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str) -> None:
    """Print one line on stderr and exit with 2."""
    complain(message)
    sys.exit(2)
