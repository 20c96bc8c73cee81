"""What one Feast feature service delivers: the writer's side of a check."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trilock.compat.feast_types import FeatureType, type_form

Json = Any
"""Any JSON value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One delivered feature."""

    view: str
    """The view's name as consumers see it: its alias, if it has one."""
    name: str
    type: FeatureType
    vector_length: int | None
    """Length of an indexed vector; None for everything else."""
    nullable: bool
    """Whether it can be missing, because a row of a view can. False for what is
    computed from the request alone."""
    made_by: tuple[str, ...]
    """`kind/name` of every object that has a part in its values, sorted."""
    semantics: str
    """Digest of how its values are made: of all those objects, and how they are joined."""
    plain_python: bool = False
    """Whether an on-demand transformation of plain Python values makes it."""

    @property
    def ref(self) -> str:
        """As Feast spells it: `weather:temp`."""
        return f"{self.view}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputField:
    """One value that the caller passes in: a join key or a request field."""

    name: str
    """For a join key, the name after the service's join key map."""
    type: FeatureType


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Three hashes of one feature schema; each changes exactly when its class of thing does."""

    contract: str
    """What a consumer sees."""
    semantics: str
    """How the values are made."""
    docs: str
    """Descriptions, owners, tags."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSet:
    """Everything a consumer of one feature service can see, and how it is made."""

    service: str
    features: tuple[Feature, ...]
    """In the order of the service."""
    join_keys: tuple[InputField, ...]
    """Sorted by name."""
    request_fields: tuple[InputField, ...]
    """Sorted by name."""
    semantics: Mapping[str, str] = field(hash=False)
    """Digest of how values are made, per `kind/name`."""
    bodies: Mapping[str, str] = field(hash=False)
    """Digest of the pickled transformations, per `kind/name` that has one."""
    digests: Digests
    broken: tuple[str, ...]
    """Why Feast could not serve this service as it is defined, one line each."""
    undecidable: tuple[str, ...]
    """What cannot be told from the raw objects, one line each; empty is needed for a verdict."""

    def contract_json(self) -> Json:
        """Return the contract as JSON, for showing and comparing.

        Features are sorted: their order is not part of the contract, since Feast
        itself does not keep it for stream feature views.
        """
        return contract_form(
            features=self.features, join_keys=self.join_keys, request_fields=self.request_fields
        )


def contract_form(
    *,
    features: tuple[Feature, ...],
    join_keys: tuple[InputField, ...],
    request_fields: tuple[InputField, ...],
) -> Json:
    """Return the JSON form that the contract digest is over."""
    return {
        "features": [
            {
                "view": feature.view,
                "name": feature.name,
                "type": type_form(feature.type),
                "vector_length": feature.vector_length,
                "nullable": feature.nullable,
            }
            for feature in sorted(features, key=lambda feature: (feature.view, feature.name))
        ],
        "join_keys": {key.name: type_form(key.type) for key in join_keys},
        "request_fields": {item.name: type_form(item.type) for item in request_fields},
    }
