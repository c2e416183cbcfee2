"""Which criterion a head gets."""

from collections.abc import Callable

from torch import nn

from multihead.errors import ConfigError, MultiheadError, message_of
from multihead.heads.head import Head

# A module as it is, or something that makes one for a head: a class, a partial, a function.
Criterion = nn.Module | Callable[[Head], nn.Module]


def make_criterion(criterion: Criterion | None, head: Head) -> nn.Module:
    """Return the criterion of a head, made for it if need be.

    Args:
        criterion: A module, or what makes one when called with the head; the kind's default if
            none.
        head: The head.

    Raises:
        ConfigError: If it does not suit the head's kind, or makes no module.
    """
    if criterion is None:
        return head.kind.criterion(head)
    if isinstance(criterion, nn.Module):
        return criterion
    try:
        made = criterion(head)
    except MultiheadError:
        raise
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"the criterion of head {head.name!r} cannot be made for it: {message_of(error)}"
        ) from error
    if not isinstance(made, nn.Module):
        raise ConfigError(
            f"the criterion of head {head.name!r} makes a {type(made).__name__}; it must make a "
            f"torch module."
        )
    return made
