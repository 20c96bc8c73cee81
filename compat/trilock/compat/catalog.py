"""The rule table: the only place that lists the rules."""

from typing import Final

from trilock.compat.rule import Rule
from trilock.compat.rules import (
    evi001_evidence_missing,
    fit001_feature_missing,
    fit002_signature_missing,
    fit003_type_refused,
    fit004_data_dependent,
    fit005_missing_row,
    fit006_aware_time,
    fit012_unchecked,
)

RULES: Final[tuple[Rule, ...]] = (
    evi001_evidence_missing.RULE,
    fit001_feature_missing.RULE,
    fit002_signature_missing.RULE,
    fit003_type_refused.RULE,
    fit004_data_dependent.RULE,
    fit005_missing_row.RULE,
    fit006_aware_time.RULE,
    fit012_unchecked.RULE,
)
