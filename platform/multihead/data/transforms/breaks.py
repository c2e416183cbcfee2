"""Find the labels that a change of the picture makes wrong, and the transforms to leave out."""

from collections.abc import Mapping, Sequence

from multihead.data.transforms.transform import CHANGES, Transform
from multihead.errors import ConfigError

# `data.breaks`, by head name. Null removes the changes that the dataset names.
GivenBreaks = Mapping[str, Sequence[str] | None]
Breaks = Mapping[str, frozenset[str]]


def given_transforms(augment: Mapping[str, Transform | None]) -> dict[str, Transform]:
    """Return the transforms of a configuration, except those that are switched off with null.

    Raises:
        ConfigError: If a value is not a `Transform`.
    """
    given = {str(key): each for key, each in augment.items() if each is not None}
    for key, each in given.items():
        if not isinstance(each, Transform):
            raise ConfigError(
                f"data.augment.{key} is a {type(each).__name__}; name the _target_ of a "
                f"multihead.data.transforms.Transform."
            )
    return given


def merged_breaks(of_source: Breaks, given: GivenBreaks | None) -> Breaks:
    """Return the changes that make the labels of each head wrong, by head name.

    Args:
        of_source: The changes that the dataset names.
        given: Further changes by head name. None removes the dataset's changes of a head.

    Raises:
        ConfigError: If a value is not a list.
    """
    merged = dict(of_source)
    for name, changes in (given or {}).items():
        if changes is not None and (isinstance(changes, str) or not isinstance(changes, Sequence)):
            raise ConfigError(f"data.breaks.{name} is {changes!r}; give a list, [{changes}].")
        old = merged.get(name, frozenset())
        merged[name] = frozenset() if changes is None else old | frozenset(changes)
    return merged


def check_words(breaks: Breaks, transforms: Mapping[str, Transform]) -> None:
    """Check that a transform makes each change; a misspelt name would protect no label.

    Raises:
        ConfigError: If no transform makes a change. The message names the head and the change.
    """
    known = frozenset(CHANGES).union(*(each.changes for each in transforms.values()))
    for name, changes in breaks.items():
        for change in sorted(changes - known):
            raise ConfigError(
                f"data.breaks or the dataset names the change {change!r} for head {name!r}, but no "
                f"transform makes it; choose from {', '.join(sorted(known))}."
            )


def allowed(
    transforms: Mapping[str, Transform], breaks: Breaks, heads: Sequence[str]
) -> tuple[dict[str, Transform], tuple[str, ...]]:
    """Return the transforms that make no label wrong, and a sentence for each other one.

    Args:
        transforms: Transforms by their keys in `data.augment`.
        breaks: By head name, changes that make the labels wrong.
        heads: Names of the trained heads.

    Raises:
        ConfigError: If a transform makes a label wrong and its `where_allowed` is false. The
            message names the transform and the head.
    """
    kept: dict[str, Transform] = {}
    left_out: list[str] = []
    for key, each in transforms.items():
        broken = {h: found for h in heads if (found := each.changes & breaks.get(h, frozenset()))}
        if not broken:
            kept[key] = each
        elif each.where_allowed:
            left_out.append(f"{key} is left out, because it would make {_listed(broken)} wrong")
        else:
            name, changes = next(iter(broken.items()))
            made = "" if changes == {key} else f" ({', '.join(sorted(changes))})"
            raise ConfigError(
                f"data.augment.{key} changes the image{made}, but not the labels of head {name!r}, "
                f"which are wrong for the changed image. Write data.augment.{key}=null to train "
                f"without this change. If the labels stay right, write "
                f"'data.breaks={{{name}: null}}'."
            )
    return kept, tuple(left_out)


def _listed(heads: Mapping[str, object]) -> str:
    names = list(heads)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
