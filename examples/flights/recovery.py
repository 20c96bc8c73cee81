"""The end: one command takes version 2 back, and everything is looked up where it is."""

from datetime import UTC
from typing import Final

import pandas as pd
from examples.flights import evidence, sink
from examples.flights.fleet import SIZE, Fleet
from examples.flights.serve import Server
from examples.flights.stage import Stage, Version, write
from examples.flights.version_1 import Baseline
from examples.flights.version_2 import Served
from examples.flights.world import BATCH, LIVE_PROJECT, MODEL

from trilock.client import Client
from trilock.client.errors import WriterFencedError
from trilock.v1.operation_pb2 import Operation
from trilock.v1.operation_service_pb2 import ListOperationsRequest
from trilock.v1.release_pb2 import Release
from trilock.v1.release_service_pb2 import GetAliasRequest, GetReleaseRequest

_ALIAS: Final = f"models/{MODEL}/aliases/production"
_AGAIN: Final = 100
"""So many of the first flights are predicted once more."""


def roll_back(stage: Stage, fleet: Fleet, v1: Version) -> None:
    """Press the button, and wait until every client has switched."""
    trilock, narrator, report = stage.trilock, stage.narrator, stage.report
    with stage.step("rollback", "One command takes it back"):
        ran = trilock.run("rollback", "--yes")
        switches = fleet.switched_to(v1.model, since=ran.began)
        last = max(switches, key=lambda switch: switch.at)
        release, operation = _what_trilock_says(stage)
        # The step also starts Python and waits for every plane; this is what readers see.
        took = last.at - ran.began
        after_pivot = (last.moment - release.start_time.ToDatetime(UTC)).total_seconds()
        asked = operation.end_time.ToDatetime(UTC) - operation.create_time.ToDatetime(UTC)
        narrator.seen(
            f"{len(switches)} of {SIZE} clients serve version {v1.model}: the last one "
            f"{took * 1000:.0f} ms after the command began, {after_pivot * 1000:.0f} ms after the "
            "change was decided"
        )
        narrator.seen(
            f"the operation itself: {asked.total_seconds() * 1000:.0f} ms from the call until "
            "MLflow, Feast and the sink agree"
        )
        stage.prove(
            "clients_switched",
            len(switches) == SIZE and fleet.serve(v1.model),
            f"{len(switches)} of {SIZE}, the last one {took * 1000:.0f} ms after the command began",
        )
        trilock.run("status")
    report.seconds["rollback"] = took


def prove(stage: Stage, fleet: Fleet, baseline: Baseline, served: Served, v1: Version) -> None:
    """Look at everything that the bad release could have left behind."""
    with stage.step("prove", "What is left of version 2? Looked up in MLflow, Feast and the sink"):
        _prove_model(stage, v1)
        server = stage.server(fleet.live())
        _prove_features(stage, fleet, baseline, v1, server)
        _prove_sink(stage, served)
        again = server.predict(stage.batch(0).head(_AGAIN))
        first = baseline.predicted.head(_AGAIN)
        stage.prove(
            "predictions_identical",
            again.index.equals(first.index)
            and again.to_numpy().tobytes() == first.to_numpy().tobytes(),
            f"{len(again)} of the first flights, predicted again: the same bits",
        )


def _prove_model(stage: Stage, v1: Version) -> None:
    found = evidence.live_version(stage.world)
    stage.prove("alias_restored", found == v1.model, f"MLflow: delay@production is version {found}")


def _prove_features(
    stage: Stage, fleet: Fleet, baseline: Baseline, v1: Version, server: Server
) -> None:
    world, own = stage.world, fleet.live().feature_project
    captured = evidence.definitions(world, project=own)
    mirrored = evidence.definitions(world, project=LIVE_PROJECT)
    equal = sum(mirrored.get(key) == proto for key, proto in captured.items())
    beside = ", ".join(f"{kind} {name}" for kind, name in sorted(mirrored.keys() - captured))
    stage.prove(
        "mirror_equal",
        equal == len(captured) and captured == baseline.mirror,
        f"Feast: {equal} of {len(captured)} definitions of project {LIVE_PROJECT} are v1's"
        + (f" (left, unread: {beside})" if beside else ""),
    )

    asked = pd.concat([stage.batch(0), stage.batch(1)], ignore_index=True)
    mirror = Server(world, project=LIVE_PROJECT, service=v1.service, version=v1.model)
    meant = asked[[*server.inputs]]
    found = [each.features(asked)[[*server.inputs]] for each in (server, mirror)]
    same = [int(_equal_rows(each, meant).sum()) for each in found]
    stage.prove(
        "values_equal",
        same == [len(asked)] * 2,
        f"Feast: v1's values, all {len(server.inputs)}, for {same[1]:,} of {len(asked):,} flights "
        f"in {LIVE_PROJECT}, for {same[0]:,} in {own}",
    )


def _equal_rows(found: pd.DataFrame, meant: pd.DataFrame) -> "pd.Series[bool]":
    # NaN is not equal to itself, and a gap has to be a gap.
    return ((found == meant) | (found.isna() & meant.isna())).all(axis="columns")


def _prove_sink(stage: Stage, served: Served) -> None:
    try:
        write(served.writer, served.predicted.head(_AGAIN), model="2")
    except WriterFencedError as error:
        refused, said = True, str(error)
    else:
        refused, said = False, "a writer of version 2 could still write"
    table = sink.rows_by_version(stage.world)
    staged = evidence.staged_by_version(stage.world)
    stage.prove("late_write_refused", refused and table == {"1": BATCH}, said)
    stage.prove(
        "table_clean",
        table == {"1": BATCH},
        f"the table has {table.get('1', 0):,} rows of v1, {table.get('2', 0):,} of v2",
    )
    counted = _quarantined(stage)
    stage.prove(
        "quarantine_counted",
        staged.get("2") == counted == len(served.predicted),
        f"{staged.get('2', 0):,} rows of v2 in quarantine, trilock counts {counted:,}",
    )


def _what_trilock_says(stage: Stage) -> tuple[Release, Operation]:
    """Return the release that is live, and the operation that made it so."""
    trilock = stage.trilock
    with Client(trilock.address, token_file=trilock.token_file) as client:
        alias = client.releases.GetAlias(GetAliasRequest(name=_ALIAS)).alias
        request = ListOperationsRequest(alias=_ALIAS, page_size=1)
        (operation,) = client.operations.ListOperations(request).operations
    return alias.live, operation


def _quarantined(stage: Stage) -> int:
    trilock = stage.trilock
    release, _ = _what_trilock_says(stage)
    with Client(trilock.address, token_file=trilock.token_file) as client:
        left = client.releases.GetRelease(GetReleaseRequest(name=release.leaves)).release
    return sum(each.staged_rows for each in left.sinks)
