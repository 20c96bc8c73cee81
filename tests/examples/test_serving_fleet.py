"""Both serving examples, as their users run them, on a real MLflow and a real Feast.

One HTTP and one gRPC process answer requests all the time while their model is promoted
and rolled back. `make soak` does it with eight.
"""

from pathlib import Path

import pytest

from tests.support.feast_repo import feast_warnings
from tests.support.fleet_load import mixed, rehearse
from tests.support.served_world import served_world
from tests.support.services import GrpcService, HttpService
from tests.support.serving_world import ServingWorld

pytestmark = [
    pytest.mark.slow,
    feast_warnings,
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*"),
]


def test_no_request_ever_sees_a_model_with_the_wrong_features(tmp_path: Path) -> None:
    with served_world(tmp_path, kind=ServingWorld) as served:
        world = served.world
        assert isinstance(world, ServingWorld)
        good, bad = world.recorded("good"), world.recorded("bad")
        world.go_live(good)
        world.finalize()
        world.settle()
        environments = [
            world.environment(address=served.address, folder=tmp_path / name)
            for name in ("http", "grpc")
        ]
        with (
            HttpService.started(environments[0], log=tmp_path / "http.log") as http,
            GrpcService.started(environments[1], log=tmp_path / "grpc.log") as grpc,
        ):
            answers = rehearse(served, [http, grpc], pairs=2, good=good, bad=bad)
            wrong, _, headers = http.ask("/predict", {"rows": "none"})
            _, health, _ = http.ask("/health")

    assert mixed(answers, good=good, bad=bad) == []
    assert {one.said["trilock-bundle"] for one in answers} == {str(good.ref), str(bad.ref)}
    assert (wrong, headers["trilock-bundle"]) == (422, str(good.ref))
    assert (health["state"], health["bundle"]) == ("READY", str(good.ref))
