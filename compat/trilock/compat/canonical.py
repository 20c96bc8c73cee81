"""The canonical form of a registry object, in two parts, and the digest of a form.

Two objects have the same semantics form exactly when they make values in the
same way, and the same docs form exactly when they say the same to people. What a
consumer sees (features, their types and names) is in neither: that is the
contract, which `parse_features` puts together over the whole service.

Inputs of a transformation count as semantics, with their types; outputs do not.
Join keys count as both: they are asked for, and values are found by them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from trilock.compat.feast_types import TYPE_TAGS
from trilock.compat.proto_shapes import OPAQUE, ROOTS, SHAPES, Shape
from trilock.compat.raw import RawObject
from trilock.compat.transformation import body_digest, transformation_form

FORM_VERSION: Final = 1
"""Version of the form that every digest is over; raised whenever the form changes."""

Json = Any
"""Any JSON value."""


def digest(form: Json) -> str:
    """Return the hex sha256 of *form*: equal in any process, whatever the order of keys."""
    versioned = {"form_version": FORM_VERSION, "form": form}
    text = json.dumps(versioned, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def semantics_form(raw: RawObject) -> Json:
    """Return how the values of *raw* are made, as JSON."""
    form = _semantics(raw.definition, message=ROOTS.get(raw.kind, OPAQUE), outputs=True)
    # The key that the digest is stored under says the name.
    return _without_name(form) if raw.kind == "data_source" else _without_spec_name(form)


def docs_form(raw: RawObject) -> Json:
    """Return what *raw* says about itself to people, as JSON; None if it says nothing."""
    return _docs(raw.definition, message=ROOTS.get(raw.kind, OPAQUE))


def unknown_fields(raw: RawObject) -> Iterator[str]:
    """Yield the path of every field that this version of compat cannot classify."""
    root = ROOTS.get(raw.kind)
    if root is None:
        yield "its kind"
        return
    for message, value, path in _walk(raw.definition, message=root, path=""):
        if not isinstance(value, dict):
            yield path or "the definition"
        else:
            known = SHAPES[message].fields
            yield from (_join(path, key) for key in value if key not in known)


def bodies(raw: RawObject) -> Iterator[str]:
    """Yield the digest of every pickled transformation in *raw*, in a stable order."""
    root = ROOTS.get(raw.kind, OPAQUE)
    for message, value, _ in _walk(raw.definition, message=root, path=""):
        if message == "UserDefinedFunction" and isinstance(value, dict):
            found = body_digest(value)
            if found is not None:
                yield found


def _walk(value: Json, *, message: str, path: str) -> Iterator[tuple[str, Json, str]]:
    """Yield every message in *value* with its name and path, in the order of the fields' names."""
    if message == OPAQUE:
        return
    yield message, value, path
    if not isinstance(value, dict):
        return
    shape = SHAPES[message]
    for key in sorted(value):
        inner, here = value[key], _join(path, key)
        if key in shape.messages:
            for one in inner if isinstance(inner, list) else [inner]:
                yield from _walk(one, message=shape.messages[key], path=here)
        elif key in shape.maps:
            named = inner.items() if isinstance(inner, dict) else [("", inner)]
            for name, one in sorted(named):
                yield from _walk(one, message=shape.maps[key], path=_join(here, name))


def _semantics(value: Json, *, message: str, outputs: bool) -> Json:
    """Return the semantics of one message.

    Args:
        value: The message as a JSON-like dict.
        message: Its name in SHAPES.
        outputs: Whether the features in it are what is delivered, not what goes in.
    """
    if message == OPAQUE or not isinstance(value, dict):
        return _plain(value)
    if message == "UserDefinedFunction":
        return transformation_form(value)
    if message == "FeatureSpecV2":
        return _field_semantics(value, outputs=outputs)
    shape = SHAPES[message]
    form: dict[str, Json] = {}
    for key, inner in value.items():
        if key in shape.noise or key in shape.docs or (outputs and key in shape.contract):
            continue
        # What the object itself and a service's projections take is delivered. All other
        # features (of a source view, a request, an on-demand view's sources) go in.
        delivered = outputs and key in _DELIVERED
        part = _member_semantics(inner, key=key, shape=shape, outputs=delivered)
        if not _is_default(part) and not (key == "ttl" and part == "0s"):
            form[key] = part
    if message == "DataSource" and form.get("type") not in _CLASS_MATTERS:
        # The type says it already; Feast's file registry writes it out, its SQL registry does not.
        form.pop("data_source_class_type", None)
    return form


_CLASS_MATTERS: Final = frozenset({6, 13})
"""`DataSource.SourceType`: CUSTOM_SOURCE and BATCH_ICEBERG stand for several classes."""


_DELIVERED: Final = frozenset({"spec", "features", "feature_columns"})


def _member_semantics(inner: Json, *, key: str, shape: Shape, outputs: bool) -> Json:
    if key in shape.maps and isinstance(inner, dict):
        kind = shape.maps[key]
        return {name: _semantics(one, message=kind, outputs=False) for name, one in inner.items()}
    if key not in shape.messages:
        plain = _plain(inner)
        return None if plain == {} else plain
    kind = shape.messages[key]
    if not isinstance(inner, list):
        return _semantics(inner, message=kind, outputs=outputs)
    items = [_semantics(one, message=kind, outputs=outputs) for one in inner]
    items = [item for item in items if item != {}]
    return sorted(items, key=_canonical_text) if key in shape.sorted else items


def _field_semantics(field: Mapping[str, Json], *, outputs: bool) -> Json:
    if outputs:
        metric = field.get("vector_search_metric")
        return {"name": field.get("name"), "vector_search_metric": metric} if metric else {}
    form = {
        key: _plain(value)
        for key, value in field.items()
        if key not in SHAPES["FeatureSpecV2"].docs
    }
    tags = field.get("tags")
    if isinstance(tags, dict):
        form |= {tag: text for tag, text in tags.items() if tag in TYPE_TAGS}
    return {key: value for key, value in form.items() if not _is_default(value)}


def _without_spec_name(form: Json) -> Json:
    if not isinstance(form, dict) or "spec" not in form:
        return form
    return {**form, "spec": _without_name(form["spec"])}


def _without_name(form: Json) -> Json:
    if not isinstance(form, dict):
        return form
    return {key: value for key, value in form.items() if key != "name"}


def _docs(value: Json, *, message: str) -> Json:
    if message in {OPAQUE, "UserDefinedFunction"} or not isinstance(value, dict):
        return None
    shape = SHAPES[message]
    form = {
        key: part
        for key, inner in value.items()
        if not _is_default(part := _member_docs(inner, key=key, shape=shape)) and part != {}
    }
    return {**form, "name": value.get("name")} if form else None


def _member_docs(inner: Json, *, key: str, shape: Shape) -> Json:
    if key in shape.docs:
        if key == "tags" and isinstance(inner, dict):
            return {tag: text for tag, text in inner.items() if tag not in TYPE_TAGS}
        return inner
    if key in shape.maps and isinstance(inner, dict):
        found = {name: _docs(one, message=shape.maps[key]) for name, one in inner.items()}
        return {name: docs for name, docs in found.items() if docs is not None}
    if key not in shape.messages:
        return None
    kind = shape.messages[key]
    if not isinstance(inner, list):
        return _docs(inner, message=kind)
    items = [docs for one in inner if (docs := _docs(one, message=kind)) is not None]
    return sorted(items, key=_canonical_text)


def _plain(value: Json) -> Json:
    """Return *value* without what protobuf leaves out or not, as it is asked to."""
    if isinstance(value, dict):
        parts = {key: _plain(inner) for key, inner in value.items()}
        return {key: part for key, part in parts.items() if not _is_default(part)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _is_default(value: Json) -> bool:
    # An empty message is not one: `{"parquet_format": {}}` says which format it is.
    return value is None or value in ("", "0", [], 0)  # False == 0


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _canonical_text(value: Json) -> str:
    return json.dumps(value, sort_keys=True)
