"""How each input of a signature meets the frame: worked out once, read by every FIT rule."""

from collections.abc import Iterator
from dataclasses import dataclass

from trilock.compat.conversion import (
    Outcome,
    cell_outcome,
    missing_outcome,
    scalar_outcome,
    worst,
)
from trilock.compat.frame import Batch, Column, Frame
from trilock.compat.signature import AnyType, ColumnSpec, ModelScalar, Signature, Spec, TensorSpec
from trilock.compat.tensor import column_outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One input of the model, and the column it gets."""

    path: str
    """The column's name."""
    spec: Spec
    column: Column | None
    """None if the frame has no such column."""
    full: Outcome
    """What MLflow does when every row is there."""
    gaps: Outcome
    """The worst it does when rows are missing."""
    gap_dtype: str
    """The pandas column of that worst case."""

    @property
    def expected(self) -> str:
        """What the model expects, in a few words."""
        return str(self.spec) if isinstance(self.spec, TensorSpec) else str(self.spec.type)


def readings(
    signature: Signature, frame: Frame, *, columns: tuple[str, ...] | None
) -> Iterator[Reading]:
    """Yield what every input of *signature* reads.

    Nothing is yielded where a signature without names meets no *columns*: which
    input reads which column is then not known (FIT009). A single tensor over
    several columns is not a reading of one column either (FIT010).
    """
    names = [spec.name for spec in signature.inputs]
    if not signature.named:
        if columns is None or spans_the_frame(signature, columns=columns):
            return
        names = [*columns, *(f"#{index}" for index in range(len(columns), len(names)))]
    for name, spec in zip(names, signature.inputs, strict=False):
        yield _reading(name or "", spec=spec, column=frame.columns.get(name or ""))


def spans_the_frame(signature: Signature, *, columns: tuple[str, ...]) -> bool:
    """Return whether the whole frame becomes one tensor."""
    return not signature.named and signature.tensors and len(columns) != 1


def _reading(path: str, *, spec: Spec, column: Column | None) -> Reading:
    full, gaps, gap_dtype = Outcome.ACCEPTED, Outcome.ACCEPTED, ""  # Nothing read, nothing refused.
    if column is not None:
        full = _outcome(column, spec=spec, batch=Batch.FULL)
        for batch in column.batches[1:]:
            outcome = _outcome(column, spec=spec, batch=batch)
            if outcome > gaps:
                gaps, gap_dtype = outcome, column.dtype(batch)
    return Reading(path=path, spec=spec, column=column, full=full, gaps=gaps, gap_dtype=gap_dtype)


def _outcome(column: Column, *, spec: Spec, batch: Batch) -> Outcome:
    if isinstance(spec, TensorSpec):
        return column_outcome(column, spec=spec, batch=batch)
    if isinstance(spec.type, ModelScalar):
        return scalar_outcome(column.dtype(batch), type_=spec.type)
    return _complex_outcome(column, spec=spec, batch=batch)


def _complex_outcome(column: Column, *, spec: ColumnSpec, batch: Batch) -> Outcome:
    if isinstance(spec.type, AnyType):
        return Outcome.ACCEPTED
    outcome = cell_outcome(column.cell, type_=spec.type, required=spec.required)
    if batch is Batch.FULL:
        return outcome
    return worst((outcome, missing_outcome(spec.type, required=spec.required)))
