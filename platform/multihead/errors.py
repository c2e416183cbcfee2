"""Errors a user can cause.

Each message is one line that says what is wrong, which value, what is allowed and how to
mend it. The command line prints that line and exits with 2; a library caller catches
`MultiheadError`. Anything else that is raised is a defect of ours and keeps its traceback.
"""


class MultiheadError(Exception):
    """Base of every error that the user's input, files or environment can cause."""


class ConfigError(MultiheadError):
    """A configuration that cannot run: unknown key, wrong value, parts that do not fit."""


class DataError(MultiheadError):
    """Data that are missing, damaged, hostile or do not fit the configuration."""


class DataUnreachableError(DataError):
    """Data whose storage does not answer now and may do so later."""


class CheckpointError(MultiheadError):
    """A checkpoint that is missing, damaged, hostile or of another architecture."""


class StoreError(MultiheadError):
    """The tracking store, or a folder the platform writes to, refuses or does not answer."""


class StoreUnreachableError(StoreError):
    """The tracking store does not answer now and may do so later."""


class PathError(MultiheadError):
    """A recorded name that would lead out of the folder that it belongs in."""


class DeletedError(StoreError):
    """What was asked for is in the store's bin, from where it can be brought back."""


class RecordLostError(MultiheadError):
    """Somebody else deleted, moved or changed a run's record while the run went on."""


class DivergenceError(MultiheadError):
    """A loss stopped being finite, so that further training would record nonsense."""


def message_of(error: BaseException) -> str:
    """Return what an error says, in one line; the name of its type where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
