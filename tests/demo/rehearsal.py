"""The demo's world without trilock: what trilock will do to Feast is done by hand."""

import importlib.util
import io
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from examples.flights import jobs, registry, repository, sink, vendors
from examples.flights.commands import git
from examples.flights.serve import Server
from examples.flights.world import DAYS, FEATURE_FOLDER, FIRST_DAY, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of the pipeline, trained, published and deployed."""

    name: str
    revision: str
    model: str

    @property
    def service(self) -> str:
        return f"delay_{self.name}"

    @property
    def project(self) -> str:
        return f"delay_{self.name}__s1"

    def server(self, world: World) -> Server:
        return Server(world, project=self.project, service=self.service, version=self.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Both versions, v2 fed in the wrong unit, and the candidate that does not fit."""

    world: World
    v1: Version
    v2: Version
    misfit: str


def rehearse(root: Path) -> Rehearsal:
    """Do everything the story does outside trilock, in its order."""
    world = World(root=root)
    repository.create(world)
    sink.create(world)
    with ThreadPoolExecutor(max_workers=1) as background:
        imports = background.submit(_import_vendors, world)
        repository.reproduce(world)
        imports.result()
    revision = repository.commit(world, message="Predict the delay")
    job = jobs.deploy(world, revision)
    with ThreadPoolExecutor(max_workers=1) as background:
        fed = background.submit(jobs.feed, world, job, version="v1")
        v1 = _publish(world, revision, "v1")
        fed.result()
    deploy(world, v1, project=v1.project)

    misfit = repository.propose(world, "misfit", message="Tidy the feature views")

    repository.apply(world, "v2")
    with ThreadPoolExecutor(max_workers=1) as background:
        fed = background.submit(jobs.feed, world, job, version="v2")  # the job of v1
        repository.reproduce(world)
        fed.result()
    revision = repository.commit(world, message="Degrees Celsius, and the dew point")
    v2 = _publish(world, revision, "v2")
    deploy(world, v2, project=v2.project)
    return Rehearsal(world=world, v1=v1, v2=v2, misfit=misfit)


def deploy(world: World, version: Version, *, project: str) -> None:
    """Define what the commit of *version* defines in *project*, and fill it."""
    from feast import Entity, FeatureService, FeatureView  # noqa: PLC0415 - takes seconds
    from feast.on_demand_feature_view import OnDemandFeatureView  # noqa: PLC0415 - takes seconds

    folder = world.root / "checkouts" / version.revision
    archive = git(world, "archive", "--format=tar", version.revision, FEATURE_FOLDER)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    spec = importlib.util.spec_from_file_location(
        f"definitions_{version.name}", folder / FEATURE_FOLDER / "definitions.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)

    kinds = (Entity, FeatureView, OnDemandFeatureView, FeatureService)
    store = vendors.feature_store(world, project=project)
    store.apply([defined for defined in vars(module).values() if isinstance(defined, kinds)])
    first = datetime.fromisoformat(FIRST_DAY).replace(tzinfo=UTC)
    store.materialize(first, first + timedelta(days=DAYS))


def _import_vendors(world: World) -> None:
    registry.prepare(world)
    import feast  # noqa: F401, PLC0415 - takes seconds


def _publish(world: World, revision: str, name: str) -> Version:
    model = registry.publish(world, revision=revision, service=f"delay_{name}")
    return Version(name=name, revision=revision, model=model)
