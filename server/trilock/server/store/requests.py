"""Request ids: a repeat does nothing twice, and no id means two things."""

import hashlib
import json
from typing import Any

from sqlmodel import Session

from trilock.server.domain.errors import RequestIdReusedError
from trilock.server.store.clock import now_ms
from trilock.server.store.tables import RequestRow


def request_hash(verb: str, **content: Any) -> str:  # noqa: ANN401 - any JSON content
    """Return the digest of what a request asks for; equal requests have equal digests."""
    text = json.dumps([verb, content], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def note_request(session: Session, request_id: str, content: str) -> None:
    """Note that *request_id* was used for *content*; "" is not noted.

    Raises:
        RequestIdReusedError: It was used for something else.
    """
    if not request_id:
        return
    row = session.get(RequestRow, request_id)
    if row is None:
        session.add(RequestRow(request_id=request_id, request_hash=content, created_ms=now_ms()))
    elif row.request_hash != content:
        raise RequestIdReusedError(request_id)
