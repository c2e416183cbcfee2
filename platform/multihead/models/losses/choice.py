"""Which criterion a head gets."""

from collections.abc import Callable

from torch import nn

from multihead.errors import ConfigError, MultiheadError, message_of
from multihead.heads import Head
from multihead.models.losses.expected_value import ExpectedValueLoss
from multihead.models.losses.regression import RegressionLoss

# A module as it is, or something that makes one for a head: a class, a partial, a function.
Criterion = nn.Module | Callable[[Head], nn.Module]


def default_criterion(head: Head) -> nn.Module:
    """Return cross-entropy, the expected value's distance or the value's, by kind of head."""
    if head.kind == "classification":
        return nn.CrossEntropyLoss()
    return ExpectedValueLoss(head) if head.kind == "ordinal" else RegressionLoss(head)


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
        return default_criterion(head)
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
