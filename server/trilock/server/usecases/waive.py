"""Record that one finding does not count until a day, or that it counts again."""

import logging
from dataclasses import dataclass
from datetime import date

from sqlmodel import Session

from trilock.compat import RULES, Waiver
from trilock.server.domain.errors import InvalidRequestError, WrongStateError
from trilock.server.domain.names import AliasName, AliasRef, ModelName, WaiverRef
from trilock.server.domain.policy import RecordedWaiver
from trilock.server.domain.release import Cause
from trilock.server.store.clock import today
from trilock.server.store.counters import allot_revision, append_event
from trilock.server.store.policies import (
    end_waiver,
    find_waivers,
    get_waiver,
    list_waivers,
    record_waiver,
    waivers_of,
)
from trilock.server.store.requests import claim_request, request_hash
from trilock.server.usecases.runtime import Runtime

_log = logging.getLogger(__name__)
_NO_ALIAS = AliasName("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waivers:
    """Waivers, and the day that they are judged by."""

    waivers: tuple[RecordedWaiver, ...]
    today: date


def waive(
    runtime: Runtime,
    *,
    model: ModelName,
    alias: AliasRef | None,
    waiver: Waiver,
    request_id: str,
    validate_only: bool,
    principal: str,
) -> Waivers:
    """Record *waiver*; one of the same finding is renewed, and ends.

    Returns:
        The waiver; nothing for *validate_only*.

    Raises:
        UnknownConnectionError: The settings have no such model.
        InvalidRequestError: There is no such rule, or the day is over.
    """
    runtime.require_known(model)
    with runtime.database.read() as session:
        day = today(session)
    _require_sound(waiver, day=day)
    if validate_only:
        return Waivers(waivers=(), today=day)
    content = request_hash("waive", model=model, alias=str(alias), waiver=waiver.to_json())
    with runtime.database.write() as session:
        claim_request(session, request_id, content)
        # Two who waive the same at once queue here.
        revision = allot_revision(session)
        older = find_waivers(session, model=model, alias=alias, rule=waiver.rule, path=waiver.path)
        for known in older:
            if known.waiver == waiver:
                session.rollback()
                return Waivers(waivers=(known,), today=day)
        recorded = record_waiver(
            session, model=model, alias=alias, waiver=waiver, creator=principal
        )
        for known in older:
            cause = Cause(principal=principal, reason=f"renewed by {recorded.ref}")
            end_waiver(session, known.ref, cause=cause)
        _announce(session, recorded, kind="WAIVED", at=revision, by=principal, why=waiver.reason)
    _log.info("%s waived %s at %s: %s", principal, waiver.rule, waiver.path, waiver.reason)
    return Waivers(waivers=(recorded,), today=day)


def revoke_waiver(runtime: Runtime, *, waiver: WaiverRef, reason: str, principal: str) -> Waivers:
    """End *waiver*, in force or expired; who and why is an event.

    Raises:
        NotFoundError: There is no such waiver.
        WrongStateError: It was ended before.
    """
    with runtime.database.write() as session:
        revision = allot_revision(session)
        found = get_waiver(session, waiver)
        if found.ended is not None:
            raise WrongStateError(resource=str(waiver), state="ended", verb="revoked")
        ended = end_waiver(session, waiver, cause=Cause(principal=principal, reason=reason))
        _announce(session, ended, kind="WAIVER_REVOKED", at=revision, by=principal, why=reason)
        day = today(session)
    _log.info("%s revoked %s: %s", principal, waiver, reason)
    return Waivers(waivers=(ended,), today=day)


def read_waivers(
    runtime: Runtime, *, model: ModelName | None, ended: bool, offset: int, limit: int
) -> Waivers:
    """Return waivers, newest first, with today's state."""
    with runtime.database.read() as session:
        found = list_waivers(session, model=model, ended=ended, offset=offset, limit=limit)
        return Waivers(waivers=tuple(found), today=today(session))


def alias_waivers(session: Session, alias: AliasRef) -> Waivers:
    """Return what is waived on *alias*: in force, or expired and not ended."""
    return Waivers(waivers=tuple(waivers_of(session, alias)), today=today(session))


def _require_sound(waiver: Waiver, *, day: date) -> None:
    violations = []
    if waiver.rule not in {rule.id for rule in RULES}:
        violations.append(("rule", f"there is no rule {waiver.rule!r}; `trilock rules` lists them"))
    if waiver.expires < day:
        violations.append(
            ("expire_date", f"is {waiver.expires.isoformat()}; today is {day.isoformat()} in UTC")
        )
    if violations:
        raise InvalidRequestError(violations)


def _announce(
    session: Session, recorded: RecordedWaiver, *, kind: str, at: int, by: str, why: str
) -> None:
    append_event(
        session,
        at=at,
        kind=kind,
        model=recorded.model,
        alias=_NO_ALIAS if recorded.alias is None else recorded.alias.alias,
        payload={
            "name": str(recorded.ref),
            "waiver": dict(recorded.waiver.to_json()),
            "principal": by,
            "reason": why,
        },
    )
