"""Messages of the API as plain data: what `-o json` writes, and what tables are made of.

Field names are those of the proto files; every field is there, set or not.
Enum values come without their prefix, 64-bit integers as numbers, times as
RFC 3339 in UTC. (The canonical JSON of protobuf has prefixes and quoted
integers, which scripts trip over.)
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from trilock.client.live import plain_struct


def plain(message: Message) -> dict[str, Any]:
    """Return *message* as plain data."""
    result: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        enum = cast("EnumDescriptor | None", field.enum_type)
        if field.message_type is None and enum is None:
            result[field.name] = list(value) if _repeated(value) else value
        elif _repeated(value):
            result[field.name] = [_plain_value(item, enum=enum) for item in value]
        elif field.message_type is not None and not message.HasField(field.name):
            result[field.name] = None
        else:
            result[field.name] = _plain_value(value, enum=enum)
    return result


def enum_name(enum: EnumDescriptor, number: int) -> str:
    """Return the name of *number* without its prefix, e.g. `SOAKING`; a newer one as a number."""
    value = enum.values_by_number.get(number)
    if value is None:
        return str(number)
    prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper()
    return value.name.removeprefix(f"{prefix}_")


def moment(timestamp: Timestamp) -> datetime | None:
    """Return *timestamp* as an aware datetime; None if it is not set."""
    if not (timestamp.seconds or timestamp.nanos):
        return None
    return timestamp.ToDatetime(tzinfo=UTC)


def _repeated(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | Message)


def _plain_value(value: Any, *, enum: EnumDescriptor | None) -> Any:  # noqa: ANN401 - any field
    if enum is not None:
        return enum_name(enum, value)
    if isinstance(value, Timestamp):
        when = moment(value)
        return None if when is None else when.isoformat().replace("+00:00", "Z")
    if isinstance(value, Struct):
        return plain_struct(value)
    return plain(value)
