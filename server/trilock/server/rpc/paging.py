"""Paging: an opaque token says how far a list was read, and of which list.

The token of one list is no token of another, nor of the same list with other
arguments (AIP-158); the page size may change from page to page.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")

DEFAULT_SIZE: Final = 100
MAX_SIZE: Final = 1000

_VERSION: Final = 1
_MAX_OFFSET: Final = 1_000_000_000
_MAX_TOKEN: Final = 200


class PageTokenError(Exception):
    """The token was not given out for this list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list to return."""

    size: int
    offset: int
    list_id: str
    """Digest of the request without its page: which list it is."""

    @property
    def limit(self) -> int:
        """How many to ask a store for: one more than is shown says that there are more."""
        return self.size + 1

    def cut(self, found: Sequence[T]) -> tuple[Sequence[T], str]:
        """Return what is shown of *found*, at most `limit` items, and the next token."""
        if len(found) <= self.size:
            return found, ""
        form = [_VERSION, self.list_id, self.offset + self.size]
        return found[: self.size], base64.urlsafe_b64encode(json.dumps(form).encode()).decode()

    def of(self, everything: Sequence[T]) -> tuple[Sequence[T], str]:
        """Return what is shown of *everything*, a whole list, and the next token."""
        return self.cut(everything[self.offset : self.offset + self.limit])


def page_of(request: Any) -> Page:  # noqa: ANN401 - any List request
    """Return the page that the List request *request* asks for; its size is not negative.

    Raises:
        PageTokenError: Its token is no token of this list.
    """
    size = min(request.page_size or DEFAULT_SIZE, MAX_SIZE)
    list_id = _list_id(request)
    if not request.page_token:
        return Page(size=size, offset=0, list_id=list_id)
    if len(request.page_token) > _MAX_TOKEN:
        raise PageTokenError
    try:
        form = json.loads(base64.b64decode(request.page_token, altchars=b"-_", validate=True))
    except ValueError as error:
        raise PageTokenError from error
    match form:
        case [1, str(given), int(offset)] if given == list_id and 0 <= offset <= _MAX_OFFSET:
            return Page(size=size, offset=offset, list_id=list_id)
    raise PageTokenError


def _list_id(request: Any) -> str:  # noqa: ANN401 - any List request
    bare = type(request)()
    bare.CopyFrom(request)
    bare.ClearField("page_size")
    bare.ClearField("page_token")
    text = f"{bare.DESCRIPTOR.full_name}\n".encode() + bare.SerializeToString(deterministic=True)
    return hashlib.sha256(text).hexdigest()[:16]
