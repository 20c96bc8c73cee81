"""diff against a real server on a world in memory."""

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command_line import Run, Trilock
from tests.support.feast_objects import feast_objects
from tests.support.served_world import Served, secret_of, served_world
from tests.support.values import bundle_ref
from tests.support.world import World
from trilock.compat import RawObject
from trilock.server.store.bundles import get_bundle

RUN = Callable[..., Run]

BUNDLES = """\
models/delay/bundles/1 -> models/delay/bundles/2
model: 4 differences
  ~ version mlmodel_sha256: HASH -> HASH
  ~ version version: 1 -> 2
  + inputs humidity.name: humidity
  + inputs humidity.type: double
contract: 1 difference
  + weather:humidity: Float64
semantics: 5 differences
  ~ data_source/weather_source file_options.uri: data/celsius.parquet -> data/scaled.parquet   \
(makes derived:temp_distance, weather:humidity, weather:temp)
  ~ feature_view/weather spec.batch_source.file_options.uri: data/celsius.parquet -> \
data/scaled.parquet   (makes derived:temp_distance, weather:humidity, weather:temp)
  ~ on_demand_feature_view/derived transformation   (makes derived:temp_distance)
      --- a/on_demand_feature_view/derived
      +++ b/on_demand_feature_view/derived
      @@ -1,2 +1,2 @@
       def derived(inputs):
      -    return inputs["temp"] * 0.5
      +    return inputs["temp"] * 0.7
  + on_demand_feature_view/derived spec.sources.weather.feature_view_projection.\
feature_columns[humidity].name: humidity   (makes derived:temp_distance)
  + on_demand_feature_view/derived spec.sources.weather.feature_view_projection.\
feature_columns[humidity].value_type: 5   (makes derived:temp_distance)
docs: the same
pipeline: 2 differences
  ~ commit revision: HASH -> HASH
  ~ outputs data/weather.csv: HASH -> HASH
serving: 1 difference
  ~ serving_config image: sha256:1 -> sha256:2
"""

SAME = """\
featureSchemas/delay/versions/1 -> featureSchemas/delay/versions/1
contract: the same
semantics: the same
docs: the same
"""

UDF = """\
def derived(inputs):
    return inputs["temp"] * 0.5
"""


def objects(variant: str, text: str) -> list[RawObject]:
    """Return the definitions of *variant*, its on-demand view made by *text*."""
    found = copy.deepcopy(feast_objects(variant))
    for raw in found:
        if raw.kind == "on_demand_feature_view":
            function = {"name": "derived", "mode": "pandas", "body_text": text}
            transformation = {"user_defined_function": function}
            raw.definition["spec"]["feature_transformation"] = transformation
    return found


def record(world: World, variant: str, text: str, *, inputs: str) -> None:
    revision = world.pipeline.commit({"data/weather.csv": text.encode()})
    world.features.commit(revision, folder="feature_repo", objects=objects(variant, text))
    version = world.registry.register("delay", inputs=inputs, outputs=None)
    world.record_trained(version, revision)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_world(tmp_path) as made:
        temp = '{"type": "double", "name": "temp"}'
        humidity = '{"type": "double", "name": "humidity"}'
        record(made.world, "celsius", UDF, inputs=f"[{temp}]")
        record(made.world, "scaled", UDF.replace("0.5", "0.7"), inputs=f"[{temp}, {humidity}]")
        yield made


@pytest.fixture
def trilock(served: Served, tmp_path: Path) -> RUN:
    run = Trilock(served.address)
    token = tmp_path / "token"
    token.write_text(secret_of("serve"))

    def call(*arguments: str) -> Run:
        return run(*arguments, env={"TRILOCK_TOKEN_FILE": str(token)})

    return call


def test_two_bundles_side_by_side(trilock: RUN) -> None:
    run = trilock("diff", "1", "2")

    assert (run.code, run.err) == (0, "")
    assert re.sub(r"\b[0-9a-f]{32,64}\b", "HASH", run.out) == BUNDLES


def test_the_reverse_takes_back_what_was_added(trilock: RUN) -> None:
    out = trilock("diff", "delay/2", "models/delay/bundles/1").out

    assert "  - weather:humidity: Float64\n" in out
    assert '      +    return inputs["temp"] * 0.5\n' in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--schemas", "delay/1", "delay/1"],
        ["featureSchemas/delay/versions/1", "featureSchemas/delay/versions/1"],
    ],
)
def test_two_feature_schemas(trilock: RUN, arguments: list[str]) -> None:
    run = trilock("diff", *arguments)

    assert (run.code, run.out) == (0, SAME)


def test_json_has_every_field_of_every_difference(trilock: RUN) -> None:
    data = trilock("diff", "--schemas", "delay/1", "delay/2", "-o", "json").json

    assert (data["before"], data["after"]) == (
        "featureSchemas/delay/versions/1",
        "featureSchemas/delay/versions/2",
    )
    assert data["differences"][0] == {
        "part": "CONTRACT",
        "kind": "ADDED",
        "path": "weather:humidity",
        "field": "",
        "before": "",
        "after": "Float64",
        "source": "",
        "affects": [],
    }


def test_an_alias_names_what_is_live_there(served: Served, trilock: RUN) -> None:
    with served.world.database.read() as session:
        first = get_bundle(session, bundle_ref(1))
    served.world.release(first)

    out = trilock("diff", "delay@production", "2").out

    assert out.startswith("models/delay/bundles/1 -> models/delay/bundles/2\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["1", "9"], "models/delay/bundles/9 does not exist"),
        (["--schemas", "delay/1", "delay/9"], "featureSchemas/delay/versions/9 does not exist"),
        (["1", "featureSchemas/delay/versions/1"], "cannot be compared"),
        (["1", "x"], "after: 'x' is not a valid number of a bundle"),
        (["delay@nowhere", "1"], "nothing was ever released on delay@nowhere; an alias is spelt"),
    ],
)
def test_what_cannot_be_compared_is_a_usage_error(
    trilock: RUN, arguments: list[str], message: str
) -> None:
    run = trilock("diff", *arguments)

    assert (run.code, run.out) == (2, "")
    assert message in run.err
