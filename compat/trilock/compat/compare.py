"""What differs between two things side by side: for people, in the order that they ask.

A check says whether a difference breaks somebody; this says what it is. Nothing is
judged and no code is run: a transformation is compared by the text that was captured.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Any, Final

from trilock.compat.canonical import digest, docs_form, semantics_form
from trilock.compat.features import FeatureSet
from trilock.compat.parse_features import parse_features
from trilock.compat.raw import RawObject

Json = Any
"""Any JSON value."""


@unique
class Part(StrEnum):
    """Which class of thing differs."""

    CONTRACT = "CONTRACT"
    """What a consumer sees."""
    SEMANTICS = "SEMANTICS"
    """How values are made."""
    DOCS = "DOCS"
    """Descriptions, owners, tags."""
    MODEL = "MODEL"
    """The model version and its signature."""
    PIPELINE = "PIPELINE"
    """The commit and the outputs that it recorded."""
    SERVING = "SERVING"
    """What the serving layer is handed as it is."""


@unique
class Kind(StrEnum):
    """What became of it."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that differs."""

    part: Part
    path: str
    """`weather:temp` for a feature, `data_source/weather_source` for an object."""
    kind: Kind
    field: str = ""
    """Which field of it, for example `file_options.uri`; empty for the whole."""
    before: str = ""
    after: str = ""
    source: str = ""
    """A unified diff of a transformation's text."""
    affects: tuple[str, ...] = ()
    """Features that are made with it, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """A feature service with everything it is made of, as it was captured."""

    service: str
    objects: tuple[RawObject, ...]


def compare_features(before: Closure, after: Closure) -> tuple[Difference, ...]:
    """Return what differs in contract, semantics and docs, in that order."""
    old = parse_features(before.objects, service=before.service)
    new = parse_features(after.objects, service=after.service)
    return (
        *_contract(old, new),
        *_semantics(before, after, features=(old, new)),
        *_docs(before, after),
    )


def compare_json(
    part: Part, path: str, before: Mapping[str, Json], after: Mapping[str, Json]
) -> Iterator[Difference]:
    """Yield each leaf of two JSON objects that differs, sorted."""
    yield from _leaves(part, path, _flat(before), _flat(after))


def signature_form(text: str | None) -> Mapping[str, Json]:
    """Return one part of a model's signature, a JSON text of MLmodel, by name.

    A text that is no signature is one value: it differs or it does not.
    """
    if text is None:
        return {}
    try:
        entries = json.loads(text)
    except ValueError:
        return {"text": text}
    if not isinstance(entries, list):
        return {"text": text}
    named: dict[str, Json] = {}
    for at, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        key = str(name) if name is not None and str(name) not in named else f"#{at}"
        named[key] = entry
    return named


def _contract(old: FeatureSet, new: FeatureSet) -> Iterator[Difference]:
    yield from _leaves(Part.CONTRACT, "", _features(old), _features(new), path_is_key=True)
    for title, some, others in (
        ("join key", old.join_keys, new.join_keys),
        ("request field", old.request_fields, new.request_fields),
    ):
        yield from _leaves(
            Part.CONTRACT,
            "",
            {f"{title} {item.name}": str(item.type) for item in some},
            {f"{title} {item.name}": str(item.type) for item in others},
            path_is_key=True,
        )


def _features(features: FeatureSet) -> dict[str, str]:
    found = {}
    for feature in features.features:
        words = [str(feature.type)]
        if feature.vector_length is not None:
            words.append(f"of length {feature.vector_length}")
        if not feature.nullable:
            words.append("never missing")
        found[feature.ref] = ", ".join(words)
    return found


def _semantics(
    before: Closure, after: Closure, *, features: tuple[FeatureSet, FeatureSet]
) -> Iterator[Difference]:
    old, new = _by_key(before), _by_key(after)
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        affects = _affected(key, features)
        if was is None or now is None:
            kind = Kind.ADDED if was is None else Kind.REMOVED
            yield Difference(part=Part.SEMANTICS, path=key, kind=kind, affects=affects)
            continue
        forms = semantics_form(was), semantics_form(now)
        if digest(forms[0]) == digest(forms[1]):
            continue
        source = _source_diff(key, was, now)
        if source:
            yield Difference(
                part=Part.SEMANTICS,
                path=key,
                kind=Kind.CHANGED,
                field="transformation",
                source=source,
                affects=affects,
            )
        for leaf in _leaves(Part.SEMANTICS, key, _flat(forms[0]), _flat(forms[1])):
            # A digest of the text says less than the text.
            if not (source and leaf.field.rpartition(".")[2] in _TEXT_DIGESTS):
                yield replace(leaf, affects=affects)


def _docs(before: Closure, after: Closure) -> Iterator[Difference]:
    old, new = _by_key(before), _by_key(after)
    for key in sorted({*old, *new}):
        was, now = old.get(key), new.get(key)
        if was is not None and now is not None:
            # What is new, or gone, says so as semantics.
            forms = docs_form(was) or {}, docs_form(now) or {}
            yield from _leaves(Part.DOCS, key, _flat(forms[0]), _flat(forms[1]))


_TEXT_DIGESTS: Final = frozenset({"tree", "text", "body"})
"""How `transformation_form` says which text it was."""


def _by_key(closure: Closure) -> dict[str, RawObject]:
    """Return the objects by kind and name; the service, whatever its name, is one thing."""
    return {
        "feature_service"
        if (raw.kind, raw.name) == ("feature_service", closure.service)
        else f"{raw.kind}/{raw.name}": raw
        for raw in closure.objects
    }


def _affected(key: str, features: tuple[FeatureSet, FeatureSet]) -> tuple[str, ...]:
    found = {feature.ref for one in features for feature in one.features if key in feature.made_by}
    return tuple(sorted(found))


def _source_diff(key: str, before: RawObject, after: RawObject) -> str:
    """Return the unified diff of all transformations' texts in an object; "" if they are equal."""
    old, new = ("\n".join(_texts(raw.definition)).splitlines() for raw in (before, after))
    lines = difflib.unified_diff(old, new, fromfile=f"a/{key}", tofile=f"b/{key}", lineterm="")
    return "\n".join(lines)


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        for name in sorted(value):
            inner = value[name]
            if name == "body_text" and isinstance(inner, str):
                yield inner
            else:
                yield from _texts(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _leaves(
    part: Part,
    path: str,
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    path_is_key: bool = False,
) -> Iterator[Difference]:
    for key in sorted({*before, *after}):
        was, now = before.get(key), after.get(key)
        if was == now:
            continue
        kind = Kind.ADDED if was is None else Kind.REMOVED if now is None else Kind.CHANGED
        yield Difference(
            part=part,
            path=key if path_is_key else path,
            kind=kind,
            field="" if path_is_key else key,
            before=_shown(was),
            after=_shown(now),
        )


def _flat(value: Json, *, path: str = "") -> dict[str, str]:
    """Return every leaf of a JSON value by its path; a named item of a list by its name."""
    if isinstance(value, dict) and value:
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list) and value:
        names = [item.get("name") if isinstance(item, dict) else None for item in value]
        unique_names = all(names) and len(set(map(str, names))) == len(names)
        items = [
            (f"[{names[at] if unique_names else at}]", inner) for at, inner in enumerate(value)
        ]
    else:
        return {path: value if isinstance(value, str) else json.dumps(value)} if path else {}
    found: dict[str, str] = {}
    for key, inner in items:
        joined = f"{path}{key}" if key.startswith("[") or not path else f"{path}.{key}"
        found |= _flat(inner, path=joined)
    return found


_PASSWORD: Final = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]*@")


def _shown(text: str | None) -> str:
    # Definitions can hold addresses with passwords, which nobody is to be shown.
    return "" if text is None else _PASSWORD.sub(r"\1:***@", text)
