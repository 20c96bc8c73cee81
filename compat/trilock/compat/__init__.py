"""Would this model, these features and this pipeline work together? Pure answers.

`parse_features` and `parse_signature` read what the planes hand over, `check`
runs every rule of `RULES` over the two and returns a `Report`. Standard library
only, no I/O; user code is never run or unpickled.
"""

from trilock.compat.baseline import baseline_text, parse_baseline
from trilock.compat.catalog import FOR_OTHERS, RULES
from trilock.compat.change import (
    ChangeReport,
    Judged,
    Reader,
    RepositoryDefinitions,
    SignatureTexts,
    Standing,
    check_change,
    service_readers,
)
from trilock.compat.check import check
from trilock.compat.compare import (
    Closure,
    Difference,
    Kind,
    Part,
    compare_features,
    compare_json,
    signature_form,
)
from trilock.compat.errors import (
    BaselineVersionError,
    CompatError,
    InvalidPolicyError,
    MalformedBaselineError,
    MalformedSignatureError,
)
from trilock.compat.features import Digests, Feature, FeatureSet, InputField
from trilock.compat.frame import ServingPath
from trilock.compat.parse_features import parse_features
from trilock.compat.parse_signature import parse_signature
from trilock.compat.policy import Mode, NullPolicy, Policy
from trilock.compat.raw import RawObject
from trilock.compat.report import Category, Finding, Report, Severity, Verdict, Waived, Waiver
from trilock.compat.rule import Rule
from trilock.compat.sharing import reading_on
from trilock.compat.signature import Signature
from trilock.compat.subject import Consumer, Lineage, Predecessor, SharedState, Subject

__all__ = [
    "FOR_OTHERS",
    "RULES",
    "BaselineVersionError",
    "Category",
    "ChangeReport",
    "Closure",
    "CompatError",
    "Consumer",
    "Difference",
    "Digests",
    "Feature",
    "FeatureSet",
    "Finding",
    "InputField",
    "InvalidPolicyError",
    "Judged",
    "Kind",
    "Lineage",
    "MalformedBaselineError",
    "MalformedSignatureError",
    "Mode",
    "NullPolicy",
    "Part",
    "Policy",
    "Predecessor",
    "RawObject",
    "Reader",
    "Report",
    "RepositoryDefinitions",
    "Rule",
    "ServingPath",
    "Severity",
    "SharedState",
    "Signature",
    "SignatureTexts",
    "Standing",
    "Subject",
    "Verdict",
    "Waived",
    "Waiver",
    "baseline_text",
    "check",
    "check_change",
    "compare_features",
    "compare_json",
    "parse_baseline",
    "parse_features",
    "parse_signature",
    "reading_on",
    "service_readers",
    "signature_form",
]
