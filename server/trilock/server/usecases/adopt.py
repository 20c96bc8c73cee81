"""Make what somebody did to the model alias a promotion, checked like any other."""

from dataclasses import dataclass
from typing import Final

from sqlmodel import Session

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import NotFoundError, WrongStateError
from trilock.server.domain.names import AliasRef
from trilock.server.domain.operation import Operation
from trilock.server.domain.ports import Window
from trilock.server.store.bundles import get_bundle, list_bundles
from trilock.server.store.releases import require_live
from trilock.server.usecases.promote import promote
from trilock.server.usecases.runtime import Runtime

_PAGE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The bundle that is promoted, and the operation; None for a rehearsal."""

    bundle: Bundle
    operation: Operation | None


def adopt(
    runtime: Runtime,
    *,
    alias: AliasRef,
    window: Window | None,
    reason: str,
    accept_unready: str,
    request_id: str,
    validate_only: bool,
    principal: str,
) -> Adopted:
    """Start the promotion of the newest bundle with the version that the alias points at.

    Raises:
        WrongStateError: Nobody moved the alias, or it was removed.
        NotFoundError: Nothing was ever released there, or no bundle has that version.
        TrilockError: Any refusal that release_service.proto lists under Promote.
    """
    planes = runtime.connections.planes(alias.model)
    with runtime.database.read() as session:
        live = require_live(session, alias)
        expected = get_bundle(session, live.bundle).model_version.version
    found = planes.registry.alias(model=planes.registered_model, alias=alias.alias)
    resource = f"alias {alias.alias} of MLflow model {planes.registered_model}"
    if found is None:
        raise WrongStateError(
            resource=resource,
            state="removed",
            verb="adopted",
            hint="`trilock reassert` makes it again",
        )
    if found == expected:
        raise WrongStateError(resource=resource, state="as trilock left it", verb="adopted")
    with runtime.database.read() as session:
        bundle = _newest(session, alias, version=found)
    if bundle is None:
        raise NotFoundError(
            f"a bundle of {alias.model} with version {found} of MLflow model "
            f"{planes.registered_model}",
            hint="`trilock record` one, then adopt",
        )
    operation = promote(
        runtime,
        alias=alias,
        bundle=bundle.ref,
        window=window,
        plan_id="",
        reason=reason or f"adopted: {resource} was moved to version {found}",
        accept_unready=accept_unready,
        etag=live.etag,
        request_id=request_id,
        validate_only=validate_only,
        principal=principal,
    )
    return Adopted(bundle=bundle, operation=operation)


def _newest(session: Session, alias: AliasRef, *, version: str) -> Bundle | None:
    offset = 0
    while page := list_bundles(session, model=alias.model, offset=offset, limit=_PAGE):
        for bundle in page:
            if bundle.model_version.version == version:
                return bundle
        offset += len(page)
    return None
