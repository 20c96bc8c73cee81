"""What is part of a Feast definition, what is noise, and what a service needs."""

import pytest
from google.protobuf.json_format import ParseDict

from tests.support.feast_objects import feast_objects
from trilock.server.domain.bundle import CapturedObject, FeatureCapture
from trilock.server.domain.errors import NotFoundError, PreconditionError
from trilock.server.planes.feast import protos
from trilock.server.planes.feast.definitions import (
    Key,
    closure,
    definition_digest,
    describe,
    make_capture,
    with_project,
)

Json = dict[str, object]


def encode(kind: str, definition: Json) -> bytes:
    message = ParseDict(definition, protos.kinds()[kind].message())
    encoded: bytes = message.SerializeToString()
    return encoded


def digest(kind: str, definition: Json) -> str | None:
    return definition_digest({(kind, "x"): encode(kind, definition)})


def view(**spec: object) -> Json:
    return {"spec": {"name": "x", "features": [{"name": "f", "value_type": 5}], **spec}}


def celsius() -> dict[Key, bytes]:
    return {(r.kind, r.name): encode(r.kind, dict(r.definition)) for r in feast_objects("celsius")}


SOURCE: Json = {"name": "s", "file_options": {"uri": "a"}}
MOMENT = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("feature_view", view(project="a"), view()),
        ("feature_view", view(version="latest"), view()),
        ("feature_view", view(ttl="0s"), view()),
        ("feature_view", view(), {**view(), "meta": {"state": 4, "created_timestamp": MOMENT}}),
        (
            "feature_view",
            view(batch_source={**SOURCE, "meta": {"created_timestamp": MOMENT}, "project": "a"}),
            view(batch_source=SOURCE),
        ),
        ("feature_view", view(tags={"a": "1", "b": "2"}), view(tags={"b": "2", "a": "1"})),
        (
            "feature_service",
            {"spec": {"features": [{"batch_source": {**SOURCE, "project": "a"}}]}},
            {"spec": {"project": "b", "features": [{"batch_source": SOURCE}]}},
        ),
        (
            "on_demand_feature_view",
            {"spec": {"sources": {"r": {"request_data_source": {**SOURCE, "project": "a"}}}}},
            {"spec": {"sources": {"r": {"request_data_source": SOURCE}}}},
        ),
        ("data_source", {"type": 1, "data_source_class_type": "feast.FileSource"}, {"type": 1}),
        (
            "stream_feature_view",
            {"spec": {"features": [{"name": "a"}, {"name": "b"}]}},
            {"spec": {"features": [{"name": "b"}, {"name": "a"}]}},
        ),
    ],
)
def test_what_feast_changes_by_itself_is_no_definition(kind: str, one: Json, other: Json) -> None:
    assert digest(kind, one) == digest(kind, other)


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("feature_view", view(ttl="1s"), view()),
        ("feature_view", view(version="v1"), view()),
        ("feature_view", view(tags={"a": "1"}), view()),
        ("feature_view", view(description="a"), view()),
        (
            "feature_view",
            view(features=[{"name": "a"}, {"name": "b"}]),
            view(features=[{"name": "b"}, {"name": "a"}]),
        ),
        (
            "on_demand_feature_view",
            {"spec": {"feature_transformation": {"user_defined_function": {"body": "YQ=="}}}},
            {"spec": {"feature_transformation": {"user_defined_function": {"body": "Yg=="}}}},
        ),
        ("data_source", {"file_options": {"uri": "a"}}, {"file_options": {"uri": "b"}}),
        (
            "data_source",
            {"type": 6, "data_source_class_type": "a"},
            {"type": 6, "data_source_class_type": "b"},
        ),
    ],
)
def test_what_the_user_changes_is_a_definition(kind: str, one: Json, other: Json) -> None:
    assert digest(kind, one) != digest(kind, other)


def test_a_digest_tells_names_and_kinds_apart_and_needs_objects() -> None:
    empty = encode("feature_view", {})

    digests = {
        definition_digest({("feature_view", "a"): empty}),
        definition_digest({("feature_view", "b"): empty}),
        definition_digest({("label_view", "a"): empty}),
        definition_digest({("feature_view", "a"): empty, ("feature_view", "b"): empty}),
        definition_digest({}),
    }

    assert len(digests) == 5
    assert None in digests


def test_a_digest_is_the_same_in_every_release_of_trilock() -> None:
    # Recorded digests are compared with new ones: a change here needs a new form.
    assert (
        digest("entity", {"spec": {"name": "x", "join_key": "x"}})
        == "9960e456fce2e294b283040afa78860f273ecc8e5741f2b2c568eae024288cd8"
    )


def test_every_project_name_is_replaced_where_there_is_one() -> None:
    proto = encode(
        "feature_view",
        view(
            project="a",
            batch_source={**SOURCE, "project": "a"},
            stream_source=SOURCE,
            source_views=[{"name": "y", "project": "a"}],
        ),
    )

    spec = with_project("feature_view", proto, project="b").spec

    assert (spec.project, spec.batch_source.project) == ("b", "b")
    assert (spec.stream_source.project, spec.source_views[0].project) == ("", "b")


def test_a_service_needs_views_entities_and_sources_through_every_path() -> None:
    push: Json = {"name": "push", "batch_source": {"name": "behind"}}
    objects: dict[Key, Json] = {
        ("feature_service", "s"): {"spec": {"features": [{"feature_view_name": "odfv"}]}},
        ("on_demand_feature_view", "odfv"): {
            "spec": {
                "entities": ["e1"],
                "sources": {
                    "a": {"feature_view_projection": {"feature_view_name": "fv"}},
                    "b": {"feature_view": {"spec": {"name": "sfv"}}},
                    "c": {"request_data_source": {"name": "request"}},
                },
            }
        },
        ("feature_view", "fv"): {
            "spec": {"source_views": [{"name": "raw"}], "stream_source": push}
        },
        ("feature_view", "raw"): {"spec": {"entities": ["e2"], "batch_source": {"name": "file"}}},
        ("stream_feature_view", "sfv"): {"spec": {"entities": ["e1"]}},
        ("entity", "e1"): {},
        ("entity", "e2"): {},
        ("data_source", "request"): {},
        ("data_source", "file"): {},
        ("data_source", "push"): push,
        ("data_source", "behind"): {},
        # And these it does not need.
        ("feature_view", "other"): {},
        ("entity", "e3"): {},
        ("data_source", "unused"): {},
    }
    encoded = {key: encode(key[0], definition) for key, definition in objects.items()}

    found = closure(encoded, service="s", project="p")

    assert set(objects) - set(found) == {
        ("feature_view", "other"),
        ("entity", "e3"),
        ("data_source", "unused"),
    }


def test_a_label_view_needs_what_it_labels() -> None:
    objects: dict[Key, Json] = {
        ("feature_service", "s"): {"spec": {"features": [{"feature_view_name": "label"}]}},
        ("label_view", "label"): {
            "spec": {"reference_feature_view": "fv", "source": {"name": "push"}}
        },
        ("feature_view", "fv"): {},
        ("data_source", "push"): {},
    }
    encoded = {key: encode(key[0], definition) for key, definition in objects.items()}

    assert set(closure(encoded, service="s", project="p")) == set(objects)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (
            ("feature_view", "weather"),
            "feature view 'weather' in Feast project 'p' does not exist; .* needs it",
        ),
        (("entity", "origin"), "entity 'origin' in Feast project 'p' does not exist"),
        (("feature_service", "delay"), "does not exist; there is: places"),
    ],
)
def test_what_a_service_needs_has_to_be_there(gone: Key, message: str) -> None:
    objects = celsius()
    del objects[gone]

    with pytest.raises(NotFoundError, match=message):
        closure(objects, service="delay", project="p")


def test_a_source_without_a_row_is_in_its_view() -> None:
    objects = celsius()
    del objects["data_source", "weather_source"]

    assert ("feature_view", "weather") in closure(objects, service="delay", project="p")


def test_a_view_pinned_at_a_version_is_refused() -> None:
    objects = {
        ("feature_service", "s"): encode(
            "feature_service",
            {"spec": {"features": [{"feature_view_name": "fv", "version_tag": 0}]}},
        ),
        ("feature_view", "fv"): b"",
    }

    with pytest.raises(PreconditionError, match="'fv' is pinned at Feast's version 0"):
        closure(objects, service="s", project="p")


def test_fields_of_a_newer_feast_are_seen_at_every_depth() -> None:
    unknown = b"\xfa\x3f\x01a"  # field 1023, one byte
    source = protos.parse("data_source", encode("data_source", SOURCE) + unknown)
    message = protos.parse("feature_view", encode("feature_view", view()))
    message.spec.batch_source.CopyFrom(source)

    capture = FeatureCapture(
        service="s",
        project="p",
        revision=None,
        objects=(
            CapturedObject(kind="data_source", name="plain", proto=encode("data_source", SOURCE)),
            CapturedObject(kind="feature_view", name="x", proto=message.SerializeToString()),
        ),
        definition_digest="",
        feast_version="",
        python_version="",
    )

    assert [raw.unknown_fields for raw in describe(capture)] == [False, True]


def test_a_capture_is_sorted_and_knows_where_it_comes_from() -> None:
    capture = make_capture(celsius(), service="places", project="p", revision="r")

    assert [(o.kind, o.name) for o in capture.objects] == [
        ("entity", "origin"),
        ("feature_service", "places"),
        ("feature_view", "airports"),
    ]
    assert (capture.project, capture.revision) == ("p", "r")
    assert capture.feast_version.startswith("0.67.")
