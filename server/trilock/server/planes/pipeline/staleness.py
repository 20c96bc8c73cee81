"""Whether a commit's locks are of its own code: a pure look at what the commit holds.

A lock is stale where somebody changed code, a parameter or a command and
committed without running the pipeline: a rebuild would give other outputs.
What a lock says of a folder in git is not compared, since DVC's hash of a
folder depends on what is ignored in it. Templates are not resolved.
"""

import hashlib
import json
import posixpath
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml

from trilock.server.domain.bundle import PipelineOutput
from trilock.server.planes.pipeline.dvc_state import is_external

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MISSING: Final = object()

Read = Callable[[str], bytes | None]
"""Returns the content of a file of the commit; None if it is not there."""


def stale(
    locks: Mapping[str, bytes], *, outputs: tuple[PipelineOutput, ...], read: Read
) -> tuple[str, ...]:
    """Return where the locks are not of the commit's own code, one line each.

    Args:
        locks: Path and content of every `dvc.lock`; all of them can be read.
        outputs: Of the same commit.
        read: Returns files of the same commit.
    """
    recorded = {output.path: output.digest for output in outputs}
    lines: list[str] = []
    for name, raw in sorted(locks.items()):
        folder = posixpath.dirname(name)
        pipeline = _parsed(read(posixpath.join(folder, "dvc.yaml")) or b"", "dvc.yaml") or {}
        declared = pipeline.get("stages") or {}
        for stage, entry in sorted(((_parsed(raw, name) or {}).get("stages") or {}).items()):
            body = declared.get(stage.partition("@")[0])
            if not isinstance(body, dict):
                continue  # dvc.yaml does not name it any more: DVC does not look at it either
            body = body.get("do", body)
            where = posixpath.normpath(posixpath.join(folder, str(body.get("wdir") or ".")))
            label = f"stage {stage!r} of {posixpath.join(folder, 'dvc.yaml')!r}"
            lines += [f"{label} {what}" for what in _command(body, entry)]
            for dep in entry.get("deps") or []:
                lines += [f"{label} {what}" for what in _dep(dep, where, recorded, read)]
            lines += [f"{label} {what}" for what in _params(entry.get("params"), where, read)]
    return tuple(lines)


def _command(body: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[str]:
    now, then = body.get("cmd"), entry.get("cmd")
    if "${" not in str(now) and now != then:
        yield "has another command than its lock"


def _dep(
    dep: Mapping[str, Any], folder: str, recorded: Mapping[str, str | None], read: Read
) -> Iterator[str]:
    path, digest = str(dep.get("path", "")), dep.get("md5")
    if not digest or is_external(path):
        return
    path = posixpath.normpath(posixpath.join(folder, path))
    if path in recorded:
        if recorded[path] != digest:
            yield f"was run on another {path!r} than the commit has"
        return
    content = read(path)
    if content is None:
        return  # a folder, or a file that nobody tracks
    found = {_md5(content), _md5(content.replace(b"\r\n", b"\n"))}
    if digest not in found:
        yield f"was run on another {path!r} than the commit has"


def _params(params: object, folder: str, read: Read) -> Iterator[str]:
    if not isinstance(params, dict):
        return
    for file, values in sorted(params.items()):
        path = posixpath.normpath(posixpath.join(folder, str(file)))
        raw = read(path)
        document = None if raw is None else _parsed(raw, path)
        if document is None or not isinstance(values, dict):
            continue
        for key, value in sorted(values.items()):
            now = _at(document, str(key))
            if now != value:
                shown = "nothing" if now is _MISSING else repr(now)
                yield f"was run with {key} = {value!r}, and {path!r} says {shown}"


def _at(document: Any, key: str) -> Any:  # noqa: ANN401 - any YAML
    if isinstance(document, dict) and key in document:
        return document[key]
    for part in key.split("."):
        if isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            return _MISSING
    return document


def _parsed(raw: bytes, name: str) -> Any:  # noqa: ANN401 - any document
    """Return the document; None if it is Python, or cannot be read."""
    try:
        if name.endswith(".json"):
            return json.loads(raw)
        if name.endswith(".toml"):
            return tomllib.loads(raw.decode())
        if name.endswith(".py"):
            return None
        return yaml.load(raw, Loader=_LOADER)  # noqa: S506 - a safe loader, the fast one
    except (ValueError, yaml.YAMLError):
        return None


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
