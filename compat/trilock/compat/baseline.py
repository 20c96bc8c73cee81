"""A baseline: who reads which features, as a text that can be kept in a repository.

With it a change is judged without a server. The text is the same for the same
readers, so that it can be committed, and it carries the version of its format.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from trilock.compat.catalog import RULES
from trilock.compat.change import Reader, SignatureTexts, Standing
from trilock.compat.errors import BaselineVersionError, MalformedBaselineError
from trilock.compat.policy import Policy
from trilock.compat.raw import RawObject

FORMAT: Final = "trilock baseline"
VERSION: Final = 1
"""Version of the format; raised whenever an older trilock would misread it."""


def baseline_text(readers: Iterable[Reader]) -> str:
    """Return *readers* as the text of a baseline file."""
    objects: dict[str, Any] = {}
    entries = []
    for reader in readers:
        digests = []
        for raw in reader.objects:
            form = _object_form(raw)
            digest = hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()
            objects[digest] = form
            digests.append(digest)
        entries.append(_reader_form(reader, objects=digests))
    document = {
        "format": FORMAT,
        "version": VERSION,
        "readers": sorted(entries, key=lambda entry: (entry["alias"], entry["name"])),
        "objects": dict(sorted(objects.items())),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def parse_baseline(text: str) -> tuple[Reader, ...]:
    """Return the readers that `baseline_text` made *text* of.

    Raises:
        BaselineVersionError: It is of a version that this trilock does not read.
        MalformedBaselineError: It is no baseline, or a broken one; the error names the place.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise MalformedBaselineError(place=place, problem=f"not JSON: {error.msg}") from error
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number too long
        raise MalformedBaselineError(place="the file", problem=str(error)) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise MalformedBaselineError(place="format", problem=f"not {FORMAT!r}")
    if document.get("version") != VERSION:
        raise BaselineVersionError(found=document.get("version"), wanted=VERSION)
    objects = {
        digest: _raw(form, place=f"objects.{digest[:12]}")
        for digest, form in _mapping(document.get("objects"), place="objects").items()
    }
    return tuple(
        _reader(entry, objects=objects, place=f"readers[{index}]")
        for index, entry in enumerate(_list(document.get("readers"), place="readers"))
    )


def _object_form(raw: RawObject) -> dict[str, Any]:
    return {
        "kind": raw.kind,
        "name": raw.name,
        "definition": raw.definition,
        "unknown_fields": raw.unknown_fields,
    }


def _reader_form(reader: Reader, *, objects: list[str]) -> dict[str, Any]:
    signature = reader.signature
    return {
        "name": reader.name,
        "standing": reader.standing.value,
        "alias": reader.alias,
        "model_version": reader.model_version,
        "project": reader.project,
        "service": reader.service,
        "signature": None
        if signature is None
        else {
            "inputs": signature.inputs,
            "outputs": signature.outputs,
            "params": signature.params,
        },
        "policy": reader.policy.to_json(),
        "objects": objects,
    }


def _raw(form: object, *, place: str) -> RawObject:
    fields = _mapping(form, place=place)
    unknown = fields.get("unknown_fields")
    if not isinstance(unknown, bool):
        raise MalformedBaselineError(
            place=f"{place}.unknown_fields", problem="neither true nor false"
        )
    return RawObject(
        kind=_text(fields, "kind", place=place),
        name=_text(fields, "name", place=place),
        definition=_mapping(fields.get("definition"), place=f"{place}.definition"),
        unknown_fields=unknown,
    )


def _reader(form: object, *, objects: Mapping[str, RawObject], place: str) -> Reader:
    fields = _mapping(form, place=place)
    standing = _text(fields, "standing", place=place)
    if standing not in set(Standing):
        raise MalformedBaselineError(
            place=f"{place}.standing", problem=f"{standing!r} is none of {', '.join(Standing)}"
        )
    digests = _list(fields.get("objects"), place=f"{place}.objects")
    for index, digest in enumerate(digests):
        if not isinstance(digest, str) or digest not in objects:
            raise MalformedBaselineError(
                place=f"{place}.objects[{index}]", problem=f"{digest!r} is not among the objects"
            )
    return Reader(
        name=_text(fields, "name", place=place),
        standing=Standing(standing),
        alias=_text(fields, "alias", place=place),
        model_version=_text(fields, "model_version", place=place),
        project=_text(fields, "project", place=place),
        service=_text(fields, "service", place=place),
        signature=_signature(fields.get("signature"), place=f"{place}.signature"),
        policy=_policy(fields.get("policy"), place=f"{place}.policy"),
        objects=tuple(objects[digest] for digest in digests),
    )


def _signature(form: object, *, place: str) -> SignatureTexts | None:
    if form is None:
        return None
    fields = _mapping(form, place=place)
    for name in ("inputs", "outputs", "params"):
        if not isinstance(fields.get(name), str | None):
            raise MalformedBaselineError(place=f"{place}.{name}", problem="neither text nor null")
    return SignatureTexts(
        inputs=fields.get("inputs"), outputs=fields.get("outputs"), params=fields.get("params")
    )


def _policy(form: object, *, place: str) -> Policy:
    fields = _mapping(form, place=place)
    try:
        policy = Policy.from_json(fields)
    except KeyError as error:
        raise MalformedBaselineError(place=place, problem=f"no {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise MalformedBaselineError(place=place, problem=str(error)) from error
    named = {*policy.severities, *(waiver.rule for waiver in policy.waivers)}
    unknown = sorted(named - {rule.id for rule in RULES})
    if unknown:
        raise MalformedBaselineError(
            place=place, problem=f"there is no rule {', '.join(unknown)} in this trilock"
        )
    return policy


def _mapping(value: object, *, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedBaselineError(place=place, problem="not a JSON object")
    return value


def _list(value: object, *, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise MalformedBaselineError(place=place, problem="not a JSON array")
    return value


def _text(fields: Mapping[str, Any], name: str, *, place: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise MalformedBaselineError(place=f"{place}.{name}", problem="not a text")
    return value
