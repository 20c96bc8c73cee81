"""Features of a Feast feature service, read with the definitions that were proven.

Feast looks definitions up in caches that threads share and that are renewed by age, in
the middle of a request, one slot for all projects of a process; after two refreshes
without a read it may go on with the old ones. So a loaded service has its own: read raw
from the registry, held against the bundle's contract, and fixed until the next look.
Values are read from the online store as ever.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trilock.client._resolver.contract import BundleContract
from trilock.client.errors import ContractError
from trilock.client.live import ServingBundle
from trilock.compat import FeatureSet, RawObject, parse_features

if TYPE_CHECKING:
    import pandas as pd

_FIELDS: Final = {
    "entity": "entities",
    "data_source": "data_sources",
    "feature_view": "feature_views",
    "stream_feature_view": "stream_feature_views",
    "on_demand_feature_view": "on_demand_feature_views",
    "label_view": "label_views",
    "feature_service": "feature_services",
}
"""Where a registry's proto has the objects of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """A store that reads with fixed definitions, and what to read."""

    store: Any
    service: Any


class FeastFeatures:
    """One feature service of one project.

    Args:
        store: Feast's store of the project.
        service: The feature service.
    """

    def __init__(self, store: Any, *, service: str) -> None:  # noqa: ANN401 - Feast has no types
        self._store = store
        self._service = service
        self._registry = store.registry  # made here: Feast makes it lazily, without a lock
        self._reader = _fixed(store, _definitions(self._registry, store.project), service=service)

    def read(self, rows: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]]) -> pd.DataFrame:
        """Return the features of *rows* from the online store, in the order of *rows*.

        Args:
            rows: Join keys and request fields, a row each, or a list for each of them.

        Raises:
            Exception: What Feast raises.
        """
        frame: pd.DataFrame = self.response(rows).to_df()
        return frame

    def response(self, rows: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]]) -> Any:  # noqa: ANN401 - Feast has no types
        """Return the same as Feast's own `OnlineResponse`."""
        reader = self._reader
        return reader.store.get_online_features(features=reader.service, entity_rows=rows)

    def verify(self, contract: BundleContract) -> None:
        """Read the definitions anew and hold them against *contract*. See `Verifiable`."""
        project = self._store.project
        found = _definitions(self._registry, project)
        problem = _difference(found, contract=contract, service=self._service)
        if problem:
            raise ContractError(
                f"Feast project {project} does not deliver what {contract.bundle} was recorded "
                f"with: {problem}",
                metadata={"bundle": contract.bundle, "project": project},
            )
        self._reader = _fixed(self._store, found, service=self._service)


class FeastLoader:
    """Opens the feature service of a bundle: `features=` of a slot.

    Args:
        repository: The folder with `feature_store.yaml`, or that file. Its project is
            replaced by the bundle's.
    """

    def __init__(self, repository: str | os.PathLike[str]) -> None:
        path = Path(repository)
        self._file = path if path.suffix in {".yaml", ".yml"} else path / "feature_store.yaml"

    def __call__(self, bundle: ServingBundle) -> FeastFeatures:
        """Return what reads the features of *bundle*.

        Raises:
            Exception: What Feast raises.
        """
        from feast import FeatureStore  # noqa: PLC0415 - takes seconds
        from feast.repo_config import load_repo_config  # noqa: PLC0415 - as above

        config = load_repo_config(self._file.parent, self._file)
        config.project = bundle.feature_project
        return FeastFeatures(FeatureStore(config=config), service=bundle.feature_service)


def _definitions(registry: Any, project: str) -> Any:  # noqa: ANN401 - Feast has no types
    """Return the registry's proto with the objects of *project* only.

    Raises:
        Exception: The registry does not answer. Feast's own refresh would hide that.
    """
    from feast.protos.feast.core.Registry_pb2 import Registry  # noqa: PLC0415 - Feast is heavy

    if type(registry).__name__ == "Registry":  # the file registry's proto is what it has cached
        registry.refresh(project)
    whole = registry.proto()
    part = Registry()
    for kind, field in _FIELDS.items():
        for one in getattr(whole, field):
            if (one if kind == "data_source" else one.spec).project == project:
                getattr(part, field).append(one)
    return part


def _difference(definitions: Any, *, contract: BundleContract, service: str) -> str:  # noqa: ANN401 - see above
    """Return in what *definitions* differ from *contract*, in one line; empty if in nothing."""
    objects = {f"{raw.kind}/{raw.name}": raw for raw in _raw(definitions)}
    missing = sorted(set(contract.objects) - objects.keys())
    if missing:
        return f"there is no {', '.join(missing)}"
    found = parse_features([objects[key] for key in contract.objects], service=service)
    if found.broken:
        return found.broken[0]
    if found.undecidable:
        return found.undecidable[0]
    if found.digests.contract != contract.contract_digest:
        return _columns(found, contract)
    if found.digests.semantics != contract.semantics_digest:
        return "its columns are the same, but their values are made in another way"
    return ""


def _columns(found: FeatureSet, contract: BundleContract) -> str:
    there = {feature.ref for feature in found.features}
    wanted = set(contract.columns)
    parts = [
        f"{what} {', '.join(sorted(names))}"
        for what, names in (("it lacks", wanted - there), ("it adds", there - wanted))
        if names
    ]
    return "; ".join(parts) or "types of its columns or keys are others"


def _raw(definitions: Any) -> list[RawObject]:  # noqa: ANN401 - see above
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 - only here

    return [
        RawObject(
            kind=kind,
            name=one.name if kind == "data_source" else one.spec.name,
            definition=MessageToDict(
                one, preserving_proto_field_name=True, use_integers_for_enums=True
            ),
            unknown_fields=False,
        )
        for kind, field in _FIELDS.items()
        for one in getattr(definitions, field)
    ]


class _FixedRegistry:
    """A registry whose definitions do not change, for reading online; the rest is the real one's.

    Answers from its own copies, so that neither age nor another project's read can
    exchange them in the middle of a request.
    """

    def __init__(self, registry: Any, definitions: Any, *, project: str) -> None:  # noqa: ANN401 - see above
        from feast.feature_service import FeatureService  # noqa: PLC0415 - Feast is heavy
        from feast.infra.registry import proto_registry_utils as utils  # noqa: PLC0415 - as above

        self._registry = registry
        # Feast keeps what it has worked out in one place for all registries of a process,
        # until it meets another time than this: nobody else has this one.
        self.cached_registry_proto_created = object()
        self._feature_service_cache: dict[str, Any] = {}
        find = utils.get_any_feature_view.__wrapped__  # without the shared cache
        self._views = {
            one.spec.name: find(definitions, one.spec.name, project)
            for kind, field in _FIELDS.items()
            if kind.endswith("_view")
            for one in getattr(definitions, field)
        }
        self._entities = utils.list_entities.__wrapped__(definitions, project, None)
        self._services = {
            one.spec.name: FeatureService.from_proto(one) for one in definitions.feature_services
        }

    def is_cache_valid(self) -> bool:
        return True

    def get_feature_service(self, name: str, project: str, allow_cache: bool = False) -> Any:  # noqa: ANN401, ARG002, FBT001, FBT002 - as Feast calls it
        return self._services[name]

    def get_any_feature_view(self, name: str, project: str, allow_cache: bool = False) -> Any:  # noqa: ANN401, ARG002, FBT001, FBT002 - as Feast calls it
        # Feast writes projections into what it is given.
        return copy.copy(self._views[name])

    def list_entities(self, project: str, allow_cache: bool = False, tags: object = None) -> Any:  # noqa: ANN401, ARG002, FBT001, FBT002 - as Feast calls it
        return self._entities

    def get_entity(self, name: str, project: str, allow_cache: bool = False) -> Any:  # noqa: ANN401, ARG002, FBT001, FBT002 - as Feast calls it
        return next(entity for entity in self._entities if entity.name == name)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else Feast asks for
        return getattr(self._registry, name)


def _fixed(store: Any, definitions: Any, *, service: str) -> _Reader:  # noqa: ANN401 - see above
    """Return a reader of *service* with *definitions*.

    Raises:
        ContractError: There is no such service.
    """
    registry = _FixedRegistry(store.registry, definitions, project=store.project)
    if service not in registry._services:  # noqa: SLF001 - the class is this module's
        raise ContractError(
            f"Feast project {store.project} has no feature service {service!r}",
            metadata={"project": store.project, "service": service},
        )
    reader = copy.copy(store)
    reader._registry = registry  # noqa: SLF001 - Feast has no other way in
    return _Reader(store=reader, service=registry._services[service])  # noqa: SLF001 - as above
