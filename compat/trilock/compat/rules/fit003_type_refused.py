"""FIT003: MLflow accepts every delivered column for what the model expects."""

from collections.abc import Iterator

from trilock.compat.conversion import Outcome
from trilock.compat.frame import Batch, Leaf
from trilock.compat.report import Category, Severity
from trilock.compat.rule import Context, Rule, Violation


def _check(context: Context) -> Iterator[Violation]:
    for reading in context.readings:
        column = reading.column
        # Times have a rule of their own, because nobody can guess that remedy.
        if column is None or reading.full is not Outcome.REFUSED or column.cell is Leaf.AWARE_TIME:
            continue
        dtype = column.dtype(Batch.FULL)
        path = context.policy.serving_path
        yield Violation(
            path=reading.path,
            expected=reading.expected,
            found=f"{column.type}, {dtype} on the {path.lower()} path",
            message=f"the model expects {reading.path!r} as {reading.expected}, but the"
            f" {column.origin} {column.ref!r} is {column.type}, which the {path.lower()} path"
            f" delivers as {dtype}, and MLflow refuses that",
        )


RULE = Rule(
    id="FIT003",
    category=Category.FIT,
    severity=Severity.ERROR,
    purpose="MLflow accepts every delivered column for what the model expects.",
    why=(
        "MLflow converts little: an int to a wider int or to double, a float32 to double. It "
        "never converts an int to float, a double to float, a float to int or a bool to a number. "
        "The whole table is `compat/trilock/compat/conversion.py`.\n\n"
        "What arrives depends on the serving path. `get_online_features(...).to_df()` widens "
        "Int32 to int64 and Float32 to float64; historical frames do not. So a signature inferred "
        "from a historical training frame (`integer`, `float`) is refused by the very first "
        "online request. A set is not a list for MLflow, and an object with a key too many is "
        "refused.\n\n"
        "On the historical path trilock takes a source to hold the types that its view declares. "
        "Feast passes on what the source holds, whatever the view says."
    ),
    remedy="log the signature from features as the serving path delivers them"
    " (get_online_features(...).to_df()), or change the feature's type",
    example="signature integer from historical data; Feast's Int32 is served online as int64",
    check=_check,
)
