"""What a commit recorded in DVC, read without DVC.

`dvc.yaml` says which outputs there are, `dvc.lock` beside it has their hashes;
a `*.dvc` file is both. As in DVC, what a lock says of stages or outputs that
`dvc.yaml` no longer names does not count. Paths are those of a stage's working
folder (`wdir`), in the lock too.

Templates (`${...}`, `foreach`, `matrix`) are not resolved: the lock has the
resolved paths, and a template is matched against them. Not read: `.dvcignore`.
Pure; the files come as bytes.
"""

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from trilock.server.domain.bundle import PipelineOutput
from trilock.server.domain.errors import PreconditionError

MD5: Final = "md5"
LEGACY_MD5: Final = "md5-dos2unix"
DIRECTORY: Final = ".dir"

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PIPELINE, _LOCK, _SINGLE = "dvc.yaml", "dvc.lock", ".dvc"
_SCHEMA: Final = "2.0"
_EXTERNAL: Final = re.compile(r"\w+://.*|/.*", re.DOTALL)
_TEMPLATE: Final = re.compile(r"\$\{[^}]*\}")
# A digest becomes part of a path: nothing else may pass.
_DIGEST: Final = re.compile(r"[0-9a-f]{32}(?:\.dir)?")


def is_dvc_file(path: str) -> bool:
    """Return whether the file at *path* of a repository is one that DVC records state in."""
    folder, leaf = posixpath.split(path)
    if _SINGLE in folder.split("/"):
        return False
    return leaf in (_PIPELINE, _LOCK) or (leaf.endswith(_SINGLE) and leaf != _SINGLE)


def is_external(path: str) -> bool:
    """Return whether an output is not in the repository: a URL or an absolute path."""
    return _EXTERNAL.fullmatch(path) is not None


def state_digest(outputs: Iterable[PipelineOutput]) -> str:
    """Return the digest of *outputs*: equal digest, equal data, whatever the commit."""
    rows = sorted(
        json.dumps([each.path, each.algorithm, each.digest, each.size, each.files, each.cached])
        for each in outputs
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def pipeline_outputs(files: Mapping[str, bytes]) -> tuple[PipelineOutput, ...]:
    """Return every output that *files* record, sorted.

    Args:
        files: Path and content of all files of one commit for which `is_dvc_file` is true.

    Raises:
        PreconditionError: A file is not YAML or not of DVC's form; it is named.
    """
    parsed = {name: _File.parse(name, raw) for name, raw in files.items()}
    found: set[PipelineOutput] = set()
    for name, file in parsed.items():
        folder, leaf = posixpath.split(name)
        if leaf == _PIPELINE:
            found.update(_of_pipeline(file, parsed.get(posixpath.join(folder, _LOCK))))
        elif leaf != _LOCK:
            found.update(_of_single(file))
    return tuple(sorted(found, key=lambda each: (each.path, each.algorithm, each.digest or "")))


@dataclass(frozen=True, slots=True)
class _File:
    """A parsed file that can name itself in an error."""

    name: str
    document: Mapping[str, Any]

    @classmethod
    def parse(cls, name: str, raw: bytes) -> "_File":
        broken = cls(name, {})
        try:
            document = yaml.load(raw, Loader=_LOADER)  # noqa: S506 - a safe loader, the fast one
        except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none
            mark = getattr(error, "problem_mark", None)
            where = f" (line {mark.line + 1})" if mark else ""
            raise broken.error(f"it is not YAML{where}") from error
        return cls(name, broken.mapping(document, "it"))

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.name)

    def error(self, what: str) -> PreconditionError:
        return PreconditionError(f"{self.name!r} cannot be read: {what}", file=self.name)

    def mapping(self, value: object, what: str) -> Mapping[str, Any]:
        """Return *value*, which must be a mapping of names; nothing at all is an empty one."""
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise self.error(f"{what} is not a mapping of names")
        return value

    def list(self, value: object, what: str) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.error(f"{what} is not a list")
        return value

    def text(self, value: object, what: str) -> str:
        if not isinstance(value, str) or not value:
            raise self.error(f"{what} is not a text")
        return value

    def number(self, value: object, what: str) -> int | None:
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise self.error(f"{what} is not a number")
        return value

    def flag(self, value: object, what: str) -> bool:
        if not isinstance(value, bool):
            raise self.error(f"{what} is not true or false")
        return value


# One stage of dvc.yaml.


@dataclass(frozen=True, slots=True)
class _Declared:
    """An output as dvc.yaml names it; the path may be a template."""

    path: str
    cached: bool

    @property
    def is_template(self) -> bool:
        return _TEMPLATE.search(self.path) is not None

    def names(self, path: str) -> bool:
        literal = [re.escape(part) for part in _TEMPLATE.split(self.path)]
        return re.fullmatch(".+".join(literal), path, re.DOTALL) is not None


def _of_pipeline(file: _File, lock: _File | None) -> Iterator[PipelineOutput]:
    locked = _locked_stages(lock) if lock else {}
    stages = file.mapping(file.document.get("stages"), "'stages'")
    for name, raw in stages.items():
        stage = file.mapping(raw, f"stage {name!r}")
        generated = "foreach" in stage or "matrix" in stage
        body = file.mapping(stage.get("do", stage), f"'do' of stage {name!r}")
        declared = tuple(_declared(file, name, body))
        # DVC calls what it generates from a stage `stage@item`.
        runs = [key for key in locked if key.rpartition("@")[0] == name] if generated else [name]
        for run in runs or [name]:
            folder = _working_folder(file, body, stage=stage, run=run) if declared else ""
            entries = locked.get(run, {})
            for output in declared:
                yield from _of_declared(lock or file, output, folder=folder, entries=entries)


def _declared(file: _File, name: str, body: Mapping[str, Any]) -> Iterator[_Declared]:
    for key in ("outs", "metrics", "plots"):
        for item in file.list(body.get(key), f"{key!r} of stage {name!r}"):
            if isinstance(item, str):
                yield _Declared(posixpath.normpath(item), cached=True)
                continue
            what = f"an item in {key!r} of stage {name!r}"
            for path, options in file.mapping(item, what).items():
                # Several plots of one file are a list of options.
                each = options if isinstance(options, list) else [options]
                flags = [file.mapping(option, what).get("cache", True) for option in each]
                cached = all(file.flag(flag, "'cache'") for flag in flags)
                yield _Declared(posixpath.normpath(path), cached=cached)


def _working_folder(
    file: _File, body: Mapping[str, Any], *, stage: Mapping[str, Any], run: str
) -> str:
    wdir = body.get("wdir", ".")
    text = file.text("." if wdir is None else wdir, "'wdir'")
    item = run.rpartition("@")[2]
    over = stage.get("foreach")
    if isinstance(over, dict):
        text = text.replace("${key}", item)
    elif isinstance(over, list) and not any(isinstance(each, (dict, list)) for each in over):
        text = text.replace("${item}", item)
    if _TEMPLATE.search(text):
        raise file.error(f"the working folder {text!r} of stage {run!r} is a template")
    return posixpath.join(file.folder, text)


def _locked_stages(lock: _File) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the entries of *lock*: stage, then path of the output."""
    schema = lock.document.get("schema", _SCHEMA if not lock.document else None)
    if schema != _SCHEMA:
        raise lock.error(f"its schema is {schema!r}, not {_SCHEMA!r}")
    stages: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, raw in lock.mapping(lock.document.get("stages"), "'stages'").items():
        what = f"stage {name!r}"
        outs = lock.list(lock.mapping(raw, what).get("outs"), f"'outs' of {what}")
        entries = [lock.mapping(out, f"an output of {what}") for out in outs]
        stages[name] = {
            posixpath.normpath(lock.text(entry.get("path"), f"a path of {what}")): entry
            for entry in entries
        }
    return stages


def _of_declared(
    file: _File, output: _Declared, *, folder: str, entries: Mapping[str, Mapping[str, Any]]
) -> Iterator[PipelineOutput]:
    paths = [path for path in entries if output.names(path)] if output.is_template else []
    for path in paths or [output.path]:
        entry = entries.get(path, {})
        yield from _outputs(file, entry, path=_joined(folder, path), cached=output.cached)


# One `*.dvc` file.


def _of_single(file: _File) -> Iterator[PipelineOutput]:
    wdir = file.document.get("wdir")
    folder = posixpath.join(file.folder, file.text("." if wdir is None else wdir, "'wdir'"))
    for raw in file.list(file.document.get("outs"), "'outs'"):
        entry = file.mapping(raw, "an output")
        path = _joined(folder, file.text(entry.get("path"), "a path"))
        cached = file.flag(entry.get("cache", True), "'cache'")
        yield from _outputs(file, entry, path=path, cached=cached)


# One output with its hash.


def _joined(folder: str, path: str) -> str:
    return path if is_external(path) else posixpath.normpath(posixpath.join(folder, path))


def _outputs(
    file: _File, entry: Mapping[str, Any], *, path: str, cached: bool
) -> Iterator[PipelineOutput]:
    files = file.list(entry.get("files"), f"'files' of {path!r}")
    if not files:
        yield _output(file, entry, path=path, cached=cached, algorithm=_algorithm(entry))
    for raw in files:  # a folder in a versioned remote is recorded file by file
        item = file.mapping(raw, f"a file of {path!r}")
        name = file.text(item.get("relpath"), f"'relpath' in {path!r}")
        algorithm = _algorithm({**item, "hash": entry.get("hash")})
        yield _output(
            file, item, path=posixpath.join(path, name), cached=cached, algorithm=algorithm
        )


def _algorithm(entry: Mapping[str, Any]) -> str:
    for other in ("etag", "checksum"):  # outputs that never were on this machine
        if other in entry and MD5 not in entry:
            return other
    return MD5 if entry.get("hash") == MD5 or MD5 not in entry else LEGACY_MD5


def _output(
    file: _File, entry: Mapping[str, Any], *, path: str, cached: bool, algorithm: str
) -> PipelineOutput:
    key = MD5 if algorithm == LEGACY_MD5 else algorithm
    digest = entry.get(key)
    if digest is not None:
        digest = file.text(digest, f"{key!r} of {path!r}")
        if key == MD5 and not _DIGEST.fullmatch(digest):
            raise file.error(f"{digest!r} of {path!r} is not an MD5 digest")
    return PipelineOutput(
        path=path,
        algorithm=algorithm,
        digest=digest,
        size=file.number(entry.get("size"), f"'size' of {path!r}"),
        files=file.number(entry.get("nfiles"), f"'nfiles' of {path!r}"),
        cached=cached,
    )
