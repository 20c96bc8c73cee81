"""What requests of ReleaseService have in common, checked: companions, and what is on trial."""

from collections.abc import Sequence
from typing import Final

from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.planning.trial import Trial
from trilock.server.rpc.validate import Validation
from trilock.server.usecases.promote_together import Subject
from trilock.v1 import release_service_pb2

_MAX_COMPANIONS: Final = 16
ALL: Final = 100
"""Of a hundred requests."""


def companions_of(
    check: Validation, companions: Sequence[release_service_pb2.Companion]
) -> list[Subject]:
    """Return what goes live with the same pivot."""
    if len(companions) > _MAX_COMPANIONS:
        check.wrong("companions", f"has more than {_MAX_COMPANIONS} entries")
    found = []
    for at, companion in enumerate(companions[:_MAX_COMPANIONS]):
        alias = check.name(f"companions[{at}].alias", companion.alias, AliasRef.parse)
        bundle = check.name(f"companions[{at}].bundle", companion.bundle, BundleRef.parse)
        check.same_model(f"companions[{at}].bundle", bundle, alias=alias)
        found.append(Subject(alias=alias, bundle=bundle))
    return found


def trial_of(check: Validation, request: release_service_pb2.PromoteRequest) -> Trial | None:
    """Return as what a bundle is tried; None if it is to go live."""
    if not 0 <= request.canary_percent < ALL:
        check.wrong("canary_percent", f"is {request.canary_percent}; it must be from 1 to 99")
    if request.canary_percent and request.shadow:
        check.wrong("shadow", "give either this or canary_percent")
    if not (request.canary_percent or request.shadow):
        return None
    if request.companions:
        check.wrong("companions", "only what is to be live at once has them")
    return Trial(percent=request.canary_percent)
