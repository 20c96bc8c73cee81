"""Request ids: a repeat does nothing twice, and no id means two things."""

import hashlib
import json
from typing import Any

from sqlmodel import Session

from trilock.server.domain.errors import RequestIdReusedError
from trilock.server.store.clock import now_ms
from trilock.server.store.insert import insert_if_absent
from trilock.server.store.tables import RequestRow


def request_hash(verb: str, **content: Any) -> str:  # noqa: ANN401 - any JSON content
    """Return the digest of what a request asks for; equal requests have equal digests."""
    text = json.dumps([verb, content], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def claim_request(session: Session, request_id: str, content: str) -> bool:
    """Claim *request_id* for *content*; return whether that is new. "" is always new.

    Every change with an id does it first in its write transaction, whatever its
    kind: who comes second waits here until the first has committed, and then
    sees what it did.

    Raises:
        RequestIdReusedError: It was used for something else.
    """
    if not request_id or insert_if_absent(
        session, RequestRow, request_id=request_id, request_hash=content, created_ms=now_ms()
    ):
        return True
    require_request(session, request_id, content)
    return False


def require_request(session: Session, request_id: str, content: str) -> None:
    """Do nothing if *request_id* was used for *content*, or not at all.

    Raises:
        RequestIdReusedError: It was used for something else.
    """
    row = session.get(RequestRow, request_id)
    if row is not None and row.request_hash != content:
        raise RequestIdReusedError(request_id)
