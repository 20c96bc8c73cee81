"""The numbers that the demo's story rests on, on its real data."""

import os
from pathlib import Path

import pandas as pd
import pytest
from examples.flights import commands, flights, jobs, repository, sink, vendors
from examples.flights.commands import CommandError
from examples.flights.serve import Server, mean_absolute_error

from tests.demo.rehearsal import Rehearsal, deploy, rehearse

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    # A place of its own to stand in, to see what is left there.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", os.environ.copy())
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        made = rehearse(tmp_path_factory.mktemp("demo") / "world")
        assert list(Path.cwd().iterdir()) == []
        return made


@pytest.fixture(scope="module")
def first(rehearsal: Rehearsal) -> Server:
    return rehearsal.v1.server(rehearsal.world)


@pytest.fixture(scope="module")
def second(rehearsal: Rehearsal) -> Server:
    return rehearsal.v2.server(rehearsal.world)


def test_feast_serves_what_the_model_was_tested_with(rehearsal: Rehearsal, first: Server) -> None:
    asked = flights.batch(rehearsal.world, 0)

    served = first.features(asked)

    pd.testing.assert_frame_equal(served[[*first.inputs]], asked[[*first.inputs]], check_exact=True)
    assert len(asked) == 2000
    assert 0.05 < served["plane_age"].isna().mean() < 0.3  # planes that nobody knows


def test_a_signature_takes_what_feast_serves(
    rehearsal: Rehearsal, first: Server, second: Server
) -> None:
    mlflow = vendors.mlflow(rehearsal.world).module
    asked = flights.batch(rehearsal.world, 1)

    for server, version in ((first, rehearsal.v1), (second, rehearsal.v2)):
        signature = mlflow.models.get_model_info(f"models:/delay/{version.model}").signature
        mlflow.models.validate_schema(server.features(asked), signature.inputs)

        assert {str(column.type) for column in signature.inputs} == {"DataType.double"}
    assert set(second.inputs) - set(first.inputs) == {"dewp"}


def test_the_same_flights_get_the_same_predictions(rehearsal: Rehearsal, first: Server) -> None:
    asked = flights.batch(rehearsal.world, 0).head(100)

    predicted = first.predict(asked)

    assert predicted.equals(first.predict(asked))
    assert predicted.equals(rehearsal.v1.server(rehearsal.world).predict(asked))
    # One flight's prediction does not depend on who else is asked about.
    assert predicted.equals(first.predict(flights.batch(rehearsal.world, 0)).head(100))


def test_a_job_that_writes_the_old_unit_raises_the_error(
    rehearsal: Rehearsal, second: Server
) -> None:
    asked = flights.batch(rehearsal.world, 1)
    meant = flights.batch(rehearsal.world, 1, version="v2")

    wrong = mean_absolute_error(second.predict(asked), asked)
    right = mean_absolute_error(second.predict_from(meant, meant["flight_id"]), asked)

    assert list(meant["flight_id"]) == list(asked["flight_id"])
    assert wrong > 1.05 * right


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_with_the_right_values_a_model_knows_something(rehearsal: Rehearsal, version: str) -> None:
    server = (rehearsal.v1 if version == "v1" else rehearsal.v2).server(rehearsal.world)
    known = pd.concat([flights.batch(rehearsal.world, n, version=version) for n in (0, 1)])

    error = mean_absolute_error(server.predict_from(known, known["flight_id"]), known)

    assert error < 0.97 * known["arr_delay"].abs().mean()  # "all flights are on time"


def test_the_job_of_its_own_commit_writes_what_is_meant(rehearsal: Rehearsal) -> None:
    world, v2 = rehearsal.world, rehearsal.v2
    meant = flights.batch(world, 1, version="v2")

    jobs.feed(world, jobs.deploy(world, v2.revision), version="v2")
    deploy(world, v2, project="delay_v2__fed_right")
    server = Server(world, project="delay_v2__fed_right", service=v2.service, version=v2.model)

    served = server.features(meant)[[*server.inputs]]
    pd.testing.assert_frame_equal(served, meant[[*server.inputs]], check_exact=True)


def test_a_version_says_what_made_it(rehearsal: Rehearsal) -> None:
    client = vendors.mlflow(rehearsal.world).client

    for version, service in ((rehearsal.v1, "delay_v1"), (rehearsal.v2, "delay_v2")):
        said = {
            "mlflow.source.git.commit": version.revision,
            "feast.feature_service": service,
        }
        found = client.get_model_version("delay", version.model)

        assert found.tags == said
        assert said.items() <= client.get_run(found.run_id).data.tags.items()


def test_the_misfit_is_on_a_branch_of_its_own(rehearsal: Rehearsal) -> None:
    world = rehearsal.world

    changed = commands.git(world, "diff", "--name-only", rehearsal.v1.revision, rehearsal.misfit)

    assert changed.decode().split() == ["feature_repo/definitions.py"]
    assert commands.git(world, "branch", "--show-current") == b"main\n"
    assert commands.git(world, "status", "--porcelain") == b""
    assert commands.git(world, "merge-base", rehearsal.misfit, "main").decode().strip() == (
        rehearsal.v1.revision
    )


def test_what_the_pipeline_made_is_in_its_cache(rehearsal: Rehearsal) -> None:
    commands.dvc(rehearsal.world, "status", "--quiet")  # fails if anything has changed

    assert rehearsal.world.test_set("v1").exists()  # v2 left it alone


def test_a_change_that_does_not_apply_is_said_in_one_error(rehearsal: Rehearsal) -> None:
    with pytest.raises(CommandError, match="patch does not apply") as caught:
        repository.apply(rehearsal.world, "v2")

    assert caught.value.code == 1


def test_the_sink_starts_empty(rehearsal: Rehearsal) -> None:
    assert sink.rows_by_version(rehearsal.world) == {}
