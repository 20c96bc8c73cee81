"""From raw registry objects to a `FeatureSet`; no Feast needed, no user code run.

Nothing raises: what cannot be read or told is said in `undecidable`, what Feast
itself could not serve in `broken`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from trilock.compat.canonical import (
    bodies,
    digest,
    docs_form,
    semantics_form,
    unknown_fields,
)
from trilock.compat.feast_types import FeatureType, feature_type, has_unknown
from trilock.compat.features import Digests, Feature, FeatureSet, InputField, contract_form
from trilock.compat.proto_shapes import VIEW_KINDS
from trilock.compat.raw import RawObject

_NO_ENTITY: Final = "__dummy_id"
"""The join key that Feast gives to views without entities."""

Json = Mapping[str, Any]


def parse_features(objects: Sequence[RawObject], *, service: str) -> FeatureSet:
    """Return what *service* delivers, given the closure it was captured with.

    Args:
        objects: The service, its views, their sources and entities, in any order.
        service: Name of the feature service.
    """
    return _Parser(objects, service=service).parse()


@dataclass(frozen=True, slots=True)
class _Column:
    """A field of a proto, read."""

    name: str
    type: FeatureType
    vector_length: int | None


@dataclass(slots=True)
class _Parser:
    """Collects, in one pass over the service, all that a `FeatureSet` says."""

    objects: Sequence[RawObject]
    service: str
    views: dict[str, RawObject] = field(init=False)
    by_key: dict[str, RawObject] = field(init=False)
    semantics: dict[str, str] = field(init=False)
    features: list[Feature] = field(default_factory=list)
    join_keys: dict[str, FeatureType] = field(default_factory=dict)
    request_fields: dict[str, FeatureType] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    undecidable: list[str] = field(default_factory=list)

    def __init__(self, objects: Sequence[RawObject], *, service: str) -> None:
        self.objects = sorted(objects, key=_key)
        self.service = service
        self.by_key = {_key(raw): raw for raw in self.objects}
        self.views = {raw.name: raw for raw in self.objects if raw.kind in VIEW_KINDS}
        self.semantics = {_key(raw): digest(semantics_form(raw)) for raw in self.objects}
        self.features, self.broken, self.undecidable = [], [], []
        self.join_keys, self.request_fields = {}, {}

    def parse(self) -> FeatureSet:
        self._look_for_unknown_fields()
        raw = self.by_key.get(f"feature_service/{self.service}")
        if raw is None:
            self.undecidable.append(f"feature service {self.service!r} is not among the objects")
        else:
            for projection in _messages(_spec(raw), "features"):
                self._project(projection)
        features = tuple(self.features)
        join_keys, request_fields = _fields(self.join_keys), _fields(self.request_fields)
        contract = contract_form(
            features=features, join_keys=join_keys, request_fields=request_fields
        )
        docs = {_key(raw): form for raw in self.objects if (form := docs_form(raw)) is not None}
        return FeatureSet(
            service=self.service,
            features=features,
            join_keys=join_keys,
            request_fields=request_fields,
            semantics=self.semantics,
            bodies={
                _key(raw): digest(found) for raw in self.objects if (found := list(bodies(raw)))
            },
            digests=Digests(
                contract=digest(contract), semantics=digest(self.semantics), docs=digest(docs)
            ),
            broken=tuple(sorted(set(self.broken))),
            undecidable=tuple(sorted(set(self.undecidable))),
        )

    def _look_for_unknown_fields(self) -> None:
        for raw in self.objects:
            if raw.unknown_fields:
                self.undecidable.append(
                    f"{_key(raw)} was written by a newer Feast: it has fields that are not known"
                )
            self.undecidable += [
                f"{_key(raw)}: {path} is not known to this version of trilock"
                for path in unknown_fields(raw)
            ]

    def _project(self, projection: Json) -> None:
        """Add what one projection of the service delivers, and what it needs for that."""
        name = _text(projection, "feature_view_name")
        view = self.views.get(name)
        if view is None:
            self.undecidable.append(f"view {name!r} is not among the objects")
            return
        if "version_tag" in projection:
            self.undecidable.append(
                f"{name}@v{projection['version_tag']} is pinned to a version of the view that is"
                " not among the objects"
            )
        if _spec(view).get("disabled"):
            self.broken.append(f"view {name!r} is disabled")
        use = _text(projection, "feature_view_name_alias") or name
        keys = {column.name for column in _columns(_spec(view), "entity_columns")}
        made_by = tuple(sorted(self._makers(view, seen=set())))
        semantics = self._feature_semantics(made_by, projection=projection)
        for column in self._projected(projection, view=view):
            # A stream view's features contain its entity columns on the wire.
            if column.name in keys:
                continue
            if has_unknown(column.type):
                self.undecidable.append(f"type of {use}:{column.name}: {column.type}")
            self.features.append(
                Feature(
                    view=use,
                    name=column.name,
                    type=column.type,
                    vector_length=column.vector_length,
                    nullable=self._nullable(view),
                    made_by=made_by,
                    semantics=semantics,
                )
            )
        self._need(view, projection=projection)

    def _projected(self, projection: Json, *, view: RawObject) -> Iterator[_Column]:
        """Yield the columns that *projection* takes, if *view* still has them so."""
        have = {column.name: column for column in _columns(_spec(view), "features")}
        for column in _columns(projection, "feature_columns"):
            found = have.get(column.name)
            if found is None:
                self.broken.append(
                    f"view {view.name!r} has no {column.name!r}, which {self.service!r} takes of it"
                )
            elif found != column:
                self.broken.append(
                    f"{view.name}:{column.name} is {found.type} in the view and {column.type} in"
                    f" what {self.service!r} takes of it"
                )
            yield column

    def _need(self, view: RawObject, *, projection: Json) -> None:
        """Add the join keys and request fields that reading *view* takes."""
        renamed = projection.get("join_key_map")
        renamed = renamed if isinstance(renamed, dict) else {}
        for column in _columns(_spec(view), "entity_columns"):
            if column.name != _NO_ENTITY:
                self._input(self.join_keys, str(renamed.get(column.name, column.name)), column)
        for kind, source in _sources(view):
            if kind == "request_data_source":
                for column in _columns(_message(source, "request_data_options"), "schema"):
                    self._input(self.request_fields, column.name, column)
            elif kind == "feature_view_projection":
                name = _text(source, "feature_view_name")
                if name in self.views:
                    self._still_has(self.views[name], source, reader=view.name)
                    self._need(self.views[name], projection=source)
                else:
                    self.undecidable.append(
                        f"view {name!r}, a source of {view.name!r}, is not among the objects"
                    )
            else:
                self.undecidable.append(f"a source of {view.name!r} is of an old form")

    def _still_has(self, view: RawObject, source: Json, *, reader: str) -> None:
        have = {column.name: column for column in _columns(_spec(view), "features")}
        for column in _columns(source, "feature_columns"):
            if have.get(column.name) != column:
                self.broken.append(
                    f"{view.name}:{column.name}, an input of {reader!r}, is gone or of another type"
                )

    def _input(self, inputs: dict[str, FeatureType], name: str, column: _Column) -> None:
        if has_unknown(column.type):
            self.undecidable.append(f"type of {name}: {column.type}")
        if inputs.setdefault(name, column.type) != column.type:
            self.broken.append(f"{name!r} is wanted as {inputs[name]} and as {column.type}")

    def _makers(self, view: RawObject, *, seen: set[str]) -> set[str]:
        """Return the keys of *view* and of everything it is made from."""
        key, spec = _key(view), _spec(view)
        if key in seen:
            return seen
        seen.add(key)
        names = [
            *(f"entity/{name}" for name in spec.get("entities", ())),
            *(
                f"data_source/{_text(_message(spec, source), 'name')}"
                for source in ("batch_source", "stream_source", "source")
            ),
        ]
        seen.update(name for name in names if name in self.by_key)
        for kind, source in _sources(view):
            if kind == "request_data_source":
                seen.update({f"data_source/{_text(source, 'name')}"} & self.by_key.keys())
            elif (name := _text(source, "feature_view_name")) in self.views:
                self._makers(self.views[name], seen=seen)
        return seen

    def _feature_semantics(self, made_by: tuple[str, ...], *, projection: Json) -> str:
        joined = {
            key: projection[key]
            for key in ("join_key_map", "version_tag")
            if projection.get(key) not in (None, {})
        }
        return digest([sorted(self.semantics[key] for key in made_by), joined])

    def _nullable(self, view: RawObject) -> bool:
        sources = list(_sources(view))
        return not sources or any(kind != "request_data_source" for kind, _ in sources)


def _key(raw: RawObject) -> str:
    return f"{raw.kind}/{raw.name}"


def _spec(raw: RawObject) -> Json:
    return _message(raw.definition, "spec")


def _sources(view: RawObject) -> Iterator[tuple[str, Json]]:
    """Yield what an on-demand view is made from, in a stable order: which kind, and the proto."""
    sources = _spec(view).get("sources")
    if view.kind != "on_demand_feature_view" or not isinstance(sources, dict):
        return
    for name in sorted(sources):
        for kind, source in sources[name].items() if isinstance(sources[name], dict) else ():
            yield kind, source if isinstance(source, dict) else {}


def _columns(message: Json, name: str) -> Iterator[_Column]:
    for entry in _messages(message, name):
        tags = entry.get("tags")
        indexed = bool(entry.get("vector_index"))
        length = entry.get("vector_length")
        yield _Column(
            name=_text(entry, "name"),
            type=feature_type(entry.get("value_type"), tags=tags if isinstance(tags, dict) else {}),
            vector_length=length if indexed and isinstance(length, int) else None,
        )


def _fields(types: Mapping[str, FeatureType]) -> tuple[InputField, ...]:
    return tuple(InputField(name=name, type=types[name]) for name in sorted(types))


def _messages(message: Json, name: str) -> list[Json]:
    found = message.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _message(message: Json, name: str) -> Json:
    found = message.get(name)
    return found if isinstance(found, dict) else {}


def _text(message: Json, name: str) -> str:
    found = message.get(name)
    return found if isinstance(found, str) else ""
