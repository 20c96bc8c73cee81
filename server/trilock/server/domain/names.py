"""Resource names: the one place that knows their grammar (AIP-122).

A name that came in from outside is checked with `fullmatch`; a name that is
built here is right by construction.
"""

import re
from dataclasses import dataclass
from typing import Final, NewType, Self

from trilock.server.domain.errors import InvalidNameError

ModelName = NewType("ModelName", str)
"""The model's name in trilock and in MLflow, for example `delay`."""

AliasName = NewType("AliasName", str)
"""The last part of an alias, for example `production`."""

OperationId = NewType("OperationId", str)
"""A random id, the last part of `operations/{id}`."""

_MODEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
# MLflow reserves `latest` and `v1`-like aliases; the leading letter keeps us clear of both.
_ALIAS: Final = re.compile(r"(?!latest$|v[0-9]+$)[a-z](?:[a-z0-9_-]{0,61}[a-z0-9])?")
_SERVICE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
_SINK: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}")
_OPERATION: Final = re.compile(r"[0-9a-f]{32}")


def _checked(pattern: re.Pattern[str], text: str, *, kind: str) -> str:
    if not pattern.fullmatch(text):
        raise InvalidNameError(kind=kind, value=text, pattern=pattern.pattern)
    return text


def model_name(text: str) -> ModelName:
    """Return *text* as the name of a model.

    Raises:
        InvalidNameError: It is not one.
    """
    return ModelName(_checked(_MODEL, text, kind="model"))


def alias_name(text: str) -> AliasName:
    """Return *text* as the last part of an alias.

    Raises:
        InvalidNameError: It is not one, or MLflow reserves it.
    """
    return AliasName(_checked(_ALIAS, text, kind="alias"))


def service_name(text: str) -> str:
    """Return *text* as the name of a Feast feature service.

    Raises:
        InvalidNameError: It is not one.
    """
    return _checked(_SERVICE, text, kind="feature service")


def sink_name(text: str) -> str:
    """Return *text* as the last part of a sink's name.

    Raises:
        InvalidNameError: It is not one.
    """
    return _checked(_SINK, text, kind="sink")


def operation_id(name: str) -> OperationId:
    """Return the id in `operations/{id}`.

    Raises:
        InvalidNameError: *name* is not of that form.
    """
    (text,) = _parts(name, "operations/{operation}")
    return OperationId(_checked(_OPERATION, text, kind="operation"))


def _parts(name: str, template: str) -> list[str]:
    """Return the variable segments of *name*, which must match *template*."""
    wanted, found = template.split("/"), name.split("/")
    if len(wanted) != len(found):
        raise InvalidNameError(kind="resource name", value=name, pattern=template)
    values: list[str] = []
    for want, have in zip(wanted, found, strict=True):
        if want.startswith("{"):
            values.append(have)
        elif want != have:
            raise InvalidNameError(kind="resource name", value=name, pattern=template)
    return values


def _number(text: str, *, kind: str) -> int:
    return int(_checked(_NUMBER, text, kind=f"number of a {kind}"))


@dataclass(frozen=True, slots=True, order=True)
class AliasRef:
    """An alias of a model: `models/delay/aliases/production`."""

    model: ModelName
    alias: AliasName

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the reference *name* spells.

        Raises:
            InvalidNameError: *name* is malformed.
        """
        model, alias = _parts(name, "models/{model}/aliases/{alias}")
        return cls(model_name(model), alias_name(alias))

    def __str__(self) -> str:
        """Return the resource name."""
        return f"models/{self.model}/aliases/{self.alias}"


@dataclass(frozen=True, slots=True, order=True)
class BundleRef:
    """A recorded bundle: `models/delay/bundles/17`."""

    model: ModelName
    number: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the reference *name* spells.

        Raises:
            InvalidNameError: *name* is malformed.
        """
        model, number = _parts(name, "models/{model}/bundles/{bundle}")
        return cls(model_name(model), _number(number, kind="bundle"))

    def __str__(self) -> str:
        """Return the resource name."""
        return f"models/{self.model}/bundles/{self.number}"


def holdable(name: str) -> AliasRef | BundleRef:
    """Return the reference that *name* spells, of what can be on hold: a bundle or an alias.

    Raises:
        InvalidNameError: *name* is neither.
    """
    if "/aliases/" in name:
        return AliasRef.parse(name)
    if "/bundles/" in name:
        return BundleRef.parse(name)
    raise InvalidNameError(
        kind="resource name",
        value=name,
        pattern="models/{model}/bundles/{bundle} or models/{model}/aliases/{alias}",
    )


@dataclass(frozen=True, slots=True, order=True)
class ReleaseRef:
    """A release of a model: `models/delay/releases/4`."""

    model: ModelName
    number: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the reference *name* spells.

        Raises:
            InvalidNameError: *name* is malformed.
        """
        model, number = _parts(name, "models/{model}/releases/{release}")
        return cls(model_name(model), _number(number, kind="release"))

    def __str__(self) -> str:
        """Return the resource name."""
        return f"models/{self.model}/releases/{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class WaiverRef:
    """A recorded waiver of a model: `models/delay/waivers/2`."""

    model: ModelName
    number: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the reference *name* spells.

        Raises:
            InvalidNameError: *name* is malformed.
        """
        model, number = _parts(name, "models/{model}/waivers/{waiver}")
        return cls(model_name(model), _number(number, kind="waiver"))

    def __str__(self) -> str:
        """Return the resource name."""
        return f"models/{self.model}/waivers/{self.number}"


@dataclass(frozen=True, slots=True, order=True)
class SinkRef:
    """A sink of a model: `models/delay/sinks/predictions`."""

    model: ModelName
    sink: str

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the reference *name* spells.

        Raises:
            InvalidNameError: *name* is malformed.
        """
        model, sink = _parts(name, "models/{model}/sinks/{sink}")
        return cls(model_name(model), sink_name(sink))

    def __str__(self) -> str:
        """Return the resource name."""
        return f"models/{self.model}/sinks/{self.sink}"


@dataclass(frozen=True, slots=True, order=True)
class FeatureSchemaRef:
    """A recorded feature schema: `featureSchemas/delay_v1/versions/3`."""

    service: str
    version: int

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the reference *name* spells.

        Raises:
            InvalidNameError: *name* is malformed.
        """
        service, version = _parts(name, "featureSchemas/{service}/versions/{version}")
        return cls(service_name(service), _number(version, kind="feature schema version"))

    def __str__(self) -> str:
        """Return the resource name."""
        return f"featureSchemas/{self.service}/versions/{self.version}"
