"""Live bundles: what a serving process needs to know, as values.

Immutable, hashable, picklable, and they compare by value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct, Value

    from trilock.v1 import serving_pb2

_STATES = (
    "UNSPECIFIED",
    "SOAKING",
    "FINALIZING",
    "FINALIZED",
    "SUPERSEDED",
    "ROLLED_BACK",
    "CANARY",
    "SHADOW",
)
"""By number in ReleaseState; importing the enum's module costs more than this line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingBundle:
    """One bundle: enough to load the model, to read its features and to write its outputs."""

    bundle: str
    """`models/{model}/bundles/{number}`."""
    release: str
    """The release it is live or standing by as."""
    registered_model: str
    """The model's name in the registry."""
    model_version: str
    """Its version there."""
    feature_project: str
    """The Feast project to read from."""
    feature_service: str
    """The feature service to read."""
    pipeline_revision: str
    """The commit of the pipeline."""
    sink_epoch: int
    """What a writer of the model's sinks must hold."""
    serving_config_json: str
    """The serving config as JSON text, keys sorted."""

    @property
    def serving_config(self) -> dict[str, Any]:
        """The serving config as it was recorded; a copy of the caller's own."""
        config: dict[str, Any] = json.loads(self.serving_config_json)
        return config

    @classmethod
    def from_proto(cls, message: serving_pb2.ServingBundle) -> Self:
        """Return the value of *message*."""
        return cls(**_bundle_fields(message))


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveBundle(ServingBundle):
    """The truth about one alias at one revision."""

    alias: str
    """`models/{model}/aliases/{alias}`."""
    state: str
    """State of the live release: SOAKING, FINALIZING or FINALIZED."""
    revision: int
    """The store revision of the last change of the alias."""
    generation: int
    """Orders revisions before all else; grows when the server's database is restored."""
    standby: ServingBundle | None
    """What to keep warm: the rollback target, if there is one."""
    principal: str
    """Who made the last change."""
    reason: str
    """Why, in their own words."""
    incident: str
    """Id of an incident in the user's own system, if the change was made for one."""
    canary: ServingBundle | None = None
    """What `canary_percent` of the requests get instead, if there is a canary."""
    canary_percent: int = 0
    """From 1 to 99 while there is a canary."""
    shadow: ServingBundle | None = None
    """What gets a copy of the requests, and whose answers nobody sees, if there is one."""

    @property
    def position(self) -> tuple[int, int]:
        """What orders live bundles of one alias: generation, then revision."""
        return (self.generation, self.revision)

    def route(self, key: str | bytes) -> ServingBundle:
        """Return what the request of *key* gets: this very value, or its canary.

        Sticky: one key gets the same for as long as the weights stay. A canary that
        grows takes keys from the live bundle only, and one that shrinks gives back only
        what it took. Another canary draws other keys.

        Args:
            key: Of whom, or of what, the request is: a user, a session, a flight.
        """
        canary = self.canary
        if canary is None:
            return self
        return canary if bucket(key, salt=canary.release) < self.canary_percent else self

    @classmethod
    def from_live(cls, message: serving_pb2.LiveBundle) -> Self:
        """Return the value of *message*."""
        standby = message.standby if message.HasField("standby") else None
        return cls(
            **_bundle_fields(message.live),
            alias=message.alias,
            # A newer server may have more states than this client.
            state=_STATES[message.state] if 0 <= message.state < len(_STATES) else "UNKNOWN",
            revision=message.revision,
            generation=message.generation,
            standby=None if standby is None else ServingBundle.from_proto(standby),
            principal=message.cause.principal,
            reason=message.cause.reason,
            incident=message.cause.incident,
            canary=_optional(message, "canary"),
            canary_percent=message.canary_percent,
            shadow=_optional(message, "shadow"),
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` understands."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in _OTHERS:
            other = own[name]
            own[name] = other and {f.name: getattr(other, f.name) for f in fields(other)}
        return own

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the value that `to_json` wrote.

        Raises:
            TypeError: It is from another version of this class.
        """
        others = {name: data.get(name) for name in _OTHERS}
        return cls(
            **{
                **data,
                **{name: other and ServingBundle(**other) for name, other in others.items()},
            }
        )


_OTHERS = ("standby", "canary", "shadow")
"""Fields of a live bundle that are serving bundles of their own."""


def bucket(key: str | bytes, *, salt: str) -> float:
    """Return where in [0, 100) *key* falls: evenly, and the same in every process."""
    text = key.encode() if isinstance(key, str) else key
    digest = hashlib.blake2b(text, digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest) * 100 / 2**64


def _optional(
    message: serving_pb2.LiveBundle, name: Literal["canary", "shadow"]
) -> ServingBundle | None:
    return ServingBundle.from_proto(getattr(message, name)) if message.HasField(name) else None


def _bundle_fields(message: serving_pb2.ServingBundle) -> dict[str, Any]:
    return {
        "bundle": message.bundle,
        "release": message.release,
        "registered_model": message.registered_model,
        "model_version": message.model_version,
        "feature_project": message.feature_project,
        "feature_service": message.feature_service,
        "pipeline_revision": message.pipeline_revision,
        "sink_epoch": message.sink_epoch,
        "serving_config_json": json.dumps(plain_struct(message.serving_config), sort_keys=True),
    }


def plain_struct(message: Struct) -> dict[str, Any]:
    """Return *message* as a JSON object, with whole numbers as integers."""
    return {key: _plain_value(value) for key, value in message.fields.items()}


def _plain_value(value: Value) -> Any:  # noqa: ANN401 - any JSON value
    match value.WhichOneof("kind"):
        case "struct_value":
            return plain_struct(value.struct_value)
        case "list_value":
            return [_plain_value(item) for item in value.list_value.values]
        case "number_value":
            # Struct has doubles only; JSON 3 went in, and 3 comes out.
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case _:
            return None
