"""Reads a policy out of a request."""

import re
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from trilock.compat import Mode, NullPolicy, Policy, ServingPath, Severity
from trilock.server.rpc.validate import RULE, Validation
from trilock.v1 import policy_pb2, report_pb2

_Value = TypeVar("_Value", Mode, NullPolicy, ServingPath, Severity)

_PATH: Final = re.compile(r"[^\s:]{1,255}(:[^\s:]{1,255})?")
_MAX_ENTRIES: Final = 1000


def policy_of(check: Validation, field: str, message: policy_pb2.Policy) -> Policy:
    """Return the policy in *message*; what is not set in it is the default."""
    default = Policy()
    return Policy(
        mode=_enum(
            check, f"{field}.mode", policy_pb2.EvolutionMode, message.mode, default=default.mode
        ),
        serving_path=_enum(
            check,
            f"{field}.serving_path",
            policy_pb2.ServingPath,
            message.serving_path,
            default=default.serving_path,
        ),
        full_feature_names=message.full_feature_names,
        null_policy=_enum(
            check,
            f"{field}.null_policy",
            policy_pb2.NullPolicy,
            message.null_policy,
            default=default.null_policy,
        ),
        nulls=_nulls(check, f"{field}.nulls", message.nulls),
        severities=_severities(check, f"{field}.severities", message.severities),
    )


def _nulls(
    check: Validation, field: str, entries: Sequence[policy_pb2.NullException]
) -> dict[str, NullPolicy]:
    _require_distinct(check, field, [entry.path for entry in entries])
    return {
        check.token(f"{field}[{at}].path", entry.path, _PATH): _enum(
            check,
            f"{field}[{at}].null_policy",
            policy_pb2.NullPolicy,
            entry.null_policy,
            default=NullPolicy.MAY_BE_MISSING,
        )
        for at, entry in enumerate(entries[:_MAX_ENTRIES])
    }


def _severities(
    check: Validation, field: str, entries: Sequence[policy_pb2.RuleSeverity]
) -> dict[str, Severity]:
    _require_distinct(check, field, [entry.rule for entry in entries])
    found = {}
    for at, entry in enumerate(entries[:_MAX_ENTRIES]):
        rule = check.token(f"{field}[{at}].rule", entry.rule, RULE)
        place = f"{field}[{at}].severity"
        if not entry.severity:
            check.wrong(place, "is required")
        found[rule] = _enum(
            check, place, report_pb2.Severity, entry.severity, default=Severity.ERROR
        )
    return found


def _require_distinct(check: Validation, field: str, keys: Sequence[str]) -> None:
    if len(keys) > _MAX_ENTRIES:
        check.wrong(field, f"has more than {_MAX_ENTRIES} entries")
    if len(set(keys)) < len(keys):
        check.wrong(field, "names one thing twice")


def _enum(
    check: Validation,
    field: str,
    enum: Any,  # noqa: ANN401 - the wrapper of any enum of the API
    number: int,
    *,
    default: _Value,
) -> _Value:
    """Return the member of *default*'s enum that *number* stands for; *default* for 0."""
    if not number:
        return default
    if number not in enum.values():
        check.wrong(field, f"is {number}, which this server does not know")
        return default
    # The name of value 0 is the prefix of all the others.
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    return type(default)(enum.Name(number).removeprefix(prefix))
