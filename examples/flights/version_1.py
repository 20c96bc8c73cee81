"""The first half of the story: version 1 goes live, and what does not fit is refused."""

from dataclasses import dataclass
from typing import Final

import pandas as pd
from examples.flights import evidence, jobs, registry, repository, sink, vendors
from examples.flights.deployment import Ran
from examples.flights.fleet import SIZE, Fleet
from examples.flights.stage import CONNECTION, SINK, WINDOW, Stage, Version, meanwhile, write
from examples.flights.world import LIVE_PROJECT, World

_MISFIT: Final = {
    ("FIT001", "precip"),  # not served any more
    ("FIT001", "visib"),  # has another name
    ("FIT004", "seats"),  # has another type
}
"""What misfit.patch breaks, by rule and feature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """How everything was while version 1 was live and good."""

    predicted: "pd.Series[float]"
    mirror: evidence.Definitions


def train(stage: Stage) -> Version:
    """Make the user's systems, and the first version of the model in them."""
    world, narrator, service = stage.world, stage.narrator, "delay_v1"
    with stage.step("train_v1", "A team predicts delays: git and DVC, Feast, MLflow"):
        repository.create(world)
        sink.create(world)
        with (
            narrator.working("dvc repro: features of 336,776 flights, then the training"),
            meanwhile(_import_vendors, world),
        ):
            repository.reproduce(world)
        revision = repository.commit(world, message="Predict the arrival delay")
        with (
            narrator.working("the job of that commit feeds Feast, the model joins MLflow"),
            meanwhile(lambda: jobs.feed(world, jobs.deploy(world, revision), version="v1")),
        ):
            model = registry.publish(world, revision=revision, service=service)
        narrator.seen(f"commit {revision[:12]}, delay version {model}, feature service {service}")
    return Version(revision=revision, model=model, service=service)


def release(stage: Stage, v1: Version) -> None:
    """Record version 1 and make it live."""
    trilock, narrator = stage.trilock, stage.narrator
    with stage.step("promote_v1", "What belongs together is recorded, checked and promoted"):
        narrator.explain("model version, feature definitions and commit become one thing: bundle 1")
        trilock.run(
            *("sinks", "register", SINK),
            *("--connection", CONNECTION, "--table", sink.TABLE, "--key", sink.KEY),
        )
        trilock.run("record", "--model-version", v1.model, "--service", v1.service)
        trilock.run("promote", "1", *WINDOW)


def serve(stage: Stage, fleet: Fleet) -> Baseline:
    """Serve the first flights, and end the soak."""
    trilock, narrator = stage.trilock, stage.narrator
    with stage.step("serve_v1", f"{SIZE} serving processes are told what is live, and serve"):
        narrator.explain("until the release is final, what it writes waits in a staging table")
        live = fleet.live()
        stage.look_at_followers(live)
        asked = stage.batch(0)
        with narrator.working(
            f"model version {live.model_version} predicts {len(asked):,} flights"
        ):
            predicted = stage.server(live).predict(asked)
            with fleet.writer(live, SINK, connections=stage.connections) as writer:
                write(writer, predicted, model=live.model_version)
        stage.look_into_sink()
        trilock.run("finalize")
        stage.look_into_sink()
    mirror = evidence.definitions(stage.world, project=LIVE_PROJECT)
    return Baseline(predicted=predicted, mirror=mirror)


def refuse(stage: Stage, v1: Version) -> None:
    """Let a candidate be refused that does not fit."""
    world, trilock, narrator = stage.world, stage.trilock, stage.narrator
    with stage.step("refuse", "A change of the feature views that does not fit is refused"):
        repository.propose(world, "misfit", message="Tidy the feature views")
        narrator.explain("the branch drops a feature, renames one and changes a type; CI asks:")
        before = evidence.fingerprint(world)
        ran = trilock.run(
            *("check", "--model-version", v1.model, "--service", v1.service, "--commit", "misfit"),
            expected=100,
        )
        found = _errors(ran)
        untouched = evidence.fingerprint(world) == before
        stage.prove(
            "incompatible_refused",
            found == _MISFIT and untouched and evidence.live_version(world) == v1.model,
            f"exit code {ran.code}, {len(found)} of 3 errors named, nothing was changed",
        )


def _errors(ran: Ran) -> set[tuple[str, str]]:
    """Return rule and feature of every error in the report that a check has printed."""
    found, group = set(), ""
    for line in ran.lines:
        if not line.startswith(" "):
            group = line
        elif "error" in group and not line.startswith("   "):
            rule, feature, *_ = line.split()
            found.add((rule, feature.rstrip(":")))
    return found


def _import_vendors(world: World) -> None:
    # Seconds, which the training takes anyway.
    registry.prepare(world)
    vendors.feature_store(world, project=LIVE_PROJECT)
