"""The rule table: the only place that lists all rules."""

from typing import Final

from trilock.compat.fit_rules import FIT_RULES
from trilock.compat.report import Category
from trilock.compat.rule import Rule
from trilock.compat.rules import (
    con001_consumer_unserved,
    con002_consumer_meaning,
    con003_shared_features,
    evi001_evidence_missing,
    evi002_predecessor_unknown,
    evi003_consumer_unknown,
    evi004_sink_type_unknown,
    evo001_feature_missing,
    evo002_feature_retyped,
    evo003_input_added,
    lin001_commit_differs,
    lin002_service_differs,
    pol001_waiver_expired,
    sem001_meaning_changed,
    sem002_body_changed,
)

RULES: Final[tuple[Rule, ...]] = (
    con001_consumer_unserved.RULE,
    con002_consumer_meaning.RULE,
    con003_shared_features.RULE,
    evi001_evidence_missing.RULE,
    evi002_predecessor_unknown.RULE,
    evi003_consumer_unknown.RULE,
    evi004_sink_type_unknown.RULE,
    evo001_feature_missing.RULE,
    evo002_feature_retyped.RULE,
    evo003_input_added.RULE,
    *FIT_RULES,
    lin001_commit_differs.RULE,
    lin002_service_differs.RULE,
    pol001_waiver_expired.RULE,
    sem001_meaning_changed.RULE,
    sem002_body_changed.RULE,
)
"""Every rule there is or ever was, sorted by id."""

FOR_OTHERS: Final = frozenset(
    {
        *(rule.id for rule in RULES if rule.category is Category.CONSUMERS),
        evi003_consumer_unknown.RULE.id,
    }
)
"""Rules that protect other bundles than the one that is judged: a policy, which belongs to
its side, cannot make them weigh less."""
