"""Make what somebody did to the model alias a promotion, checked like any other."""

from dataclasses import dataclass
from typing import Final

from sqlmodel import Session

from trilock.server.domain.bundle import Bundle
from trilock.server.domain.errors import NotFoundError, TrilockError, WrongStateError
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.operation import Operation
from trilock.server.domain.ports import Window
from trilock.server.domain.release import LiveRow
from trilock.server.store.bundles import get_bundle, list_bundles
from trilock.server.store.releases import require_live
from trilock.server.store.requests import request_hash
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
    content = request_hash("adopt", alias=str(alias), window=str(window))

    def started() -> Adopted | None:
        with runtime.database.read() as session:
            known = runtime.journal.find(session, request_id=request_id, request_hash=content)
            if known is None:
                return None
            return Adopted(bundle=get_bundle(session, _promoted(known)), operation=known)

    if (known := started()) is not None:
        return known
    try:
        bundle, live = _moved_to(runtime, alias)
    except TrilockError:
        # Nothing is foreign any more once this very request has made it live.
        if (known := started()) is not None:
            return known
        raise
    operation = promote(
        runtime,
        alias=alias,
        bundle=bundle.ref,
        window=window,
        plan_id="",
        reason=reason
        or f"adopted: {_resource(runtime, alias)} was moved to version "
        f"{bundle.model_version.version}",
        accept_unready=accept_unready,
        etag=live.etag,
        request_id=request_id,
        validate_only=validate_only,
        principal=principal,
        content=content,
    )
    # A repeat that came in between may have found the alias moved on.
    return started() or Adopted(bundle=bundle, operation=operation)


def _promoted(operation: Operation) -> BundleRef:
    """Return what *operation* makes live: its release may never begin."""
    return next(
        BundleRef.parse(step.args["bundle"])
        for step in operation.plan.steps
        if "bundle" in step.args
    )


def _moved_to(runtime: Runtime, alias: AliasRef) -> tuple[Bundle, LiveRow]:
    """Return the newest bundle with the version that *alias* was moved to, and what is live."""
    planes = runtime.connections.planes(alias.model)
    resource = _resource(runtime, alias)
    with runtime.database.read() as session:
        live = require_live(session, alias)
        expected = get_bundle(session, live.bundle).model_version.version
    found = planes.registry.alias(model=planes.registered_model, alias=alias.alias)
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
    return bundle, live


def _resource(runtime: Runtime, alias: AliasRef) -> str:
    model = runtime.connections.planes(alias.model).registered_model
    return f"alias {alias.alias} of MLflow model {model}"


def _newest(session: Session, alias: AliasRef, *, version: str) -> Bundle | None:
    offset = 0
    while page := list_bundles(session, model=alias.model, offset=offset, limit=_PAGE):
        for bundle in page:
            if bundle.model_version.version == version:
                return bundle
        offset += len(page)
    return None
