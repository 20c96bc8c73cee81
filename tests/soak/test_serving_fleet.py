"""Eight serving processes through twenty promotions and rollbacks. See tests/examples."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.feast_repo import feast_warnings
from tests.support.fleet_load import mixed, rehearse
from tests.support.served_world import served_world
from tests.support.services import GrpcService, HttpService, Service
from tests.support.serving_world import ServingWorld

pytestmark = [
    pytest.mark.slow,
    feast_warnings,
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*"),
]

SIZE = 8
PAIRS = 20


@pytest.mark.timeout(1800)
def test_no_request_ever_sees_a_model_with_the_wrong_features(tmp_path: Path) -> None:
    with served_world(tmp_path, kind=ServingWorld) as served, ExitStack() as stack:
        world = served.world
        assert isinstance(world, ServingWorld)
        good, bad = world.recorded("good"), world.recorded("bad")
        world.go_live(good)
        world.finalize()
        world.settle()
        services: list[Service] = []
        for number in range(SIZE):
            name = f"service-{number}"
            environment = world.environment(address=served.address, folder=tmp_path / name)
            log = tmp_path / f"{name}.log"
            if number % 2:
                services.append(stack.enter_context(HttpService.started(environment, log=log)))
            else:
                services.append(stack.enter_context(GrpcService.started(environment, log=log)))
        answers = rehearse(served, services, pairs=PAIRS, good=good, bad=bad)

    assert mixed(answers, good=good, bad=bad) == []
    assert {one.said["trilock-bundle"] for one in answers} == {str(good.ref), str(bad.ref)}
