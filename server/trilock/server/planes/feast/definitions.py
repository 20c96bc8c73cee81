"""What a Feast definition is: pure functions over raw registry protos.

Nothing here runs the user's code or asks a database. Two definitions are equal
if their deterministic bytes are, after everything was cleared that Feast
changes without a change of the definition (measured: applying to two projects,
materializing, applying again):

* `meta` at every depth: times, watermarks, states, numbers of versions;
* project names: materialization even drops them;
* `version: latest`, a ttl of zero: left out by older Feast, filled in by newer;
* the class of a data source whose type says it already: there or not by registry;
* the order of a stream view's features: a Python set, so it differs by process.
"""

import hashlib
import platform
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from trilock.compat import RawObject
from trilock.server.domain.bundle import CapturedObject, FeatureCapture
from trilock.server.domain.errors import NotFoundError, PreconditionError
from trilock.server.planes.feast import protos

Key = tuple[str, str]
"""Kind and name."""

Definitions = Mapping[Key, bytes]
"""Raw protos."""

_FORM: Final = b"trilock feast definition 1\n"
WITH_META: Final = frozenset(
    {
        "DataSource",
        "Entity",
        "FeatureService",
        "FeatureView",
        "LabelView",
        "OnDemandFeatureView",
        "StreamFeatureView",
    }
)
WITH_PROJECT: Final = frozenset(
    {
        "DataSource",
        "EntitySpecV2",
        "FeatureServiceSpec",
        "FeatureViewSpec",
        "LabelViewSpec",
        "OnDemandFeatureViewSpec",
        "StreamFeatureViewSpec",
    }
)


_CLASS_MATTERS: Final = frozenset({6, 13})
"""`DataSource.SourceType`: CUSTOM_SOURCE and BATCH_ICEBERG stand for several classes."""


def keys(capture: FeatureCapture) -> tuple[Key, ...]:
    """Return kind and name of every captured object."""
    return tuple((captured.kind, captured.name) for captured in capture.objects)


_REMEMBERED: Final = 4096
"""Of how many objects, of about a KiB each."""


def definitions(capture: FeatureCapture) -> dict[Key, bytes]:
    """Return the captured protos by kind and name."""
    return {(captured.kind, captured.name): captured.proto for captured in capture.objects}


def definition_digest(objects: Definitions) -> str | None:
    """Return the digest that is equal exactly when all definitions are; None for no objects."""
    if not objects:
        return None
    digest = hashlib.sha256(_FORM)
    for kind, name in sorted(objects):
        content = hashlib.sha256(definition_bytes(kind, objects[kind, name])).hexdigest()
        digest.update(f"{kind}\n{name}\n{content}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=_REMEMBERED)
def definition_bytes(kind: str, proto: bytes) -> bytes:
    """Return the part of *proto* that is definition, in one order.

    Remembered: the same captures are compared with what is there again and again.
    """
    message = protos.parse(kind, proto)
    for part in _parts(message):
        _clear_noise(part)
    cleared: bytes = message.SerializeToString(deterministic=True)
    return cleared


def with_project(kind: str, proto: bytes, *, project: str) -> Any:  # noqa: ANN401 - a Feast message
    """Return the message with every project name that it holds replaced by *project*."""
    message = protos.parse(kind, proto)
    for part in _parts(message):
        if part.DESCRIPTOR.name in WITH_PROJECT and part.project:
            part.project = project
    return message


def make_capture(
    objects: Definitions, *, service: str, project: str, revision: str | None
) -> FeatureCapture:
    """Return the closure of *service* among *objects* as a capture.

    Raises:
        NotFoundError: The service, or something that it needs, is not among them.
        PreconditionError: It asks for an old version of a view.
    """
    found = closure(objects, service=service, project=project)
    digest = definition_digest(found)
    assert digest is not None, "a closure holds its service"  # noqa: S101 - for the type
    return FeatureCapture(
        service=service,
        project=project,
        revision=revision,
        objects=tuple(
            CapturedObject(kind=kind, name=name, proto=found[kind, name])
            for kind, name in sorted(found)
        ),
        definition_digest=digest,
        feast_version=version("feast"),
        python_version=".".join(platform.python_version_tuple()[:2]),
    )


def closure(objects: Definitions, *, service: str, project: str) -> dict[Key, bytes]:
    """Return *service* with its views, their entities and their data sources.

    Raises:
        NotFoundError: The service, or something that it needs, is not among *objects*.
        PreconditionError: It asks for an old version of a view.
    """
    if ("feature_service", service) not in objects:
        known = sorted(name for kind, name in objects if kind == "feature_service")
        raise NotFoundError(
            f"feature service {service!r} in Feast project {project!r}",
            hint=f"there is: {', '.join(known) or 'none'}",
        )
    views = {name: kind for kind, name in objects if protos.kinds()[kind].is_view}
    wanted: dict[Key, bytes] = {}
    pending: list[Key] = [("feature_service", service)]
    while pending:
        key = pending.pop()
        if key in wanted:
            continue
        wanted[key] = objects[key]
        for kind, name in _references(key[0], protos.parse(key[0], objects[key])):
            target = (views.get(name, kind), name) if kind == "feature_view" else (kind, name)
            if target in objects:
                pending.append(target)
            elif kind != "data_source":
                raise NotFoundError(
                    f"{kind.replace('_', ' ')} {name!r} in Feast project {project!r}",
                    hint=f"{key[0].replace('_', ' ')} {key[1]!r} needs it",
                )
            # A data source need not have a row: views carry a copy of theirs.
    return wanted


def describe(capture: FeatureCapture) -> tuple[RawObject, ...]:
    """Return the captured protos as JSON-like objects."""
    return tuple(_raw(captured) for captured in capture.objects)


def _raw(captured: CapturedObject) -> RawObject:
    message = protos.parse(captured.kind, captured.proto)
    return RawObject(
        kind=captured.kind,
        name=captured.name,
        definition=MessageToDict(
            message, preserving_proto_field_name=True, use_integers_for_enums=True
        ),
        unknown_fields=any(len(UnknownFieldSet(part)) for part in _parts(message)),
    )


def _parts(message: Message) -> Iterator[Any]:
    """Yield *message* and every message inside it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        inner: Iterable[Any]
        if field.message_type.GetOptions().map_entry:
            inner = value.values()
        elif isinstance(value, Message):
            inner = (value,)
        else:
            inner = value
        for part in inner:
            if isinstance(part, Message):
                yield from _parts(part)


def _clear_noise(part: Any) -> None:  # noqa: ANN401 - a Feast message
    name = part.DESCRIPTOR.name
    if name in WITH_META:
        part.ClearField("meta")
    if name not in WITH_PROJECT:
        return
    part.ClearField("project")
    if name == "DataSource" and part.type not in _CLASS_MATTERS:
        part.ClearField("data_source_class_type")
    fields = part.DESCRIPTOR.fields_by_name
    if "version" in fields and part.version == "latest":
        part.ClearField("version")
    if "ttl" in fields and not part.ttl.ToNanoseconds():
        part.ClearField("ttl")
    if name == "StreamFeatureViewSpec":
        ordered = sorted(part.features, key=lambda feature: str(feature.name))
        del part.features[:]
        part.features.extend(ordered)


def _references(kind: str, message: Any) -> Iterator[Key]:  # noqa: ANN401 - a Feast message
    """Yield what the object needs; `feature_view` stands for a view of any kind."""
    if kind == "feature_service":
        for projection in message.spec.features:
            yield _projected(projection)
    elif kind == "data_source":
        yield from _sources(message)
    elif protos.kinds()[kind].is_view:
        yield from (("entity", name) for name in message.spec.entities)
        for field, value in message.spec.ListFields():
            yield from _view_needs(field.name, value)


def _view_needs(field: str, value: Any) -> Iterator[Key]:  # noqa: ANN401 - of any type
    if field in {"batch_source", "stream_source", "source"}:
        yield from _sources(value, itself=True)
    elif field == "source_views":
        yield from (("feature_view", view.name) for view in value)
    elif field == "reference_feature_view":
        yield ("feature_view", value)
    elif field == "sources":
        for source in value.values():
            yield from _on_demand_needs(source)


def _on_demand_needs(source: Any) -> Iterator[Key]:  # noqa: ANN401 - a Feast message
    if source.HasField("feature_view_projection"):
        yield _projected(source.feature_view_projection)
    if source.HasField("feature_view"):
        yield ("feature_view", source.feature_view.spec.name)
    if source.HasField("request_data_source"):
        yield from _sources(source.request_data_source, itself=True)


def _sources(source: Any, *, itself: bool = False) -> Iterator[Key]:  # noqa: ANN401 - a Feast message
    if itself and source.name:
        yield ("data_source", source.name)
    if source.HasField("batch_source"):
        yield from _sources(source.batch_source, itself=True)


def _projected(projection: Any) -> Key:  # noqa: ANN401 - a Feast message
    name = str(projection.feature_view_name)
    if projection.HasField("version_tag"):
        raise PreconditionError(
            f"feature view {name!r} is pinned at Feast's version {projection.version_tag}: "
            "Feast does not serve pinned views reliably; name the view without a version"
        )
    return ("feature_view", name)
