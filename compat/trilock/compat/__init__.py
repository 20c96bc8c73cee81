"""Would this model, these features and this pipeline work together? Pure answers.

`parse_features` and `parse_signature` read what the planes hand over, `check`
runs every rule of `RULES` over the two and returns a `Report`. Standard library
only, no I/O; user code is never run or unpickled.
"""

from trilock.compat.catalog import FOR_OTHERS, RULES
from trilock.compat.check import check
from trilock.compat.errors import CompatError, InvalidPolicyError, MalformedSignatureError
from trilock.compat.features import Digests, Feature, FeatureSet, InputField
from trilock.compat.frame import ServingPath
from trilock.compat.parse_features import parse_features
from trilock.compat.parse_signature import parse_signature
from trilock.compat.policy import Mode, NullPolicy, Policy
from trilock.compat.raw import RawObject
from trilock.compat.report import Category, Finding, Report, Severity, Verdict, Waived, Waiver
from trilock.compat.rule import Rule
from trilock.compat.signature import Signature
from trilock.compat.subject import Consumer, Lineage, Predecessor, Subject

__all__ = [
    "FOR_OTHERS",
    "RULES",
    "Category",
    "CompatError",
    "Consumer",
    "Digests",
    "Feature",
    "FeatureSet",
    "Finding",
    "InputField",
    "InvalidPolicyError",
    "Lineage",
    "MalformedSignatureError",
    "Mode",
    "NullPolicy",
    "Policy",
    "Predecessor",
    "RawObject",
    "Report",
    "Rule",
    "ServingPath",
    "Severity",
    "Signature",
    "Subject",
    "Verdict",
    "Waived",
    "Waiver",
    "check",
    "parse_features",
    "parse_signature",
]
