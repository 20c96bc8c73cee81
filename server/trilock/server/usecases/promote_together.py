"""Make bundles of several aliases live with one pivot, or none of them.

Each alias has its own plan, judged as if the others were live already; one operation
runs them all, and one transaction switches every reader of every alias. After it each
has an operation, a release and a soak of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from trilock.server.checks.sharing import mirror_scopes
from trilock.server.domain.errors import (
    InvalidRequestError,
    StaleEtagError,
    StalePlanError,
    TrilockError,
)
from trilock.server.domain.names import AliasRef, BundleRef
from trilock.server.domain.operation import Operation, Plan
from trilock.server.domain.ports import Window
from trilock.server.domain.release import Cause
from trilock.server.planning.together import plan_together
from trilock.server.store.releases import reserve_releases
from trilock.server.store.requests import request_hash
from trilock.server.usecases.promote import PlannedPromotion, plan_promote, with_accepted
from trilock.server.usecases.runtime import Runtime
from trilock.server.usecases.surroundings import surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One of those that go live."""

    alias: AliasRef
    bundle: BundleRef


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTogether:
    """One plan for all, and what was found of each."""

    plan: Plan
    parts: tuple[PlannedPromotion, ...]
    """In the order of the subjects."""

    @property
    def refusal(self) -> TrilockError | None:
        """Why it would be refused: the first reason that one of them has."""
        return next((part.refusal for part in self.parts if part.refusal is not None), None)


def plan_promote_together(
    runtime: Runtime,
    *,
    subjects: Sequence[Subject],
    window: Window | None,
    accept_unready: str = "",
    accept_window: str = "",
) -> PlannedTogether:
    """Return what promoting *subjects* together would do, the first one leading.

    Raises:
        InvalidRequestError: An alias is named twice, or a bundle is another model's.
        NotFoundError: There is no such bundle.
        UnknownConnectionError: The settings have no such model.
    """
    aliases = [subject.alias for subject in subjects]
    twice = sorted({str(alias) for alias in aliases if aliases.count(alias) > 1})
    if twice:
        raise InvalidRequestError([("companions", f"{alias} is named twice") for alias in twice])
    parts = tuple(
        plan_promote(
            runtime,
            alias=subject.alias,
            bundle=subject.bundle,
            window=window,
            accept_unready=accept_unready,
            accept_window=accept_window,
            together={one.alias: one.bundle for one in subjects if one is not subject},
        )
        for subject in subjects
    )
    plan = plan_together([part.plan for part in parts], releases=[None for _ in parts])
    return PlannedTogether(plan=plan, parts=parts)


def promote_together(
    runtime: Runtime,
    *,
    subjects: Sequence[Subject],
    window: Window | None,
    plan_id: str,
    reason: str,
    accept_unready: str,
    etag: str,
    request_id: str,
    validate_only: bool,
    principal: str,
    deadline_seconds: float | None = None,
    accept_window: str = "",
) -> Operation | None:
    """Start the operation that makes all of *subjects* live with one pivot.

    Args:
        runtime: What to work on.
        subjects: What goes live where; the operation is the first one's.
        window: Event times to fill every feature project with.
        plan_id: Of the plan that was reviewed; "" for whatever it is.
        reason: Why. Recorded.
        accept_unready: Why although what is replaced could not be restored.
        etag: Of the first one's alias; "" for whatever it is.
        request_id: Makes a repeat harmless.
        validate_only: Whether to check everything and start nothing.
        principal: Who asks.
        deadline_seconds: After so long it turns back, unless it is past its pivot.
        accept_window: Why, in place, what does not go together may be served for a while.

    Returns:
        The operation, which goes on by itself; None for *validate_only*.

    Raises:
        TrilockError: Any refusal that release_service.proto lists under Promote, for any of them.
    """
    content = request_hash(
        "promote_together",
        subjects=[[str(subject.alias), str(subject.bundle)] for subject in subjects],
        window=str(window),
        plan=plan_id,
        deadline=deadline_seconds,
    )

    def started() -> Operation | None:
        with runtime.database.read() as session:
            return runtime.journal.find(session, request_id=request_id, request_hash=content)

    if (known := started()) is not None:
        return known
    try:
        planned = plan_promote_together(
            runtime,
            subjects=subjects,
            window=window,
            accept_unready=accept_unready,
            accept_window=accept_window,
        )
        _require_allowed(planned, etag=etag, plan_id=plan_id)
    except TrilockError:
        # What stands against it may be what this very request did meanwhile.
        if (known := started()) is not None:
            return known
        raise
    if validate_only:
        return None
    why = with_accepted(reason, unready=accept_unready, window=accept_window)
    with runtime.database.write() as session:
        known = runtime.journal.claim(session, request_id=request_id, request_hash=content)
        if known is not None:
            return known
        for part in planned.parts:
            alias, now = part.around.alias, surroundings(runtime, session, part.around.alias).etag
            if now != part.around.etag:
                raise StaleEtagError(resource=str(alias), expected=part.around.etag, found=now)
        releases = reserve_releases(session, [part.around.alias.model for part in planned.parts])
        plan = plan_together(
            [
                part.plan.with_epoch(release.epoch)
                for part, release in zip(planned.parts, releases, strict=True)
            ],
            releases=[release.ref for release in releases],
        )
        return runtime.journal.submit(
            session,
            plan,
            request_id=request_id,
            request_hash=content,
            cause=Cause(principal=principal, reason=why),
            release=releases[0].ref,
            scopes=tuple(
                scope
                for part in planned.parts
                for scope in (
                    str(part.around.alias),
                    *mirror_scopes(runtime.connections, part.around.alias),
                )
            ),
            deadline_seconds=deadline_seconds,
        )


def _require_allowed(planned: PlannedTogether, *, etag: str, plan_id: str) -> None:
    lead = planned.parts[0].around
    if etag and etag != lead.etag:
        raise StaleEtagError(resource=str(lead.alias), expected=etag, found=lead.etag)
    if planned.refusal is not None:
        raise planned.refusal
    if plan_id and plan_id != planned.plan.id:
        raise StalePlanError(plan=plan_id, now=planned.plan.id)
