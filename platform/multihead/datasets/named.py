"""DataModules named after their datasets, for older runs and scripts.

Each is a `MultiheadDataModule` with one source, its old defaults and the old order of its
arguments. Current presets set `source` instead.
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

    It takes the arguments of `MultiheadDataModule` and of the source function. It ignores `source`,
    because a preset may set it.

    Args:
        arguments: Positional arguments.
        settings: Keyword arguments.

    Attributes:
        own_source: Source function of the dataset.
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
            cls.__signature__ = None  # a user's subclass may have other arguments

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


# Old class name of each dataset, by the path of its source function.
NAME_OF_SOURCE: Mapping[str, str] = {
    path_of(each.own_source): f"multihead.{each.__name__}" for each in NAMED
}
_WITHOUT_NAME: tuple[SourceFunction, ...] = (shapes, table, measured_cifar10)
# Paths of all source functions of this package, also of those without an old name.
SOURCES: frozenset[str] = frozenset({*NAME_OF_SOURCE, *map(path_of, _WITHOUT_NAME)})
