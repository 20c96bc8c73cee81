"""From raw registry objects to a `FeatureSet`; no Feast needed, no user code run.

Nothing raises: what cannot be read or told is said in `undecidable`, what Feast
itself could not serve in `broken`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


class _Parser:
    """Collects, in one pass over the service, all that a `FeatureSet` says."""

    def __init__(self, objects: Sequence[RawObject], *, service: str) -> None:
        self.objects = sorted(objects, key=_key)
        self.service = service
        self.by_key = {_key(raw): raw for raw in self.objects}
        self.views = {raw.name: raw for raw in self.objects if raw.kind in VIEW_KINDS}
        self.semantics = {_key(raw): digest(semantics_form(raw)) for raw in self.objects}
        self.features: list[Feature] = []
        self.join_keys: dict[str, FeatureType] = {}
        self.request_fields: dict[str, FeatureType] = {}
        self.broken: set[str] = set()
        self.undecidable: set[str] = set()

    def parse(self) -> FeatureSet:
        self._look_for_unknown_fields()
        raw = self.by_key.get(f"feature_service/{self.service}")
        if raw is None:
            self.undecidable.add(f"feature service {self.service!r} is not among the objects")
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
            broken=tuple(sorted(self.broken)),
            undecidable=tuple(sorted(self.undecidable)),
        )

    def _look_for_unknown_fields(self) -> None:
        for raw in self.objects:
            if raw.unknown_fields:
                self.undecidable.add(
                    f"{_key(raw)} was written by a newer Feast: it has fields that are not known"
                )
            self.undecidable.update(
                f"{_key(raw)}: {path} is not known to this version of trilock"
                for path in unknown_fields(raw)
            )

    def _project(self, projection: Json) -> None:
        """Add what one projection of the service delivers, and what it needs for that."""
        name = _text(projection, "feature_view_name")
        view = self.views.get(name)
        if view is None:
            self.undecidable.add(f"view {name!r} is not among the objects")
            return
        if "version_tag" in projection:
            self.undecidable.add(
                f"{name}@v{projection['version_tag']} is pinned to a version of the view that is"
                " not among the objects"
            )
        if _spec(view).get("disabled"):
            self.broken.add(f"view {name!r} is disabled")
        use = _text(projection, "feature_view_name_alias") or name
        made_by = tuple(sorted(self._makers(view, seen=set())))
        semantics = self._feature_semantics(made_by, projection=projection)
        self._require_coherent(view, projection, reader=f"feature service {self.service!r}")
        for column in _features(projection, "feature_columns", view=view):
            if has_unknown(column.type):
                self.undecidable.add(f"type of {use}:{column.name}: {column.type}")
            self.features.append(
                Feature(
                    view=use,
                    name=column.name,
                    type=column.type,
                    vector_length=column.vector_length,
                    nullable=_nullable(view),
                    made_by=made_by,
                    semantics=semantics,
                    plain_python=_spec(view).get("mode") == "python",
                )
            )
        self._need(view, projection=projection, above=())

    def _require_coherent(self, view: RawObject, projection: Json, *, reader: str) -> None:
        """Note where *view* no longer has what *projection* takes of it."""
        have = {column.name: column for column in _features(_spec(view), "features", view=view)}
        for column in _features(projection, "feature_columns", view=view):
            found = have.get(column.name)
            if found is None:
                self.broken.add(f"{reader} takes {column.name!r} of {view.name!r}, which is gone")
            elif found != column:
                self.broken.add(
                    f"{reader} takes {view.name}:{column.name} as {column.type}, but it is"
                    f" {found.type} in the view"
                )

    def _need(self, view: RawObject, *, projection: Json, above: tuple[str, ...]) -> None:
        """Add the join keys and request fields that reading *view* takes.

        Args:
            view: What is read.
            projection: How, by the service or by the view above it.
            above: The views that led here; a view cannot be made from itself.
        """
        if view.name in above:
            self.broken.add(f"view {view.name!r} is made from itself")
            return
        renamed = _message(projection, "join_key_map")
        for column in _columns(_spec(view), "entity_columns"):
            if column.name != _NO_ENTITY:
                self._input(self.join_keys, str(renamed.get(column.name, column.name)), column)
        for kind, source in _sources(view):
            if kind == "request_data_source":
                self._need_request(source, reader=view.name)
            elif kind != "feature_view_projection":
                self.undecidable.add(f"a source of {view.name!r} is of an old form")
            elif (name := _text(source, "feature_view_name")) in self.views:
                self._require_coherent(self.views[name], source, reader=f"view {view.name!r}")
                self._need(self.views[name], projection=source, above=(*above, view.name))
            else:
                self.undecidable.add(
                    f"view {name!r}, a source of {view.name!r}, is not among the objects"
                )

    def _need_request(self, source: Json, *, reader: str) -> None:
        options = _message(source, "request_data_options")
        for column in _columns(options, "schema"):
            self._input(self.request_fields, column.name, column)
        if options.get("deprecated_schema"):
            self.undecidable.add(f"the request source of {reader!r} is of an old form")

    def _input(self, inputs: dict[str, FeatureType], name: str, column: _Column) -> None:
        if has_unknown(column.type):
            self.undecidable.add(f"type of {name}: {column.type}")
        if inputs.setdefault(name, column.type) != column.type:
            self.broken.add(f"{name!r} is wanted as {inputs[name]} and as {column.type}")

    def _makers(self, view: RawObject, *, seen: set[str]) -> set[str]:
        """Return the keys of *view* and of everything it is made from."""
        key, spec = _key(view), _spec(view)
        if key in seen:
            return seen
        seen.add(key)
        names = [
            *(f"entity/{name}" for name in _list(spec, "entities")),
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
        for kind in _message(sources, name):
            yield kind, _message(sources[name], kind)


def _nullable(view: RawObject) -> bool:
    # What is computed from the request alone is always there; all else can lack its row.
    sources = list(_sources(view))
    return not sources or any(kind != "request_data_source" for kind, _ in sources)


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


def _features(message: Json, name: str, *, view: RawObject) -> Iterator[_Column]:
    """Yield the features in a list; a stream view's list has its entity columns too."""
    keys = {column.name for column in _columns(_spec(view), "entity_columns")}
    return (column for column in _columns(message, name) if column.name not in keys)


def _fields(types: Mapping[str, FeatureType]) -> tuple[InputField, ...]:
    return tuple(InputField(name=name, type=types[name]) for name in sorted(types))


def _list(message: Json, name: str) -> list[Any]:
    found = message.get(name)
    return found if isinstance(found, list) else []


def _messages(message: Json, name: str) -> list[Json]:
    return [one for one in _list(message, name) if isinstance(one, dict)]


def _message(message: Json, name: str) -> Json:
    found = message.get(name)
    return found if isinstance(found, dict) else {}


def _text(message: Json, name: str) -> str:
    found = message.get(name)
    return found if isinstance(found, str) else ""
