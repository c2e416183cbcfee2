"""Check the address of an MLflow store, before anything is trained or sent."""

from urllib.parse import SplitResult, urlsplit

from multihead.errors import ConfigError
from multihead.tracking.secrets import masked_uri

SERVERS = ("http", "https")
_UNKNOWN = "is of an unknown kind"
_MEND = (
    "allowed are sqlite:///FILE, postgresql+psycopg://USER@HOST/DATABASE, mysql://..., mssql://... "
    "and http(s)://HOST:PORT; change logger.tracking_uri or MLFLOW_TRACKING_URI"
)


def checked_address(uri: str) -> SplitResult:
    """Return the parts of a tracking URI.

    Args:
        uri: MLflow's tracking URI.

    Raises:
        ConfigError: If it is malformed, of an unknown kind, or does not say which server, database
            or file is meant.
    """
    try:
        parts = urlsplit(uri)
        _ = parts.port  # read from the text only here
    except ValueError as error:
        raise ConfigError(f"the tracking URI {masked_uri(uri)!r} is not valid: {error}.") from error
    problem = _problem(parts) if "://" in uri else _UNKNOWN
    if problem is not None:
        raise ConfigError(f"the tracking URI {masked_uri(uri)!r} {problem}; {_MEND}.")
    return parts


def kind_of(parts: SplitResult) -> str:
    """Return the scheme of an address without the driver: `postgresql` of `postgresql+psycopg`."""
    return parts.scheme.partition("+")[0]


def _problem(parts: SplitResult) -> str | None:
    """Return what is wrong with an address, or None."""
    place = parts.path.removeprefix("/")
    match kind_of(parts):
        case "http" | "https":
            return None if parts.hostname else "names no host"
        case "sqlite":
            in_memory = place in ("", ":memory:")
            return "names no file" if parts.netloc or in_memory else None
        case "postgresql" | "mysql" | "mssql":
            # The query may name a service, a socket or an ODBC connection instead.
            named = parts.hostname or place or parts.query
            return None if named else "names no host and no database"
    return _UNKNOWN
