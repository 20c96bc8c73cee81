"""What the demo has to prove, what it took, and report.json, which says both."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PROOFS: Final = (
    "alias_restored",
    "mirror_equal",
    "values_equal",
    "clients_switched",
    "table_clean",
    "quarantine_counted",
    "late_write_refused",
    "predictions_identical",
    "incompatible_refused",
    "error_rose",
)
"""Every proof; one that was never made does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Whether one thing is so, and what was seen."""

    name: str
    holds: bool
    evidence: str
    """One line."""


@dataclass(slots=True, kw_only=True)
class Report:
    """Collects proofs and seconds while the story is told."""

    proofs: dict[str, Proof] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, holds: object, evidence: str) -> Proof:
        """Add one proof and return it.

        Raises:
            ValueError: It is unknown, or was added before.
        """
        if name not in PROOFS or name in self.proofs:
            raise ValueError(f"{name!r} is no proof that is missing")
        self.proofs[name] = Proof(name=name, holds=bool(holds), evidence=evidence)
        return self.proofs[name]

    @property
    def ok(self) -> bool:
        """Whether every proof was made, and holds."""
        return not list(self.failed())

    def failed(self) -> Iterable[str]:
        """Return the names of the proofs that do not hold or were never made."""
        return (name for name in PROOFS if name not in self.proofs or not self.proofs[name].holds)

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        failed = set(self.failed())
        content = {
            "proofs": {name: name not in failed for name in PROOFS},
            "seconds": {phase: round(seconds, 3) for phase, seconds in self.seconds.items()},
            "ok": self.ok,
        }
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
