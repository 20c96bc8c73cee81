"""How bundles are checked: the policy of each alias, and the waivers."""

from dataclasses import replace
from datetime import date

from sqlmodel import Session, col, or_, select

from trilock.compat import Policy, Waiver
from trilock.server.domain.errors import NotFoundError
from trilock.server.domain.names import AliasName, AliasRef, ModelName, WaiverRef
from trilock.server.domain.policy import RecordedPolicy, RecordedWaiver
from trilock.server.domain.release import Cause
from trilock.server.store import codec
from trilock.server.store.clock import now_ms, to_datetime, to_optional_datetime
from trilock.server.store.counters import next_number
from trilock.server.store.tables import PolicyRow, WaiverRow

_EVERY_ALIAS = ""


def get_policy(session: Session, alias: AliasRef) -> RecordedPolicy:
    """Return the policy of *alias*; the default if none was ever set."""
    found = list_policies(session, alias, offset=0, limit=1)
    if found:
        return found[0]
    return RecordedPolicy(alias=alias, policy=Policy(), revision=0, set_at=None, cause=None)


def list_policies(
    session: Session, alias: AliasRef, *, offset: int, limit: int
) -> list[RecordedPolicy]:
    """Return every policy that was set on *alias*, newest first."""
    query = (
        select(PolicyRow)
        .where(PolicyRow.model == alias.model, PolicyRow.alias == alias.alias)
        .order_by(col(PolicyRow.revision).desc())
        .offset(offset)
        .limit(limit)
    )
    return [_policy_to_domain(row) for row in session.exec(query)]


def put_policy(
    session: Session, alias: AliasRef, *, policy: Policy, revision: int, cause: Cause
) -> RecordedPolicy:
    """Record *policy* as what counts on *alias* from *revision* on."""
    row = PolicyRow(
        model=alias.model,
        alias=alias.alias,
        revision=revision,
        policy=dict(policy.to_json()),
        set_ms=now_ms(),
        cause=codec.cause_to_json(cause),
    )
    session.add(row)
    session.flush()
    return _policy_to_domain(row)


def list_waivers(
    session: Session, *, model: ModelName | None, ended: bool, offset: int, limit: int
) -> list[RecordedWaiver]:
    """Return waivers, newest first.

    Args:
        session: The caller's transaction.
        model: Only this model's; None for all.
        ended: Whether revoked and renewed ones are among them.
        offset: How many to pass over.
        limit: How many to return at most.
    """
    query = select(WaiverRow).order_by(
        col(WaiverRow.created_ms).desc(), col(WaiverRow.model), col(WaiverRow.number).desc()
    )
    if model:
        query = query.where(WaiverRow.model == model)
    if not ended:
        query = query.where(col(WaiverRow.ended_ms).is_(None))
    return [_waiver_to_domain(row) for row in session.exec(query.offset(offset).limit(limit))]


def waivers_of(session: Session, alias: AliasRef) -> list[RecordedWaiver]:
    """Return what is waived on *alias* and not ended, expired or not, by rule and path."""
    query = (
        select(WaiverRow)
        .where(
            WaiverRow.model == alias.model,
            or_(WaiverRow.alias == alias.alias, WaiverRow.alias == _EVERY_ALIAS),
            col(WaiverRow.ended_ms).is_(None),
        )
        .order_by(col(WaiverRow.rule), col(WaiverRow.path), col(WaiverRow.number))
    )
    return [_waiver_to_domain(row) for row in session.exec(query)]


def get_waiver(session: Session, ref: WaiverRef) -> RecordedWaiver:
    """Return the waiver.

    Raises:
        NotFoundError: There is no such waiver.
    """
    return _waiver_to_domain(_waiver_row(session, ref))


def find_waivers(
    session: Session, *, model: ModelName, alias: AliasRef | None, rule: str, path: str
) -> list[RecordedWaiver]:
    """Return the waivers of exactly one finding in exactly one place that are not ended."""
    query = select(WaiverRow).where(
        WaiverRow.model == model,
        WaiverRow.alias == (_EVERY_ALIAS if alias is None else alias.alias),
        WaiverRow.rule == rule,
        WaiverRow.path == path,
        col(WaiverRow.ended_ms).is_(None),
    )
    return [_waiver_to_domain(row) for row in session.exec(query)]


def record_waiver(
    session: Session, *, model: ModelName, alias: AliasRef | None, waiver: Waiver, creator: str
) -> RecordedWaiver:
    """Record *waiver*."""
    row = WaiverRow(
        model=model,
        number=next_number(session, f"models/{model}/waivers"),
        alias=_EVERY_ALIAS if alias is None else alias.alias,
        rule=waiver.rule,
        path=waiver.path,
        owner=waiver.owner,
        reason=waiver.reason,
        expires=waiver.expires.isoformat(),
        created_ms=now_ms(),
        creator=creator,
    )
    session.add(row)
    session.flush()
    return _waiver_to_domain(row)


def end_waiver(session: Session, ref: WaiverRef, *, cause: Cause) -> RecordedWaiver:
    """Record that the waiver ended; the finding counts again.

    Raises:
        NotFoundError: There is no such waiver.
    """
    row = _waiver_row(session, ref)
    row.ended_ms = now_ms()
    row.ended_by = codec.cause_to_json(cause)
    session.add(row)
    session.flush()
    return _waiver_to_domain(row)


def policy_with_waivers(session: Session, alias: AliasRef) -> Policy:
    """Return what a check on *alias* goes by: expired waivers too, since they are told of."""
    policy = get_policy(session, alias).policy
    waivers = tuple(recorded.waiver for recorded in waivers_of(session, alias))
    return replace(policy, waivers=waivers)


def _waiver_row(session: Session, ref: WaiverRef) -> WaiverRow:
    row = session.get(WaiverRow, (ref.model, ref.number))
    if row is None:
        raise NotFoundError(str(ref), hint="`trilock waivers list` lists what is waived")
    return row


def _policy_to_domain(row: PolicyRow) -> RecordedPolicy:
    return RecordedPolicy(
        alias=AliasRef(ModelName(row.model), AliasName(row.alias)),
        policy=Policy.from_json(row.policy),
        revision=row.revision,
        set_at=to_datetime(row.set_ms),
        cause=codec.cause_from_json(row.cause),
    )


def _waiver_to_domain(row: WaiverRow) -> RecordedWaiver:
    model = ModelName(row.model)
    return RecordedWaiver(
        ref=WaiverRef(model, row.number),
        alias=None if row.alias == _EVERY_ALIAS else AliasRef(model, AliasName(row.alias)),
        waiver=Waiver(
            rule=row.rule,
            path=row.path,
            owner=row.owner,
            reason=row.reason,
            expires=date.fromisoformat(row.expires),
        ),
        created=to_datetime(row.created_ms),
        creator=row.creator,
        ended=to_optional_datetime(row.ended_ms),
        ended_by=None if row.ended_by is None else codec.cause_from_json(row.ended_by),
    )
