"""What is asked before a bundle goes live: the gates that plans of promotions share."""

from typing import Final

from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.operation import PlannedStep
from trilock.server.domain.release import ALONE, Together

PROMOTION_GATES: Final = frozenset({"not_held", "no_foreign_edit", "bundle_fits"})
"""Names of what `promotion_gates` asks."""


def promotion_gates(
    alias: AliasRef, bundle: BundleRef, *, together: Together = ALONE
) -> tuple[PlannedStep, ...]:
    """Return what is asked before *bundle* goes live on *alias*, the cheapest question first."""
    subject = {"alias": str(alias), "bundle": str(bundle)}
    others = {str(other): str(ref) for other, ref in sorted(together.items())}
    return (
        PlannedStep(step="not_held", args=subject, title=f"see that {bundle} is not on hold"),
        PlannedStep(
            step="no_foreign_edit",
            args=subject,
            title=f"see that nobody else moved the model's alias {alias.alias}",
        ),
        PlannedStep(
            step="bundle_fits",
            args={**subject, "together": others} if others else subject,
            title=f"check {bundle} against what is really there",
        ),
    )
