"""Errors that a user can cause.

Each message is one line that says what is wrong, which value, what is allowed and how to fix it.
The command line prints this line and exits with code 2. A Python program catches `MultiheadError`.
Every other exception is a bug of multihead and keeps its traceback.
"""


class MultiheadError(Exception):
    """Base of every error that the user's input, files or environment can cause."""


class ConfigError(MultiheadError):
    """A configuration that cannot run: unknown key, wrong value, parts that do not fit."""


class DataError(MultiheadError):
    """Data that are missing, damaged, malicious or do not fit the configuration."""


class DataUnreachableError(DataError):
    """Data whose storage does not answer now, but may answer later."""


class CheckpointError(MultiheadError):
    """A checkpoint that is missing, damaged, malicious or of another architecture."""


class StoreError(MultiheadError):
    """The tracking store or a folder for writing refuses a request, or does not answer."""


class StoreUnreachableError(StoreError):
    """The tracking store does not answer now, but may answer later."""


class PathError(MultiheadError):
    """A recorded name that leads to a path outside of its folder."""


class DeletedError(StoreError):
    """The requested object is in the store's bin, and can be restored from there."""


class RecordLostError(MultiheadError):
    """Another process deleted, moved or changed a run's record during the run."""


class DivergenceError(MultiheadError):
    """A loss is not finite any more, so the training cannot continue."""


def message_of(error: BaseException) -> str:
    """Return the message of an error in one line, or the name of its type without a message."""
    return " ".join(str(error).split()) or type(error).__name__
