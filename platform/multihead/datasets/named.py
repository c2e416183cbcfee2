"""DataModules under the names of their datasets, as there were before `source` chose them.

Each is `MultiheadDataModule` with one source, the defaults that it always had and its arguments in
the order in which they may be given. Runs on record and scripts name them; presets name a source.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from multihead.data.datamodule import MultiheadDataModule
from multihead.data.source import SourceFunction
from multihead.data.source_function import options_of, plain
from multihead.datasets.any_folder import any_folder
from multihead.datasets.cifar import cifar10
from multihead.datasets.cifar100mh import cifar100mh
from multihead.datasets.digits import digits
from multihead.datasets.measured_cifar10 import measured_cifar10
from multihead.datasets.measured_mnist import measured_mnist
from multihead.datasets.mnist import mnist
from multihead.datasets.multi_mnist import multi_mnist
from multihead.datasets.shapes.source import shapes
from multihead.datasets.table.source import table
from multihead.datasets.vimh_folder import vimh
from multihead.datasets.vimh_stream import vimh_stream

_FOLDER_ORDER = ("data_dir", "batch_size", "num_workers", "train_val_test_split", "pixel_order")
_STREAM_ORDER = ("data_dir", "batch_size", "shuffle_rows", "num_workers", "train_val_test_split")


class NamedDataModule(MultiheadDataModule):
    """A DataModule of one dataset.

    The arguments are those of `MultiheadDataModule` and of the source function. `source` is taken
    and not used, because a preset that the configuration is built on may set it.

    Args:
        arguments: By position.
        settings: By name.

    Attributes:
        own_source: The dataset.
    """

    own_source: ClassVar[SourceFunction]
    __signature__: ClassVar[inspect.Signature | None]
    _own_signature: ClassVar[inspect.Signature]

    def __init_subclass__(
        cls,
        *,
        source: SourceFunction | None = None,
        order: Sequence[str] = (),
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init_subclass__()
        if source is not None:
            cls.own_source = staticmethod(source)
            cls._own_signature = cls.__signature__ = _signature(source, order, defaults or {})
        elif "__init__" in vars(cls):
            cls.__signature__ = None  # a subclass of the user's has arguments of its own

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        given = self._own_signature.bind(*arguments, **settings)
        given.apply_defaults()
        super().__init__(**{**given.arguments, "source": self.own_source})


def _signature(
    source: SourceFunction, order: Sequence[str], defaults: Mapping[str, Any]
) -> inspect.Signature:
    common = inspect.signature(MultiheadDataModule).parameters
    known = {**common, **options_of(source)}
    names = dict.fromkeys([*order, *(name for name in known if name != "options")])
    return inspect.Signature(
        [
            known[name].replace(
                kind=inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=defaults.get(name, known[name].default),
            )
            for name in names
        ]
    )


class MNISTDataModule(NamedDataModule, source=mnist):
    """MNIST, with the arguments of `MultiheadDataModule` other than `source`."""


class DigitsDataModule(NamedDataModule, source=digits):
    """scikit-learn's digits, with the arguments of `MultiheadDataModule` other than `source`."""


class CIFAR10DataModule(NamedDataModule, source=cifar10):
    """CIFAR-10, with the arguments of `MultiheadDataModule` other than `source`."""


class MeasuredMNISTDataModule(NamedDataModule, source=measured_mnist, defaults={"multihead": True}):
    """MNIST with the digit and measures of its strokes as heads.

    It has the arguments of `MultiheadDataModule` other than `source`.
    """


class MultiMNISTDataModule(NamedDataModule, source=multi_mnist, defaults={"multihead": True}):
    """MultiMNIST: two digits in each picture; training and validation pictures share no digit.

    It has the arguments of `MultiheadDataModule` other than `source`.
    """


class VIMHDataModule(
    NamedDataModule, source=vimh, order=_FOLDER_ORDER, defaults={"multihead": True}
):
    """A VIMH folder, with the arguments of `MultiheadDataModule` other than `source`."""


class CIFAR100MHDataModule(
    NamedDataModule, source=cifar100mh, order=_FOLDER_ORDER, defaults={"multihead": True}
):
    """A CIFAR-100-MH folder, with the arguments of `MultiheadDataModule` other than `source`."""


class GenericDataModule(
    NamedDataModule, source=any_folder, order=_FOLDER_ORDER, defaults={"multihead": True}
):
    """A folder of any supported format.

    It has the arguments of `MultiheadDataModule` other than `source`.
    """


class VIMHStreamDataModule(
    NamedDataModule,
    source=vimh_stream,
    order=_STREAM_ORDER,
    defaults={"multihead": True, "num_workers": 1},
):
    """A set in shards, streamed from a folder or from S3.

    It has the arguments of `MultiheadDataModule` other than `source`.
    """


NAMED: tuple[type[NamedDataModule], ...] = (
    MNISTDataModule,
    DigitsDataModule,
    CIFAR10DataModule,
    MeasuredMNISTDataModule,
    MultiMNISTDataModule,
    VIMHDataModule,
    CIFAR100MHDataModule,
    GenericDataModule,
    VIMHStreamDataModule,
)


def path_of(source: SourceFunction) -> str:
    """Return the dotted path of a source function."""
    function: Any = plain(source)
    return f"{function.__module__}.{function.__qualname__}"


# The name that a configuration gave a dataset before, by the path of its source function.
NAME_OF_SOURCE: Mapping[str, str] = {
    path_of(each.own_source): f"multihead.{each.__name__}" for each in NAMED
}
_WITHOUT_NAME: tuple[SourceFunction, ...] = (shapes, table, measured_cifar10)
# The paths of all source functions of ours, also of those that never had a name of their own.
SOURCES: frozenset[str] = frozenset({*NAME_OF_SOURCE, *map(path_of, _WITHOUT_NAME)})
