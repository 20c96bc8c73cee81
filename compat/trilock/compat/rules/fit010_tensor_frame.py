"""FIT010: a frame that becomes one tensor has its shape and type, in every batch."""

from collections.abc import Iterator

from trilock.compat.conversion import Outcome
from trilock.compat.fit import spans_the_frame
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation
from trilock.compat.signature import TensorSpec
from trilock.compat.tensor import frame_outcome


def _check(context: Context) -> Iterator[Violation]:
    signature, columns = context.subject.signature, context.subject.columns
    if signature is None or columns is None or not spans_the_frame(signature, columns=columns):
        return
    for name in columns:
        if name not in context.frame.columns:
            yield Violation(
                path=name,
                expected=f"column {name!r}",
                found="nothing",
                message=f"the model expects a tensor of {len(columns)} columns, one of them"
                f" {name!r}, but {context.subject.features.service!r} does not deliver it",
            )
    (spec,) = signature.inputs
    found = [context.frame.columns[name] for name in columns if name in context.frame.columns]
    if not isinstance(spec, TensorSpec) or len(found) < len(columns):
        return
    outcome, dtype = frame_outcome(found, spec=spec)
    if outcome is not Outcome.ACCEPTED:
        yield Violation(
            path=context.subject.name,
            expected=str(spec),
            found=f"a frame of {dtype}",
            message=f"the model expects {spec}, but the {len(columns)} columns make a frame of"
            f" {dtype} in some batch, and MLflow refuses that",
        )


RULE = Rule(
    id="FIT010",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="A frame that becomes one tensor has its shape and type, in every batch.",
    why=(
        "With a recorded order the frame becomes one tensor through `DataFrame.to_numpy()`, and "
        "its dtype must be exactly the tensor's. One bool among floats makes it `object`; two "
        "ints stay `int64`; and online a batch in which no entity is known makes columns of "
        "`None`."
    ),
    remedy="log the signature from a DataFrame as the serving path delivers it: columns are then"
    " checked one by one",
    example="tensor float64 (-1, 3), but one of the three features is Bool",
    check=_check,
)
