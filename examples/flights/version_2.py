"""The second half: version 2 goes live, fed by the job of version 1, and is bad."""

from dataclasses import dataclass
from typing import Final

import pandas as pd
from examples.flights import evidence, jobs, registry, repository
from examples.flights.deployment import UnexpectedError
from examples.flights.fleet import Fleet
from examples.flights.serve import Server, mean_absolute_error
from examples.flights.stage import SINK, WINDOW, Stage, Version, meanwhile, write

from trilock.client.sinks import SinkWriter

_WORSE: Final = 1.05
"""How much the error has to rise at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What version 2 did while it was live."""

    flights: pd.DataFrame
    features: pd.DataFrame
    """What Feast served."""
    predicted: "pd.Series[float]"
    writer: SinkWriter
    """Still open: it does not know that its release will be taken back."""
    server: Server


def train(stage: Stage, v1: Version) -> Version:
    """Train on degrees Celsius; deploy everything but the job that feeds it."""
    world, narrator, service = stage.world, stage.narrator, "delay_v2"
    with stage.step("train_v2", "Version 2 is trained: Celsius for Fahrenheit, and a new feature"):
        repository.apply(world, "v2")
        job = jobs.deploy(world, v1.revision)
        with (
            narrator.working("dvc repro; `temp` keeps its name and type, and changes its meaning"),
            meanwhile(jobs.feed, world, job, version="v2"),
        ):
            repository.reproduce(world)
        revision = repository.commit(world, message="Degrees Celsius, and the dew point")
        with narrator.working("the model joins MLflow"):
            model = registry.publish(world, revision=revision, service=service)
        narrator.seen(f"commit {revision[:12]}, delay version {model}, feature service {service}")
        narrator.explain("what nobody notices: the job that feeds it is still that of version 1")
    return Version(revision=revision, model=model, service=service)


def release(stage: Stage, v2: Version) -> None:
    """Record version 2, plan it, make it live."""
    world, trilock, narrator = stage.world, stage.trilock, stage.narrator
    with stage.step("promote_v2", "Version 2 goes live: its features beside those of version 1"):
        narrator.explain(
            "same names and types, other meaning: trilock says so, and lets people judge"
        )
        before = evidence.fingerprint(world)
        recorded = trilock.run("record", "--model-version", v2.model, "--service", v2.service)
        recorded.find("SEM001  weather:temp:")
        if evidence.fingerprint(world) != before:
            raise UnexpectedError("recording version 2 has changed Feast's registry or its values")
        narrator.seen("recording it has changed nothing in Feast's registry and online store")
        planned = trilock.run("plan", "promote", "2", *WINDOW, hide_from="bundle 2: ")
        plan = planned.find("plan ").split()[1].rstrip(":")
        trilock.run("promote", "2", *WINDOW, "--plan", plan)


def serve(stage: Stage, fleet: Fleet) -> Served:
    """Serve the next flights."""
    trilock, narrator = stage.trilock, stage.narrator
    with stage.step("serve_v2", "Version 2 serves the next flights, and soaks"):
        live = fleet.live()
        stage.look_at_followers(live)
        server = stage.server(live)
        asked = stage.batch(1)
        with narrator.working(
            f"model version {live.model_version} predicts {len(asked):,} flights"
        ):
            features = server.features(asked)
            predicted = server.predict_from(features, asked["flight_id"])
            writer = fleet.writer(live, SINK, connections=stage.connections)
            write(writer, predicted, model=live.model_version)
        stage.look_into_sink()
        trilock.run("status")
    return Served(
        flights=asked, features=features, predicted=predicted, writer=writer, server=server
    )


def judge(stage: Stage, served: Served) -> None:
    """Show how bad it is, and why."""
    narrator = stage.narrator
    with stage.step("judge", "The flights have landed, and version 2 was bad"):
        asked = served.flights
        meant = stage.batch(1, version="v2")
        right = served.server.predict_from(meant, meant["flight_id"])
        wrong_error = mean_absolute_error(served.predicted, asked)
        right_error = mean_absolute_error(right, asked)
        rise = wrong_error / right_error - 1
        narrator.table(
            ["mean absolute error, same model, same flights", "minutes"],
            [
                ("with what Feast served", f"{wrong_error:.2f}"),
                ("with what the model was trained on", f"{right_error:.2f}"),
            ],
        )
        one = asked["flight_id"].iloc[0]
        narrator.explain(
            f"flight {one}: Feast says temp = {served.features['temp'].iloc[0]:.1f}, "
            f"version 2 means {meant['temp'].iloc[0]:.1f}"
        )
        stage.prove(
            "error_rose",
            wrong_error >= _WORSE * right_error,
            f"{wrong_error:.2f} instead of {right_error:.2f} minutes: {rise:+.1%}",
        )
