"""An MLflow model signature: what a model reads, writes and can be told.

The names of types are MLflow's own (`mlflow/types/schema.py`, 3.17).
"""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any


@unique
class ModelScalar(StrEnum):
    """MLflow's scalar types."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    LONG = "long"
    FLOAT = "float"
    DOUBLE = "double"
    STRING = "string"
    BINARY = "binary"
    DATETIME = "datetime"


@dataclass(frozen=True, slots=True)
class ModelArray:
    """A list of values."""

    items: "ModelType"

    def __str__(self) -> str:
        """Return the type as MLflow spells it."""
        return f"Array({self.items})"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Property:
    """One key of an object. An object with a key that is not listed is refused."""

    name: str
    type: "ModelType"
    required: bool

    def __str__(self) -> str:
        """Return the type as MLflow spells it."""
        return f"{self.name}: {self.type}{'' if self.required else ' (optional)'}"


@dataclass(frozen=True, slots=True)
class ModelObject:
    """A dict with known keys, sorted by name."""

    properties: tuple[Property, ...]

    def __str__(self) -> str:
        """Return the type as MLflow spells it."""
        return f"Object({', '.join(map(str, self.properties))})"


@dataclass(frozen=True, slots=True)
class ModelMap:
    """A dict with any text keys."""

    values: "ModelType"

    def __str__(self) -> str:
        """Return the type as MLflow spells it."""
        return f"Map({self.values})"


@dataclass(frozen=True, slots=True)
class AnyType:
    """Whatever comes; MLflow does not look."""

    def __str__(self) -> str:
        """Return the type as MLflow spells it."""
        return "Any"


@dataclass(frozen=True, slots=True)
class SparkVector:
    """A vector of Spark ML; MLflow checks it as an array of doubles."""

    def __str__(self) -> str:
        """Return the type as MLflow spells it."""
        return "sparkml_vector"


ModelType = ModelScalar | ModelArray | ModelObject | ModelMap | AnyType | SparkVector


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSpec:
    """One column of a column-based signature."""

    name: str | None
    type: ModelType
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One tensor; -1 in the shape is "any"."""

    name: str | None
    dtype: str
    """As numpy names it."""
    shape: tuple[int, ...]

    @property
    def required(self) -> bool:
        """Always: MLflow has no optional tensors."""
        return True

    def __str__(self) -> str:
        """Return the type as MLflow spells it."""
        return f"Tensor({self.dtype}, {self.shape})"


Spec = ColumnSpec | TensorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamSpec:
    """A parameter of `predict`; it always has a default."""

    name: str
    type: ModelType
    default: Any
    shape: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What a model reads and writes.

    Specs are all columns or all tensors, all named or all without a name;
    the parser sees to it.
    """

    inputs: tuple[Spec, ...]
    outputs: tuple[Spec, ...] = ()
    """Never enforced by MLflow; empty when it was logged without."""
    params: tuple[ParamSpec, ...] = ()

    @property
    def named(self) -> bool:
        """Whether the inputs have names; without, only their order says which is which."""
        return all(spec.name is not None for spec in self.inputs)

    @property
    def tensors(self) -> bool:
        """Whether the inputs are tensors."""
        return all(isinstance(spec, TensorSpec) for spec in self.inputs)

    def duplicates(self) -> tuple[str, ...]:
        """Return the input names that occur more than once, sorted; MLflow allows them."""
        counts = Counter(spec.name for spec in self.inputs if spec.name is not None)
        return tuple(sorted(name for name, count in counts.items() if count > 1))
