"""Reads the fields of a request, and refuses it once, with everything that is wrong.

    with validating() as check:
        alias = check.name("alias", request.alias, AliasRef.parse)
        reason = check.text("reason", request.reason)

Inside of the block a field that is wrong is None, whatever its type says:
values are taken out of it only, and used after it. The end of the block raises.

What is looked at is form: presence, grammar, size, characters. Whether a thing
exists, or may be done, is for the use case to say.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from trilock.server.domain.access import Role
from trilock.server.domain.errors import InvalidNameError, InvalidRequestError
from trilock.server.domain.ports import Window
from trilock.server.rpc.paging import Page, PageTokenError, page_of
from trilock.v1 import release_service_pb2

T = TypeVar("T")

MAX_NAME: Final = 255
MAX_TEXT: Final = 2000
MAX_SECONDS: Final = 30 * 24 * 3600
MAX_CONFIG_BYTES: Final = 64 * 1024
MAX_LIST: Final = 10_000
MAX_COLUMNS: Final = 32
MAX_TABLE: Final = 127
"""Two names of PostgreSQL and a dot. What is in them is the database's own to say."""

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
REVISION: Final = re.compile(r"[0-9a-f]{40}")
REGISTRY_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
RULE: Final = re.compile(r"[A-Z]{3}[0-9]{3}")

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_EXACT: Final = 2**53
"""Up to here every whole number is a JSON number of its own."""


@contextmanager
def validating() -> Iterator["Validation"]:
    """Collect violations in the block; raise them all at its end.

    Raises:
        InvalidRequestError: There is at least one.
    """
    check = Validation()
    yield check
    if check.violations:
        raise InvalidRequestError(check.violations)


class Validation:
    """Reads fields, and notes what is wrong with them."""

    def __init__(self) -> None:
        self.violations: list[tuple[str, str]] = []

    def wrong(self, field: str, what: str) -> Any:  # noqa: ANN401 - stands for a value of any type
        """Note that *field* is wrong; return None."""
        self.violations.append((field, what))

    def name(self, field: str, text: str, parse: Callable[[str], T]) -> T:
        """Return what *parse* makes of a name that must be there."""
        return cast("T", self.optional(field, text, parse) if text else self._missing(field))

    def optional(self, field: str, text: str, parse: Callable[[str], T]) -> T | None:
        """Return what *parse* makes of a name; None if it is empty."""
        if not text:
            return None
        if len(text) > MAX_NAME:
            self.wrong(field, f"has {len(text)} characters; at most {MAX_NAME} are allowed")
            return None
        try:
            return parse(text)
        except InvalidNameError as error:
            self.wrong(field, str(error))
            return None

    def names(self, field: str, texts: Sequence[str], parse: Callable[[str], T]) -> list[T]:
        """Return what *parse* makes of each of *texts*."""
        if len(texts) > MAX_LIST:
            return cast("list[T]", self.wrong(field, f"has more than {MAX_LIST} entries"))
        return [self.name(f"{field}[{at}]", text, parse) for at, text in enumerate(texts)]

    def token(self, field: str, text: str, pattern: re.Pattern[str]) -> str:
        """Return *text*, which must be there and match *pattern*."""
        return self.optional_token(field, text, pattern) if text else self._missing(field)

    def optional_token(self, field: str, text: str, pattern: re.Pattern[str]) -> str:
        """Return *text*, which must match *pattern* unless it is empty."""
        if text and not pattern.fullmatch(text):
            shown = text if len(text) <= MAX_NAME else f"{text[:40]}..."
            self.wrong(field, f"{shown!r} is not valid: it must match {pattern.pattern}")
        return text

    def text(self, field: str, text: str, *, required: bool = False, limit: int = MAX_TEXT) -> str:
        """Return free text in normal form C."""
        normal = unicodedata.normalize("NFC", text)
        if required and not normal.strip():
            self._missing(field)
        if len(normal) > limit:
            self.wrong(field, f"has {len(normal)} characters; at most {limit} are allowed")
        # PostgreSQL keeps no NUL; the others would act on the terminal of a reader.
        if any(unicodedata.category(sign) == "Cc" and sign not in "\n\t" for sign in normal):
            self.wrong(field, "has control characters")
        return normal

    def columns(self, field: str, texts: Sequence[str]) -> tuple[str, ...]:
        """Return names of columns, which are whatever the database says, but each once."""
        if len(texts) > MAX_COLUMNS:
            self.wrong(field, f"has more than {MAX_COLUMNS} entries")
        for at, text in enumerate(texts[:MAX_COLUMNS]):
            self.text(f"{field}[{at}]", text, required=True, limit=63)
        if len(set(texts)) < len(texts):
            self.wrong(field, "names a column twice")
        return tuple(texts)

    def request_id(self, text: str) -> str:
        """Return the id of a request, or ""."""
        return self.optional_token("request_id", text, REQUEST_ID)

    def number(self, field: str, value: int) -> int:
        """Return *value*, which must not be negative."""
        if value < 0:
            self.wrong(field, f"is {value}; it must not be negative")
        return value

    def same_model(self, field: str, ref: Any, *, alias: Any) -> None:  # noqa: ANN401 - any name
        """Note if the model in *ref* is not that of *alias*."""
        if ref is not None and alias is not None and ref.model != alias.model:
            self.wrong(field, f"{ref} is not of model {alias.model!r}")

    def one_of(self, fields: Sequence[tuple[str, object]]) -> None:
        """Note unless exactly one of *fields* has a value."""
        if sum(bool(value) for _, value in fields) != 1:
            first, *others = [field for field, _ in fields]
            self.wrong(first, f"give either this or {' or '.join(others)}")

    def page(self, request: Any) -> Page:  # noqa: ANN401 - any List request
        """Return the page that a List request asks for."""
        if request.page_size < 0:
            return cast("Page", self.number("page_size", request.page_size))
        try:
            return page_of(request)
        except PageTokenError:
            what = "is not a token of this list with these arguments; begin without one"
            return cast("Page", self.wrong("page_token", what))

    def roles(self, field: str, texts: Sequence[str]) -> frozenset[Role]:
        """Return at least one role."""
        known = {role.value: role for role in Role}
        if not texts:
            self._missing(field)
        for text in texts:
            if text not in known:
                self.wrong(field, f"{text[:40]!r} is no role; the roles are {', '.join(known)}")
        return frozenset(known[text] for text in texts if text in known)

    def window(
        self, field: str, message: release_service_pb2.FeatureWindow, *, required: bool
    ) -> Window | None:
        """Return event times; None if there are none, which *required* forbids."""
        if not (message.HasField("start_time") or message.HasField("end_time")):
            return cast("None", self._missing(field)) if required else None
        start = self._time(f"{field}.start_time", message, "start_time")
        end = self._time(f"{field}.end_time", message, "end_time")
        if start is None or end is None:
            return None
        if start >= end:
            self.wrong(field, "end_time must be after start_time")
        return Window(start=start, end=end)

    def day(self, field: str, text: str) -> date:
        """Return a day, which must be there, as ISO 8601 spells it."""
        if not text:
            return cast("date", self._missing(field))
        try:
            return date.fromisoformat(text if _DAY.fullmatch(text) else "")
        except ValueError:
            return cast("date", self.wrong(field, f"{text[:40]!r} is no day, such as 2026-12-31"))

    def optional_time(self, name: str, request: Any) -> datetime | None:  # noqa: ANN401 - any request
        """Return the time in field *name* of *request*; None if it is not set."""
        return self._time(name, request, name) if request.HasField(name) else None

    def seconds(
        self, field: str, message: Duration | None, *, default: float, most: float
    ) -> float:
        """Return a duration in seconds, at most *most*."""
        if message is None:
            return default
        seconds = message.seconds + message.nanos / 1e9
        if seconds < 0:
            self.wrong(field, "must not be negative")
        return min(seconds, most)

    def duration(self, field: str, message: Any) -> float | None:  # noqa: ANN401
        """Return the duration in *field* of *message* in seconds, more than 0; None if unset."""
        if not message.HasField(field):
            return None
        length: Duration = getattr(message, field)
        seconds = length.seconds + length.nanos / 1e9
        if not 0 < seconds <= MAX_SECONDS:
            self.wrong(field, f"must be more than 0 and at most {MAX_SECONDS} seconds")
        return seconds

    def config(self, field: str, message: Struct) -> dict[str, Any]:
        """Return a JSON object of at most 64 KiB."""
        try:
            form = cast("dict[str, Any]", _plain(json_format.MessageToDict(message)))
            size = len(json.dumps(form, ensure_ascii=False, allow_nan=False).encode())
        except (ValueError, json_format.SerializeToJsonError):
            return cast("dict[str, Any]", self.wrong(field, "has a number that JSON has not"))
        if size > MAX_CONFIG_BYTES:
            self.wrong(field, f"has {size} bytes as JSON; at most {MAX_CONFIG_BYTES} are allowed")
        if _has_nul(form):
            self.wrong(field, "has a NUL character")
        return form

    def moment(self, field: str, message: Any) -> datetime:  # noqa: ANN401
        """Return the moment in *field* of *message*, which is required."""
        return cast("datetime", self._time(field, message, field))

    def _time(self, field: str, message: Any, name: str) -> datetime | None:  # noqa: ANN401
        if not message.HasField(name):
            return cast("None", self._missing(field))
        moment: Timestamp = getattr(message, name)
        try:
            return moment.ToDatetime(tzinfo=UTC)
        except (ValueError, OverflowError):
            return cast("None", self.wrong(field, "is no time between the years 1 and 9999"))

    def _missing(self, field: str) -> Any:  # noqa: ANN401 - stands for a value of any type
        return self.wrong(field, "is required")


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return *value* with whole numbers as int: a Struct has doubles only."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer() and math.fabs(value) <= _EXACT:
        return int(value)
    return value


def _has_nul(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(_has_nul(item) for item in value)
    return isinstance(value, str) and "\0" in value
