"""A feature project has one schema's definitions and values, or no release goes live on it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.feast_objects import feast_objects
from tests.support.values import NOON, feature_schema
from tests.support.world import WINDOW, World, world
from trilock.compat import RawObject
from trilock.server.domain.bundle import FeatureSchema
from trilock.server.domain.errors import ForeignEditError
from trilock.server.domain.operation import OperationState


@pytest.fixture
def w(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def _schema(service: str, *, version: int = 1, digest: str) -> FeatureSchema:
    schema = feature_schema(version, service)
    return replace(schema, capture=replace(schema.capture, definition_digest=digest))


def test_no_two_schemas_share_a_project() -> None:
    projects = [
        _schema("delay-v1", digest="ab12cd34").project,
        _schema("delay_v1", digest="0f12cd34").project,
        _schema("delay_v1", version=2, digest="0f12cd34").project,
        # Version 2 of a database that was restored from a copy.
        _schema("delay_v1", version=2, digest="77aa00bb").project,
    ]

    assert projects == [
        "delay_v1__s1_ab12cd",
        "delay_v1__s1_0f12cd",
        "delay_v1__s2_0f12cd",
        "delay_v1__s2_77aa00",
    ]


def test_services_that_differ_in_a_hyphen_have_other_digests(w: World) -> None:
    for service in ("delay-v1", "delay_v1"):
        w.features.apply("flights", [_of_service(raw, service) for raw in feast_objects("celsius")])

    projects = {
        _schema(service, digest=capture.definition_digest).project
        for service in ("delay-v1", "delay_v1")
        for capture in [w.features.capture_project(project="flights", service=service)]
    }

    assert len(projects) == 2


def _of_service(raw: RawObject, service: str) -> RawObject:
    if raw.kind != "feature_service":
        return raw
    spec = {**raw.definition["spec"], "name": service}
    return replace(raw, name=service, definition={**raw.definition, "spec": spec})


def test_other_definitions_in_a_project_of_trilocks_own_are_refused(w: World) -> None:
    w.release(w.record())
    bundle = w.record(variant="scaled")
    w.features.apply(bundle.feature_schema.project, feast_objects("celsius"))

    with pytest.raises(ForeignEditError, match=bundle.feature_schema.project):
        w.promote(bundle)

    assert str(w.live().bundle) == "models/delay/bundles/1"


def test_a_window_that_begins_earlier_than_what_was_filled_is_filled(w: World) -> None:
    first = w.record()
    w.features.observe(
        "data/celsius.parquet",
        entity="EWR",
        at=NOON - timedelta(days=3),
        values={"temp": 5.0, "humidity": 0.5},
    )
    w.release(first)
    project, service = first.feature_schema.project, first.feature_schema.ref.service
    before = w.features.served(project, service, entity="EWR")
    w.release(w.record(variant="scaled"))
    early = replace(WINDOW, start=WINDOW.start - timedelta(days=7))

    w.settled(w.promote(first, window=early))

    assert before == {"temp": None}
    assert w.features.served(project, service, entity="EWR") == {"temp": 5.0}


def test_a_view_that_nobody_can_materialize_keeps_nothing_from_going_live(w: World) -> None:
    version, revision = w.train()
    w.features.commit(
        revision,
        folder="feature_repo",
        objects=[_pushed(raw) for raw in feast_objects("celsius")],
    )
    first = w.record_trained(version, revision)

    assert w.settled(w.promote(first)).state is OperationState.SUCCEEDED
    w.finalize()
    w.settle()
    # What it replaces must be a target: readiness asks no more of such a view.
    assert w.settled(w.promote(w.record(variant="scaled"))).state is OperationState.SUCCEEDED


def _pushed(raw: RawObject) -> RawObject:
    if raw.kind != "feature_view":
        return raw
    spec = {key: value for key, value in raw.definition["spec"].items() if key != "batch_source"}
    return replace(raw, definition={**raw.definition, "spec": spec})
