"""What compat refuses, as types with fields.

CompatError
├── MalformedSignatureError   a signature's JSON text is not what MLflow writes
├── MalformedBaselineError    a baseline file is none, or is broken
│   └── BaselineVersionError
└── InvalidPolicyError        a policy names what is not there

Incompatibility is not an error: it is a finding in a report.
"""

from collections.abc import Sequence


class CompatError(Exception):
    """Base of every error that `trilock.compat` raises on purpose."""


class MalformedSignatureError(CompatError):
    """A signature's JSON text is not what MLflow writes."""

    def __init__(self, *, place: str, problem: str) -> None:
        super().__init__(f"malformed signature at {place}: {problem}")
        self.place = place
        """Where, as a path into the JSON: `inputs[3].items.type`."""
        self.problem = problem


class MalformedBaselineError(CompatError):
    """A text is no baseline, or a broken one."""

    def __init__(self, *, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")
        self.place = place
        """Where: `line 3 column 7`, or a path into the JSON such as `readers[2].policy`."""
        self.problem = problem


class BaselineVersionError(MalformedBaselineError):
    """A baseline is of a version that this trilock does not read."""

    def __init__(self, *, found: object, wanted: int) -> None:
        super().__init__(
            place="version",
            problem=f"the baseline has format version {found!r}, this trilock reads {wanted}: "
            "write it again with --write-baseline",
        )
        self.found = found
        self.wanted = wanted


class InvalidPolicyError(CompatError):
    """A policy names a rule that is not in the catalogue, or waives without a date to judge by."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)
