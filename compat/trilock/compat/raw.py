"""The raw forms that compat reads: what a plane hands over, nothing parsed yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RawObject:
    """One Feast registry object as a JSON-like dict.

    `definition` is what protobuf's JSON mapping gives for the object's proto
    with the proto's own field names and enums as integers; int64 values are
    strings and bytes are base64 there.
    """

    kind: str
    """`entity`, `data_source`, `feature_view`, `stream_feature_view`,
    `on_demand_feature_view`, `label_view` or `feature_service`."""
    name: str
    definition: Mapping[str, Any]
    unknown_fields: bool
    """The proto has fields that this build of the protos does not know: no verdict."""
