"""Name the settings that are for kinds of heads which a training does not have."""

from collections.abc import Iterator

from multihead.data.datamodule import MultiheadDataModule
from multihead.heads import Kind
from multihead.training.module import MultiheadLitModule


def without_effect(data: MultiheadDataModule, module: MultiheadLitModule) -> Iterator[str]:
    """Yield a sentence for each such setting.

    It is no error: an arm of an ablation, or a run of some heads, may have the settings of all.

    Args:
        data: The data of a training.
        module: The module, with its heads.
    """
    kinds, heads = data.head_kinds, data.heads
    if isinstance(kinds, str | Kind) and not any(head.has_range for head in heads.values()):
        name = kinds if isinstance(kinds, str) else kinds.name
        yield f"data.head_kinds is {name} and has no effect: none of {list(heads)} has a range"
    empty: tuple[object, ...] = (None, {})
    own = {name for name, given in module.given_criteria.items() if given not in empty}
    of_parameters = {name for name, head in heads.items() if head.parameter is not None}
    if module.parameter_criterion is not None and not of_parameters - own:
        why = "model.criteria names the loss of each" if of_parameters else "there is none"
        yield (
            f"model.parameter_criterion (model/criterion) has no effect: it is for heads with "
            f"levels of a range, and {why}"
        )
