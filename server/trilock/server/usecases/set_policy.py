"""Say how the bundles of an alias are checked from now on."""

import logging

from trilock.compat import FOR_OTHERS, RULES, Policy, Severity
from trilock.server.domain.errors import InvalidRequestError, StaleEtagError
from trilock.server.domain.names import AliasRef
from trilock.server.domain.policy import RecordedPolicy
from trilock.server.domain.release import Cause
from trilock.server.store.counters import allot_revision, append_event
from trilock.server.store.policies import get_policy, put_policy
from trilock.server.store.requests import claim_request, request_hash
from trilock.server.usecases.runtime import Runtime

_log = logging.getLogger(__name__)


def set_policy(
    runtime: Runtime,
    *,
    alias: AliasRef,
    policy: Policy,
    reason: str,
    etag: str,
    request_id: str,
    validate_only: bool,
    principal: str,
) -> RecordedPolicy:
    """Replace the policy of *alias*; who and why is an event. The same again changes nothing.

    Raises:
        UnknownConnectionError: The settings have no such model.
        InvalidRequestError: A rule does not exist, or may not weigh less.
        StaleEtagError: It changed since the caller looked.
    """
    runtime.require_known(alias.model)
    _require_sound(policy)
    content = request_hash("set_policy", alias=str(alias), policy=policy.to_json(), etag=etag)
    if validate_only:
        with runtime.database.read() as session:
            now = get_policy(session, alias)
        _require_etag(now, etag=etag)
        return now
    with runtime.database.write() as session:
        new = claim_request(session, request_id, content)
        # Two who set it at once queue here: the second one sees what the first one did.
        revision = allot_revision(session)
        now = get_policy(session, alias)
        if new:
            _require_etag(now, etag=etag)
        if not new or now.policy == policy:
            session.rollback()  # no revision for what changed nothing
            return now
        cause = Cause(principal=principal, reason=reason)
        recorded = put_policy(session, alias, policy=policy, revision=revision, cause=cause)
        append_event(
            session,
            at=revision,
            kind="POLICY_SET",
            model=alias.model,
            alias=alias.alias,
            payload={"policy": dict(policy.to_json()), "principal": principal, "reason": reason},
        )
    _log.info("%s set the policy of %s: %s", principal, alias, reason)
    return recorded


def _require_etag(now: RecordedPolicy, *, etag: str) -> None:
    if etag and etag != now.etag:
        raise StaleEtagError(resource=f"the policy of {now.alias}", expected=etag, found=now.etag)


def _require_sound(policy: Policy) -> None:
    known = {rule.id for rule in RULES}
    violations = [
        ("policy.severities", f"there is no rule {rule!r}; `trilock rules` lists them")
        for rule in sorted(policy.severities.keys() - known)
    ]
    violations += [
        (
            "policy.severities",
            f"{rule} protects other bundles: it stays an ERROR; waive single findings of it",
        )
        for rule, severity in sorted(policy.severities.items())
        if rule in FOR_OTHERS and severity is not Severity.ERROR
    ]
    if violations:
        raise InvalidRequestError(violations)
