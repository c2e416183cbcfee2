"""A head is one prediction of the network; its kind is all that differs between kinds of heads.

A kind of your own is a subclass of `Kind` in a file of your own, named by `_target_` in
`data.head_kinds`; see docs/metrics.md#kinds-of-heads. Nothing outside the kinds asks which kind a
head is of.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from multihead.errors import ConfigError
from multihead.heads.histogram import histogram_of
from multihead.heads.parameter import Parameter
from multihead.heads.results import Artifact, Readout
from multihead.metrics.metric import Metric
from multihead.text import is_whole

# A letter of any script first, so that names are names in Python, YAML and metric names alike.
_NAME = re.compile(r"[^\W\d_]\w*")
_LONGEST_NAME = 100  # bytes: names are parts of the names of files
_LARGEST_FIRST = 1 << 53  # whole numbers that a float holds

Labels = TypeVar("Labels", NDArray[Any], Tensor)
Column = NDArray[np.int64] | NDArray[np.float64] | NDArray[np.object_]


class Kind(ABC):
    """What differs between kinds of heads.

    A kind knows no run and no data. Its attributes are its options: plain values, which a record
    holds and which must be all that the constructor takes.

    Attributes:
        name: As tables and pages show it.
        dtype: Of labels: `int64`, where -1 is a missing label, or `float32`, where NaN is one.
        in_mean_accuracy: Whether the head's `acc` is part of `{split}/acc`.
        lists_classes: Whether a page lists the probability of each class.
        activation: What makes probabilities of the outputs: `softmax`, of which one is right,
            `sigmoid`, a yes or no each, or nothing.
        breaks: Changes of a picture that make labels wrong unless the dataset says for a head which
            ones do, such as `rotate` for angles; see `data.transforms.CHANGES`.
    """

    name: ClassVar[str]
    dtype: ClassVar[type[np.int64] | type[np.float32]] = np.int64
    in_mean_accuracy: ClassVar[bool] = False
    lists_classes: ClassVar[bool] = False
    activation: ClassVar[Literal["", "softmax", "sigmoid"]] = ""
    breaks: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        """Note the class, so that a record can name it without importing anything."""
        super().__init_subclass__(**options)
        _CLASSES[f"{cls.__module__}.{cls.__qualname__}"] = cls

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.options() == self.options()

    def __hash__(self) -> int:
        return hash((type(self), repr(sorted(self.options().items()))))

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options().items())
        return f"{type(self).__name__}({options})"

    def options(self) -> dict[str, Any]:
        """Return the constructor's arguments by name: the attributes, unless a kind says it."""
        return dict(vars(self))

    def check(self, head: "Head") -> None:
        """Refuse a head that cannot be of this kind.

        Raises:
            ConfigError: Naming the head and why.
        """
        return

    def suited(self, head: "Head") -> "Kind":
        """Return the form of this kind that suits a head.

        One name may stand for several forms: `regression` for one of levels and one of numbers.

        Args:
            head: Its own kind is this one, or the one that this one replaces.
        """
        return self

    def fitted(self, head: "Head", labels: NDArray[Any]) -> "Kind":
        """Return this kind with what it takes from the training labels as options of its own.

        The DataModule asks once, and the kind goes into the record of the run.

        Args:
            head: The head.
            labels: Of the training part alone, [N, ...]; some may be missing.
        """
        return self

    @property
    def is_fitted_to_labels(self) -> bool:
        """Whether `fitted` looks at labels; for other kinds none are read."""
        return type(self).fitted is not Kind.fitted

    def notes(self, head: "Head", labels: NDArray[Any]) -> Sequence[str]:
        """Return sentences about training labels [N, ...] worth telling before a training."""
        return ()

    # -- labels ----------------------------------------------------------------------------

    def has_range(self, head: "Head") -> bool:
        """Return whether labels are quantities, which have an order and distances."""
        return head.parameter is not None or head.num_classes == 0

    def class_names(self, head: "Head") -> tuple[str, ...]:
        """Return the names of classes or tags; empty where there are none."""
        return head.classes

    def text(self, head: "Head", label: Any) -> str:
        """Return what a label says, as people read it: a class's name, or value and unit."""
        if head.classes:
            return head.classes[int(label)]
        if head.num_classes and head.parameter is None:
            return str(int(label) + head.first)
        return f"{float(head.decode(label)):.4g} {head.unit}".strip()

    def histogram(
        self, head: "Head", labels: Mapping[str, NDArray[Any]]
    ) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
        """Count labels for people to read.

        Args:
            head: The head.
            labels: By split, [N, ...]; none is missing.

        Returns:
            A text per bar, and its count by split: see `heads.histogram`.
        """
        return histogram_of(head, labels)

    def unit(self, head: "Head") -> str:
        """Return the unit of labels and predictions; empty where there is none."""
        return "" if head.parameter is None else head.parameter.unit

    def label_shape(self, head: "Head") -> tuple[int, ...]:
        """Return the shape of one label: `()` for a number, `(K,)` for K numbers."""
        return ()

    def is_missing(self, labels: Labels) -> Labels:
        """Return which labels [N, ...] are missing, bool [N]; a part alone never is."""
        missing: Any = labels != labels if self._is_float else labels == -1
        numbers = math.prod(missing.shape[1:])
        found: Labels = missing.reshape(len(missing), numbers).all(1)
        return found

    def labelled(self, labels: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Return labels [n, ...] that are not missing, and what belongs to the same samples."""
        there = ~self.is_missing(labels)
        return tuple(values[there] for values in (labels, *others))

    def absent(self, head: "Head", count: int) -> NDArray[Any]:
        """Return labels [count, ...] that are all missing."""
        return np.full((count, *self.label_shape(head)), self.missing_number, self.dtype)

    def impossible(self, head: "Head", labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which labels [N, ...] cannot be, bool [N]; a missing one is not asked about."""
        if self._is_float:
            wrong = ~np.isfinite(labels)
        else:
            wrong = (labels < 0) | (labels >= head.num_classes)
        return np.asarray(wrong.any(axis=tuple(range(1, wrong.ndim))))

    def allowed(self, head: "Head") -> str:
        """Return what an impossible label is, such as `outside its classes 0 to 9`."""
        if self._is_float:
            return "no finite number"
        return f"outside its classes 0 to {head.num_classes - 1}"

    @property
    def missing_number(self) -> float:
        """What a missing label consists of: NaN or -1."""
        return np.nan if self._is_float else -1

    @property
    def _is_float(self) -> bool:
        return np.dtype(self.dtype).kind == "f"

    # -- training --------------------------------------------------------------------------

    @abstractmethod
    def outputs(self, head: "Head") -> int:
        """Return K, how many numbers the network returns for a sample."""

    @abstractmethod
    def criterion(self, head: "Head") -> nn.Module:
        """Make the default criterion, `criterion(outputs [B, K], labels [B, ...]) -> []`.

        A kind whose criterion takes `pos_weight` or `label_smoothing` has these as further
        arguments; `model.pos_weight` and `model.label_smoothing` are given to it.
        """

    def class_counts(self, head: "Head", labels: NDArray[Any]) -> NDArray[np.int64] | None:
        """Return how many labels [N, ...] each class has, [C], for weights of classes.

        Args:
            head: The head.
            labels: None is missing.

        Returns:
            None where labels are no classes.
        """
        return None if self._is_float else np.bincount(labels, minlength=head.num_classes)

    def yes_counts(
        self, head: "Head", labels: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return how many labels [N, ...] say yes, and how many no, [K] each, for weights of yes.

        Args:
            head: The head.
            labels: None is missing.

        Returns:
            None where outputs are no yes-or-no answers.
        """
        return None

    def constant(self, head: "Head", labels: NDArray[Any]) -> Tensor | None:
        """Return outputs [K] of a network that ignores its images, to compare a trained head with.

        They say how often each class is among the labels, or the mean of the labels.

        Args:
            head: The head.
            labels: Of training, [N, ...], N > 0; none is missing.

        Returns:
            None where a kind has no such outputs; no comparison is shown then.
        """
        return None

    @abstractmethod
    def readout(self, head: "Head") -> Readout:
        """Make what reads the outputs."""

    # -- metrics ---------------------------------------------------------------------------

    @abstractmethod
    def metrics(self, head: "Head") -> tuple[Metric, ...]:
        """Return the metrics that come from means over samples, without the loss.

        Each is called with the means of the readout's columns, and `loss`, by name.
        """

    def evaluated_metrics(self, head: "Head") -> tuple[Metric, ...]:
        """Return the metrics of all predictions that validation and test measure by default."""
        return ()

    def further_metrics(self, head: "Head") -> tuple[Metric, ...]:
        """Return the other metrics of all predictions, which `model.metrics` can choose."""
        return ()

    def judged(
        self, head: "Head", readout: Readout, outputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return what metrics of all predictions are called with, [N, ...] each.

        Args:
            head: The head.
            readout: Its readout, on the device of the outputs.
            outputs: Of all samples, [N, K].
            labels: [N, ...]; none is missing.
        """
        return readout.values(outputs), labels

    @abstractmethod
    def score(self, head: "Head", means: Mapping[str, float]) -> float:
        """Return the head's quality from 0 to 1, higher is better.

        Args:
            head: The head.
            means: Of the readout's columns, by name.
        """

    # -- results ---------------------------------------------------------------------------

    def artifacts(self, head: "Head") -> Sequence[Artifact]:
        """Make what a test leaves besides figures; nothing by default."""
        return ()

    def columns(self, head: "Head") -> dict[str, str]:
        """Return the columns of an answer and their types: `long`, `double` or `string`."""
        return {head.name: "double" if self._is_float else "long"}

    def answer(self, head: "Head", readout: Readout, outputs: Tensor) -> dict[str, Column]:
        """Return the columns of `columns` for outputs [B, K] on the CPU, each [B]."""
        values = readout.values(outputs).numpy()
        if self._is_float:
            return {head.name: values.astype(np.float64)}
        return {head.name: values.astype(np.int64)}

    def probabilities(self, outputs: Tensor) -> Tensor | None:
        """Return probabilities [B, K] of outputs [B, K]; none where there are none."""
        return None


# By dotted name: those whose modules somebody has imported.
_CLASSES: dict[str, type[Kind]] = {}
# Shipped ones by their short names.
KINDS: dict[str, Kind] = {}


def register(name: str) -> Callable[[type[Kind]], type[Kind]]:
    """Give a kind without options a short name, as `data.head_kinds` takes it."""

    def registered(cls: type[Kind]) -> type[Kind]:
        KINDS[name] = cls()
        return cls

    return registered


def kind_named(name: object) -> Kind:
    """Return a shipped kind by its short name.

    Raises:
        ConfigError: Naming those there are.
    """
    if not isinstance(name, str) or name not in KINDS:
        raise ConfigError(f"kind {name!r} is unknown; choose one of {list(KINDS)}.")
    return KINDS[name]


def kind_to_record(kind: Kind) -> str | dict[str, Any]:
    """Return a shipped kind's short name, or the class and options of another."""
    for name, shipped in KINDS.items():
        if shipped == kind:
            return name
    options = {n: list(v) if isinstance(v, tuple) else v for n, v in kind.options().items()}
    return {"_target_": f"{type(kind).__module__}.{type(kind).__qualname__}", **options}


def kind_of_record(record: object) -> Kind:
    """Return the kind that `kind_to_record` wrote, without importing anything.

    Raises:
        ConfigError: If it is none, or its module has not been imported.
    """
    if not isinstance(record, Mapping):
        return kind_named(record)
    options = {str(key): value for key, value in record.items() if key != "_target_"}
    target = str(record.get("_target_"))
    if target not in _CLASSES:
        raise ConfigError(f"its kind {target[:100]!r} is none of ours and not imported")
    return _CLASSES[target](**options)


@dataclass(frozen=True)
class Head:
    """One prediction of the network.

    Attributes:
        name: A letter, then letters, digits and underscores; part of metric names such as
            `val/digit_acc`.
        num_classes: Of labels that are classes or levels, 0 to num_classes - 1; 2 or more, or 0
            where labels are neither.
        classes: A name per class, or empty where the classes have only numbers.
        kind: How it is learned and read; a shipped one may be given by its name.
        parameter: What the levels stand for, where labels are levels of a range.
        first: What class 0 stands for where there is no parameter.
        title: What people call it, such as the column of a table; tables and pages show it.

    Raises:
        ConfigError: For values that break these rules, or a kind that they do not suit.
    """

    name: str
    num_classes: int = 0
    classes: tuple[str, ...] = ()
    kind: Kind = field(default_factory=lambda: KINDS["classification"])
    parameter: Parameter | None = None
    first: int = 0
    title: str = ""

    def __post_init__(self) -> None:
        self._take_kind()
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"head name {self.name!r} is not allowed; use a letter, then letters, digits or _."
            )
        if len(self.name.encode()) > _LONGEST_NAME:
            raise ConfigError(
                f"head name {self.name[:40]!r}... is longer than {_LONGEST_NAME} bytes."
            )
        if type(self.first) is not int or abs(self.first) > _LARGEST_FIRST:
            raise ConfigError(f"head {self.name!r} begins at {self.first!r:.40}, no whole number.")
        if self.num_classes < 2 and self.num_classes != 0:
            raise ConfigError(
                f"head {self.name!r} has {self.num_classes} classes; at least 2 are needed."
            )
        if self.classes and len(self.classes) != self.num_classes:
            raise ConfigError(
                f"head {self.name!r} has {self.num_classes} classes but {len(self.classes)} class "
                f"names; give one name per class or none."
            )
        if not is_whole("".join((*self.classes, self.unit, self.title))):
            raise ConfigError(
                f"head {self.name!r} has half of a surrogate pair in a class name, its unit or its "
                f"title, which no file can hold; remove it."
            )
        if len(set(self.classes)) != len(self.classes):
            raise ConfigError(f"head {self.name!r} has class names twice: {list(self.classes)}.")
        if self.parameter is not None and self.parameter.levels != self.num_classes:
            raise ConfigError(
                f"head {self.name!r} has {self.num_classes} classes, but its parameter has "
                f"{self.parameter.levels} levels; they must be equal."
            )
        self.kind.check(self)

    def _take_kind(self) -> None:
        if isinstance(self.kind, str):
            if self.kind not in KINDS:
                raise ConfigError(
                    f"head {self.name!r} is of kind {self.kind!r}; choose one of {list(KINDS)}."
                )
            object.__setattr__(self, "kind", KINDS[self.kind])
        if not isinstance(self.kind, Kind):
            raise ConfigError(
                f"head {self.name!r} is of kind {self.kind!r}; choose one of {list(KINDS)}, or a "
                f"multihead.heads.Kind."
            )
        object.__setattr__(self, "kind", self.kind.suited(self))

    @property
    def is_of_classes(self) -> bool:
        """Whether it tells classes or tags, rather than a quantity."""
        return bool(self.kind.activation) and self.parameter is None

    @property
    def outputs(self) -> int:
        """How many numbers the network returns for this head."""
        return self.kind.outputs(self)

    @property
    def shown(self) -> str:
        """What people call it: its title, or its name where it has none."""
        return self.title or self.name

    @property
    def quantity(self) -> str:
        """What people call it, and its unit if it has one."""
        return f"{self.shown} [{self.unit}]" if self.unit else self.shown

    @property
    def unit(self) -> str:
        """The unit of `decode`; empty where there is none."""
        return self.kind.unit(self)

    @property
    def scale(self) -> str:
        """How the levels of a range are spaced, `linear` or `log`; empty where there are none."""
        return "" if self.parameter is None else self.parameter.scale

    @property
    def has_range(self) -> bool:
        """Whether labels stand for quantities of a range, which have an order and distances."""
        return self.kind.has_range(self)

    @property
    def numbered_from(self) -> int:
        """What class 0 stands for; 0 where labels are no classes with numbers of their own."""
        return 0 if self.has_range else self.first

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return what labels stand for, in the parameter's unit; any shape to the same shape."""
        if self.parameter is not None:
            return self.parameter.decode(codes)
        return np.asarray(codes, np.float64) + self.first

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the nearest label of values in the parameter's unit."""
        if self.parameter is not None:
            return self.parameter.encode(values)
        nearest = np.round(np.asarray(values, np.float64)) - self.first
        return np.clip(nearest, 0, self.num_classes - 1).astype(np.int64)

    def text(self, code: Any) -> str:
        """Return what a label stands for, as people read it: a class's name, or value and unit."""
        return self.kind.text(self, code)

    def as_kind(self, kind: Kind | str) -> "Head":
        """Return this head predicted in another way.

        Raises:
            ConfigError: If the kind does not suit the head.
        """
        chosen = kind_named(kind) if isinstance(kind, str) else kind
        return replace(self, kind=chosen.suited(self))

    def to_record(self) -> dict[str, Any]:
        """Return plain lists, dicts, strings and numbers."""
        fields = {name: getattr(self, name) for name in ("name", "num_classes", "first")}
        parameter = None if self.parameter is None else asdict(self.parameter)
        kind = kind_to_record(self.kind)
        titled = {"title": self.title} if self.title else {}
        return {
            **fields,
            "classes": list(self.classes),
            "kind": kind,
            "parameter": parameter,
            **titled,
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> "Head":
        """Make a head of what `to_record` returned.

        Raises:
            ConfigError: For values that no head has, or a kind that is not imported.
            TypeError, KeyError, ValueError, AttributeError: If it is no such record.
        """
        fields = dict(record)
        parameter = fields.pop("parameter", None)
        kind = fields.pop("kind", "classification")
        if fields.pop("bounded", False):  # as earlier releases wrote it
            kind = f"bounded_{kind}"
        return cls(
            name=str(fields.pop("name")),
            num_classes=int(fields.pop("num_classes")),
            classes=tuple(map(str, fields.pop("classes"))),
            parameter=None if parameter is None else Parameter(**parameter),
            kind=kind_of_record(kind),
            **fields,
        )
