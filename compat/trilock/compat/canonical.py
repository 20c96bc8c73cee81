"""The canonical form of a registry object, in three parts, and its digest.

Two objects have the same semantics form exactly when they make values in the
same way, and the same docs form exactly when they say the same about it. What a
consumer sees (features, their types and names) is in neither: that is the
contract, which `parse_features` puts together over the whole service.

Inputs of a transformation count as semantics, with their types; outputs do not.
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
    text = json.dumps(versioned, sort_keys=True, separators=(",", ":"), allow_nan=True)
    return hashlib.sha256(text.encode()).hexdigest()


def semantics_form(raw: RawObject) -> Json:
    """Return how the values of *raw* are made, as JSON."""
    root = ROOTS.get(raw.kind, OPAQUE)
    form = _semantics(raw.definition, message=root, outputs=True)
    spec = form.get("spec", form) if isinstance(form, dict) else {}
    spec.pop("name", None)  # The key that the digest is stored under says it.
    return form


def docs_form(raw: RawObject) -> Json:
    """Return what *raw* says about itself to people, as JSON; None if it says nothing."""
    return _docs(raw.definition, message=ROOTS.get(raw.kind, OPAQUE))


def unknown_fields(raw: RawObject) -> Iterator[str]:
    """Yield the path of every field that this version of compat cannot classify."""
    root = ROOTS.get(raw.kind)
    if root is None:
        yield "its kind"
        return
    yield from _unknown(raw.definition, message=root, path="")


def bodies(raw: RawObject) -> Iterator[str]:
    """Yield the digest of every pickled transformation in *raw*, in a stable order."""
    yield from _bodies(raw.definition)


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
        part = _member(inner, key=key, shape=shape, outputs=_are_outputs(key, within=message))
        if not _is_default(part) and not (key == "ttl" and part in ("0s", {})):
            form[key] = part
    return form


def _are_outputs(key: str, *, within: str) -> bool:
    # The features of the object itself and of a service's projections are delivered. All
    # others (a source view's, a request's, an on-demand view's sources') go in.
    return key in {"spec", "features", "feature_columns"} and within != "OnDemandSource"


def _member(inner: Json, *, key: str, shape: Shape, outputs: bool) -> Json:
    if key in shape.maps and isinstance(inner, dict):
        kind = shape.maps[key]
        return {name: _semantics(one, message=kind, outputs=False) for name, one in inner.items()}
    if key not in shape.messages:
        return inner if isinstance(inner, dict) else _plain(inner)
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
    tags = field.get("tags")
    types = {tag: text for tag, text in (tags or {}).items() if tag in TYPE_TAGS}
    kept = {key: _plain(value) for key, value in field.items() if key not in _FIELD_DOCS}
    return {key: value for key, value in {**kept, "tags": types}.items() if not _is_default(value)}


_FIELD_DOCS: Final = SHAPES["FeatureSpecV2"].docs


def _docs(value: Json, *, message: str) -> Json:
    if message in {OPAQUE, "UserDefinedFunction"} or not isinstance(value, dict):
        return None
    shape = SHAPES[message]
    form: dict[str, Json] = {}
    for key, inner in value.items():
        part: Json = None
        if key in shape.docs:
            part = inner
            if key == "tags" and isinstance(inner, dict):
                part = {tag: text for tag, text in inner.items() if tag not in TYPE_TAGS}
        elif key in shape.messages:
            part = _member_docs(inner, message=shape.messages[key])
        elif key in shape.maps and isinstance(inner, dict):
            found = {name: _docs(one, message=shape.maps[key]) for name, one in inner.items()}
            part = {name: docs for name, docs in found.items() if docs is not None}
        if part is not None and not _is_default(part) and part != {}:
            form[key] = part
    if form and "name" in value:
        form["name"] = value["name"]
    return form or None


def _member_docs(inner: Json, *, message: str) -> Json:
    if not isinstance(inner, list):
        return _docs(inner, message=message)
    found = [docs for one in inner if (docs := _docs(one, message=message)) is not None]
    return sorted(found, key=_canonical_text)


def _unknown(value: Json, *, message: str, path: str) -> Iterator[str]:
    if message == OPAQUE:
        return
    if not isinstance(value, dict):
        yield path or "."
        return
    shape = SHAPES[message]
    known = shape.contract | shape.semantics | shape.docs | shape.noise
    for key, inner in value.items():
        here = f"{path}.{key}" if path else key
        if key in shape.messages:
            for one in inner if isinstance(inner, list) else [inner]:
                yield from _unknown(one, message=shape.messages[key], path=here)
        elif key in shape.maps:
            for one in inner.values() if isinstance(inner, dict) else [inner]:
                yield from _unknown(one, message=shape.maps[key], path=here)
        elif key not in known:
            yield here


def _bodies(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        if "body_text" in value and (found := body_digest(value)):
            yield found
        for key in sorted(value):
            yield from _bodies(value[key])
    elif isinstance(value, list):
        for item in value:
            yield from _bodies(item)


def _plain(value: Json) -> Json:
    """Return *value* without what protobuf leaves out or not as it likes."""
    if isinstance(value, dict):
        parts = {key: _plain(inner) for key, inner in value.items()}
        return {key: part for key, part in parts.items() if not _is_default(part)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _is_default(value: Json) -> bool:
    # An empty message is not a default: `{"parquet_format": {}}` says which it is.
    return value is None or value in ("", "0", [], 0)  # False == 0


def _canonical_text(value: Json) -> str:
    return json.dumps(value, sort_keys=True)
