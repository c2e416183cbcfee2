"""A head is one prediction of the network. Its kind defines how the head is trained and measured.

To add a kind, write a subclass of `Kind` in a file of your own, and name it with `_target_` in
`data.head_kinds`; see docs/metrics.md#kinds-of-heads. Code outside the kinds does not depend on the
kind of a head.
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

# A letter of any script, then word characters. Such names work in Python, YAML and metric names.
_NAME = re.compile(r"[^\W\d_]\w*")
_LONGEST_NAME = 100  # bytes, because file names contain the name
_LARGEST_FIRST = 1 << 53  # floats represent integers up to this exactly

Labels = TypeVar("Labels", NDArray[Any], Tensor)
Column = NDArray[np.int64] | NDArray[np.float64] | NDArray[np.object_]


class Kind(ABC):
    """A kind of head: its labels, outputs, loss, metrics and results.

    A kind does not depend on a run or on data. Its attributes are its options. They are plain
    values, are stored in records, and are the arguments of the constructor.

    Attributes:
        name: The name in tables and pages.
        dtype: The type of labels: `int64` with -1 for a missing label, or `float32` with NaN for a
            missing label.
        in_mean_accuracy: Whether the head's `acc` is part of `{split}/acc`.
        lists_classes: Whether a page lists the probability of each class.
        activation: The function from outputs to probabilities: `softmax` (exactly one class is
            right), `sigmoid` (each output is a yes or no), or empty.
        breaks: Image transforms that make labels wrong, such as `rotate` for angles. A dataset may
            state other transforms for a head. See `data.transforms.CHANGES`.
    """

    name: ClassVar[str]
    dtype: ClassVar[type[np.int64] | type[np.float32]] = np.int64
    in_mean_accuracy: ClassVar[bool] = False
    lists_classes: ClassVar[bool] = False
    activation: ClassVar[Literal["", "softmax", "sigmoid"]] = ""
    breaks: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls, **options: Any) -> None:
        """Register the class, so that a record can name it without an import."""
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
        """Return the constructor's arguments by name; by default the attributes."""
        return dict(vars(self))

    def check(self, head: "Head") -> None:
        """Refuse a head that cannot be of this kind.

        Raises:
            ConfigError: If the head does not suit this kind. It names the head and the reason.
        """
        return

    def suited(self, head: "Head") -> "Kind":
        """Return the form of this kind that suits a head.

        One name may have several forms: `regression` has one for levels and one for numbers.

        Args:
            head: The head. Its kind is this one, or the kind that this one replaces.
        """
        return self

    def fitted(self, head: "Head", labels: NDArray[Any]) -> "Kind":
        """Return this kind with options that are computed from the training labels.

        The DataModule calls it once, and the run's record holds the returned kind.

        Args:
            head: The head.
            labels: Labels of the training part only, [N, ...]; some may be missing.
        """
        return self

    @property
    def is_fitted_to_labels(self) -> bool:
        """Whether `fitted` uses labels; if not, labels are not read for it."""
        return type(self).fitted is not Kind.fitted

    def notes(self, head: "Head", labels: NDArray[Any]) -> Sequence[str]:
        """Return notes about training labels [N, ...] to print before training."""
        return ()

    # -- labels ----------------------------------------------------------------------------

    def has_range(self, head: "Head") -> bool:
        """Return whether labels are quantities with an order and distances."""
        return head.parameter is not None or head.num_classes == 0

    def class_names(self, head: "Head") -> tuple[str, ...]:
        """Return the names of classes or tags; empty if there are none."""
        return head.classes

    def text(self, head: "Head", label: Any) -> str:
        """Return a label as text: a class's name, or a value and its unit."""
        if head.classes:
            return head.classes[int(label)]
        if head.num_classes and head.parameter is None:
            return str(int(label) + head.first)
        return f"{float(head.decode(label)):.4g} {head.unit}".strip()

    def histogram(
        self, head: "Head", labels: Mapping[str, NDArray[Any]]
    ) -> tuple[list[str], dict[str, NDArray[np.int64]]]:
        """Count labels for a histogram.

        Args:
            head: The head.
            labels: Labels by split, [N, ...]; none is missing.

        Returns:
            A text per bar, and the counts of the bars by split; see `heads.histogram`.
        """
        return histogram_of(head, labels)

    def unit(self, head: "Head") -> str:
        """Return the unit of labels and predictions; empty if there is none."""
        return "" if head.parameter is None else head.parameter.unit

    def label_shape(self, head: "Head") -> tuple[int, ...]:
        """Return the shape of one label: `()` for a number, `(K,)` for K numbers."""
        return ()

    def is_missing(self, labels: Labels) -> Labels:
        """Return bool [N]: which labels [N, ...] are missing in all their numbers."""
        missing: Any = labels != labels if self._is_float else labels == -1
        numbers = math.prod(missing.shape[1:])
        found: Labels = missing.reshape(len(missing), numbers).all(1)
        return found

    def labelled(self, labels: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Return labels [n, ...] that are not missing, and the values of the same samples."""
        there = ~self.is_missing(labels)
        return tuple(values[there] for values in (labels, *others))

    def absent(self, head: "Head", count: int) -> NDArray[Any]:
        """Return labels [count, ...] that are all missing."""
        return np.full((count, *self.label_shape(head)), self.missing_number, self.dtype)

    def impossible(self, head: "Head", labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Return bool [N]: which labels [N, ...] are invalid. None of the labels is missing."""
        if self._is_float:
            wrong = ~np.isfinite(labels)
        else:
            wrong = (labels < 0) | (labels >= head.num_classes)
        return np.asarray(wrong.any(axis=tuple(range(1, wrong.ndim))))

    def allowed(self, head: "Head") -> str:
        """Return a text that describes an invalid label, such as `outside its classes 0 to 9`."""
        if self._is_float:
            return "no finite number"
        return f"outside its classes 0 to {head.num_classes - 1}"

    @property
    def missing_number(self) -> float:
        """The number of a missing label: NaN or -1."""
        return np.nan if self._is_float else -1

    @property
    def _is_float(self) -> bool:
        return np.dtype(self.dtype).kind == "f"

    # -- training --------------------------------------------------------------------------

    @abstractmethod
    def outputs(self, head: "Head") -> int:
        """Return K, the number of outputs per sample."""

    @abstractmethod
    def criterion(self, head: "Head") -> nn.Module:
        """Return the default criterion, `criterion(outputs [B, K], labels [B, ...]) -> []`.

        If the criterion takes `pos_weight` or `label_smoothing`, this method has them as further
        arguments. Their values come from `model.pos_weight` and `model.label_smoothing`.
        """

    def class_counts(self, head: "Head", labels: NDArray[Any]) -> NDArray[np.int64] | None:
        """Return the number of labels of each class, [C], for class weights.

        Args:
            head: The head.
            labels: Labels [N, ...]; none is missing.

        Returns:
            The counts, or None if labels are not classes.
        """
        return None if self._is_float else np.bincount(labels, minlength=head.num_classes)

    def yes_counts(
        self, head: "Head", labels: NDArray[Any]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return the numbers of positive and negative labels, [K] each, for `pos_weight`.

        Args:
            head: The head.
            labels: Labels [N, ...]; none is missing.

        Returns:
            The counts, or None if outputs are not yes-or-no predictions.
        """
        return None

    def constant(self, head: "Head", labels: NDArray[Any]) -> Tensor | None:
        """Return constant outputs [K] as a baseline for a trained head.

        They predict the frequency of each class among the labels, or the mean of the labels.

        Args:
            head: The head.
            labels: Training labels [N, ...], N > 0; none is missing.

        Returns:
            The outputs, or None if the kind has no baseline.
        """
        return None

    @abstractmethod
    def readout(self, head: "Head") -> Readout:
        """Return the module that converts outputs to predictions."""

    # -- metrics ---------------------------------------------------------------------------

    @abstractmethod
    def metrics(self, head: "Head") -> tuple[Metric, ...]:
        """Return the metrics that are computed from means over samples, without the loss.

        Each is called with the means of the readout's columns, and of `loss`, by name.
        """

    def evaluated_metrics(self, head: "Head") -> tuple[Metric, ...]:
        """Return metrics of all predictions that validation and test compute by default."""
        return ()

    def further_metrics(self, head: "Head") -> tuple[Metric, ...]:
        """Return the other metrics of all predictions; `model.metrics` selects them."""
        return ()

    def judged(
        self, head: "Head", readout: Readout, outputs: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the predictions and labels for metrics of all predictions, [N, ...] each.

        Args:
            head: The head.
            readout: Its readout, on the device of the outputs.
            outputs: Outputs of all samples, [N, K].
            labels: Labels [N, ...]; none is missing.
        """
        return readout.values(outputs), labels

    @abstractmethod
    def score(self, head: "Head", means: Mapping[str, float]) -> float:
        """Return the head's score from 0 to 1; higher is better.

        Args:
            head: The head.
            means: Means of the readout's columns, by name.
        """

    # -- results ---------------------------------------------------------------------------

    def artifacts(self, head: "Head") -> Sequence[Artifact]:
        """Return the files that a test writes for this head; none by default."""
        return ()

    def columns(self, head: "Head") -> dict[str, str]:
        """Return the columns of predictions and their types: `long`, `double` or `string`."""
        return {head.name: "double" if self._is_float else "long"}

    def answer(self, head: "Head", readout: Readout, outputs: Tensor) -> dict[str, Column]:
        """Return the columns of `columns` for outputs [B, K] on the CPU, each [B]."""
        values = readout.values(outputs).numpy()
        if self._is_float:
            return {head.name: values.astype(np.float64)}
        return {head.name: values.astype(np.int64)}

    def probabilities(self, outputs: Tensor) -> Tensor | None:
        """Return probabilities [B, K] of outputs [B, K], or None if there are none."""
        return None


# All kinds whose modules are imported, by dotted name.
_CLASSES: dict[str, type[Kind]] = {}
# The built-in kinds by short name.
KINDS: dict[str, Kind] = {}


def register(name: str) -> Callable[[type[Kind]], type[Kind]]:
    """Register a kind without options under a short name for `data.head_kinds`."""

    def registered(cls: type[Kind]) -> type[Kind]:
        KINDS[name] = cls()
        return cls

    return registered


def kind_named(name: object) -> Kind:
    """Return a built-in kind by its short name.

    Raises:
        ConfigError: If there is no such kind. It names the existing ones.
    """
    if not isinstance(name, str) or name not in KINDS:
        raise ConfigError(f"kind {name!r} is unknown; choose one of {list(KINDS)}.")
    return KINDS[name]


def kind_to_record(kind: Kind) -> str | dict[str, Any]:
    """Return a built-in kind's short name, or the class and options of another kind."""
    for name, shipped in KINDS.items():
        if shipped == kind:
            return name
    options = {n: list(v) if isinstance(v, tuple) else v for n, v in kind.options().items()}
    return {"_target_": f"{type(kind).__module__}.{type(kind).__qualname__}", **options}


def kind_of_record(record: object) -> Kind:
    """Return the kind of a record of `kind_to_record`, without an import.

    Raises:
        ConfigError: If the record is not of a kind, or the kind's module is not imported.
    """
    if not isinstance(record, Mapping):
        return kind_named(record)
    options = {str(key): value for key, value in record.items() if key != "_target_"}
    target = str(record.get("_target_"))
    if target not in _CLASSES:
        raise ConfigError(f"its kind {target[:100]!r} is not built in and not imported")
    return _CLASSES[target](**options)


@dataclass(frozen=True)
class Head:
    """One prediction of the network.

    Attributes:
        name: A letter, then letters, digits and underscores. It is part of metric names such as
            `val/digit_acc`.
        num_classes: Number of classes or levels, 2 or more; 0 if labels are neither. Labels are 0
            to num_classes - 1.
        classes: A name per class, or empty if classes have no names.
        kind: The kind of head; a built-in kind may be given by name.
        parameter: The range, unit and scale, if labels are levels of a range.
        first: The number of class 0, if there is no parameter.
        title: The name in tables and pages, such as the column of a table; may be empty.

    Raises:
        ConfigError: If a value breaks these rules, or the head does not suit its kind.
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
            raise ConfigError(f"head {self.name!r} begins at {self.first!r:.40}; give an integer.")
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
                f"head {self.name!r} has an unpaired surrogate in a class name, its unit or its "
                f"title; remove it, because files cannot store it."
            )
        if len(set(self.classes)) != len(self.classes):
            raise ConfigError(
                f"head {self.name!r} has duplicate class names: {list(self.classes)}."
            )
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
        """Whether it predicts classes or tags, not a quantity."""
        return bool(self.kind.activation) and self.parameter is None

    @property
    def outputs(self) -> int:
        """The number of outputs of the network for this head."""
        return self.kind.outputs(self)

    @property
    def shown(self) -> str:
        """The name to display: the title, or the name if there is no title."""
        return self.title or self.name

    @property
    def quantity(self) -> str:
        """The name to display, with the unit if there is one."""
        return f"{self.shown} [{self.unit}]" if self.unit else self.shown

    @property
    def unit(self) -> str:
        """The unit of `decode`; empty if there is none."""
        return self.kind.unit(self)

    @property
    def scale(self) -> str:
        """The spacing of the levels of a range, `linear` or `log`; empty without a range."""
        return "" if self.parameter is None else self.parameter.scale

    @property
    def has_range(self) -> bool:
        """Whether labels are quantities with an order and distances."""
        return self.kind.has_range(self)

    @property
    def numbered_from(self) -> int:
        """The number of class 0; 0 if labels are not classes."""
        return 0 if self.has_range else self.first

    def decode(self, codes: ArrayLike) -> NDArray[np.float64]:
        """Return the values of labels in the parameter's unit; the shape stays the same."""
        if self.parameter is not None:
            return self.parameter.decode(codes)
        return np.asarray(codes, np.float64) + self.first

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Return the nearest labels of values in the parameter's unit; the shape stays the same."""
        if self.parameter is not None:
            return self.parameter.encode(values)
        nearest = np.round(np.asarray(values, np.float64)) - self.first
        return np.clip(nearest, 0, self.num_classes - 1).astype(np.int64)

    def text(self, code: Any) -> str:
        """Return a label as text: a class's name, or a value and its unit."""
        return self.kind.text(self, code)

    def as_kind(self, kind: Kind | str) -> "Head":
        """Return this head with another kind.

        Raises:
            ConfigError: If the kind does not suit the head.
        """
        chosen = kind_named(kind) if isinstance(kind, str) else kind
        return replace(self, kind=chosen.suited(self))

    def to_record(self) -> dict[str, Any]:
        """Return a record of lists, dicts, strings and numbers."""
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
        """Make a head from a record of `to_record`.

        Raises:
            ConfigError: If a value is not allowed, or the kind is not imported.
            TypeError, KeyError, ValueError, AttributeError: If it is not such a record.
        """
        fields = dict(record)
        parameter = fields.pop("parameter", None)
        kind = fields.pop("kind", "classification")
        if fields.pop("bounded", False):  # written by earlier releases
            kind = f"bounded_{kind}"
        return cls(
            name=str(fields.pop("name")),
            num_classes=int(fields.pop("num_classes")),
            classes=tuple(map(str, fields.pop("classes"))),
            parameter=None if parameter is None else Parameter(**parameter),
            kind=kind_of_record(kind),
            **fields,
        )
