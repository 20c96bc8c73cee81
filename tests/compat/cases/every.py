"""All cases of all rules."""

from collections.abc import Sequence

from tests.compat.cases import (
    evidence,
    evolution,
    fit_columns,
    fit_order,
    fit_outputs,
    fit_refused,
    fit_types,
    meaning,
)
from tests.compat.cases.base import Case

CASES: Sequence[Case] = [
    *evidence.EVIDENCE,
    *fit_columns.FIT_COLUMNS,
    *fit_refused.REFUSED,
    *fit_types.FIT_TYPES,
    *fit_order.FIT_ORDER,
    *fit_outputs.FIT_OUTPUTS,
    *evolution.EVOLUTION,
    *meaning.MEANING,
    *meaning.LINEAGE,
    *meaning.CONSUMERS,
    *meaning.POLICY,
]
