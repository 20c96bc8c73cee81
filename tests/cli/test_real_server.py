"""The command line and the resolver against the real server; only the outside systems are fakes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command_line import Run, Trilock
from tests.support.served_world import Served, secret_of, served_world
from tests.support.world import SINK, WINDOW, World
from trilock.client import Client, Resolver
from trilock.client.errors import IncompatibleError
from trilock.v1.release_service_pb2 import PromoteRequest

DEADLINE = 20.0
WRONG_INPUTS = '[{"type": "string", "name": "temp", "required": true}]'
FEATURES = (
    f"--features-from={WINDOW.start.isoformat()}",
    f"--features-to={WINDOW.end.isoformat()}",
)


@contextmanager
def driven(world: World) -> Iterator[None]:
    """Drive the world's operations in a thread, as the server's own process does."""
    done = threading.Event()

    def drive() -> None:
        while not done.wait(0.02):
            world.settle()

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_world(tmp_path) as served, driven(served.world):
        yield served


class Operator:
    """Runs commands with the rights of one role."""

    def __init__(self, served: Served, folder: Path, *, role: str) -> None:
        token = folder / f"{role}.token"
        token.write_text(secret_of(role))
        self._env = {"TRILOCK_TOKEN_FILE": str(token)}
        self._trilock = Trilock(served.address)

    def __call__(self, *arguments: str, code: int = 0) -> Run:
        run = self._trilock(*arguments, env=self._env)
        assert run.code == code, run
        return run


@pytest.fixture
def trilock(served: Served, tmp_path: Path) -> Operator:
    return Operator(served, tmp_path, role="admin")


def record(trilock: Operator, world: World, **training: str) -> str:
    version, commit = world.train(**training)
    run = trilock(
        "record", "--model-version", version, "--service=delay", "--commit", commit, "-o", "json"
    )
    name: str = run.json["bundle"]["name"]
    return name


def test_a_bad_release_is_rolled_back_by_one_command(
    served: Served, trilock: Operator, tmp_path: Path
) -> None:
    world = served.world
    trilock(
        "sinks",
        "register",
        "predictions",
        "--connection=warehouse",
        "--table=predictions",
        "--key=flight",
    )
    good = record(trilock, world)
    trilock("promote", good, *FEATURES)
    trilock("finalize")
    with Client(served.address, token=secret_of("serve")) as client:
        resolver = Resolver(client, ["delay"], cache_dir=tmp_path / "cache")
        with resolver:
            assert resolver.wait_ready(DEADLINE)
            assert resolver.current().bundle == good
            with resolver.sink("predictions", connections={"warehouse": world_url(world)}) as sink:
                sink.write([{"flight": "UA1", "delay": 3.0}])

            bad = record(trilock, world)
            plan = trilock("plan", "promote", bad, *FEATURES, "-o", "json").json["plan"]["id"]
            trilock("promote", bad, *FEATURES, "--plan", plan, "--reason", "fresher")
            revision = trilock("resolve", "-o", "json").json["revision"]
            assert resolver.wait_for(revision, DEADLINE)
            assert resolver.current().bundle == bad
            assert resolver.current().standby is not None
            with resolver.sink("predictions", connections=world_url(world)) as sink:
                sink.write([{"flight": "UA2", "delay": 99.0}])
            assert "SOAKING" in trilock("status").out

            run = trilock("rollback", "--yes", "--reason=wrong unit", "--incident=INC-7")
            assert run.out.splitlines()[0] == (
                "delay@production is back on bundle 1 (release 3 restores release 1)"
            )
            assert run.out.splitlines()[1].startswith("switched in ")
            assert "; serving: 1 watcher in " in run.out.splitlines()[1]
            assert run.out.splitlines()[2] == "predictions: 1 row of release 2 quarantined"
            revision = trilock("resolve", "-o", "json").json["revision"]
            assert resolver.wait_for(revision, DEADLINE)
            assert resolver.current().bundle == good
            assert resolver.current().incident == "INC-7"

    assert world.table() == {"UA1": 3.0}
    again = trilock("rollback", "--yes")
    assert again.err.startswith("already done by admin: delay@production is back on bundle 1")
    changes = trilock("history", "-o", "json").json
    assert [(one["bundle"], one["state"], one["cause"]["incident"]) for one in changes] == [
        (good, "FINALIZED", "INC-7"),
        (bad, "ROLLED_BACK", ""),
        (good, "SUPERSEDED", ""),
    ]
    held = trilock("promote", bad, code=3)
    assert "is on hold since admin recorded" in held.err
    trilock("unhold", bad, "--reason", "the unit is right again")
    assert [one["done"] for one in trilock("operations", "list", "-o", "json").json] == [True] * 4


def world_url(world: World) -> str:
    return f"sqlite:///{world.warehouse}"


def test_an_incompatible_bundle_is_refused_with_its_findings(
    served: Served, trilock: Operator
) -> None:
    bundle = record(trilock, served.world, inputs=WRONG_INPUTS)

    refused = trilock("promote", bundle, *FEATURES, code=100)
    checked = trilock("check", bundle, "-o", "json", code=100)

    assert "temp" in refused.out
    assert checked.json["verdict"] == "INCOMPATIBLE"
    rules = {finding["rule"] for finding in checked.json["findings"]}
    assert all(rule in refused.out for rule in rules)
    with Client(served.address, token=secret_of("promote")) as client:
        request = PromoteRequest(alias="models/delay/aliases/production", bundle=bundle)
        with pytest.raises(IncompatibleError) as caught:
            client.releases.Promote(request)
    assert caught.value.report is not None
    assert {finding.rule for finding in caught.value.report.findings} == rules


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["resolve", "delay@canary"], 2, "nothing was ever released on delay@canary; an"),
        (["resolve", "Delay"], 2, "'Delay' is not a valid model"),
        (["bundles", "17"], 2, "models/delay/bundles/17 does not exist"),
        (["operations", "show", "nonsense"], 2, "'nonsense' is no operation's id"),
        (["promote", "17"], 2, "models/delay/bundles/17 does not exist"),
        (["rollback", "--yes"], 2, "nothing was ever released on delay@production"),
        (["finalize"], 2, "nothing was ever released on delay@production"),
        (["tokens", "create", "ci", "--role=nonsense"], 2, "'nonsense' is no role"),
        (["record", "--model-version=99", "--service=delay", f"--commit={'0' * 40}"], 2, "exist"),
        (
            ["sinks", "register", "p", "--connection=lake", "--table=t"],
            2,
            "no sink connection 'lake'",
        ),
        (["sinks", "register", "p", "--connection=warehouse", "--table=gone"], 3, "gone"),
    ],
)
def test_bad_input_is_one_clear_line(
    *, arguments: list[str], code: int, words: str, trilock: Operator
) -> None:
    run = trilock(*arguments, code=code)

    assert run.out == ""
    assert run.err.startswith("error: ")
    assert words in run.err
    assert "Traceback" not in run.err


def test_a_role_may_not_do_what_another_may(
    served: Served, trilock: Operator, tmp_path: Path
) -> None:
    bundle = record(trilock, served.world)
    on_call = Operator(served, tmp_path, role="rollback")

    run = on_call("promote", bundle, code=3)

    assert run.err == "error: rollback has rollback; this call needs promote\n"
    on_call("status")


def test_without_a_token_it_says_what_to_do(served: Served) -> None:
    run = Trilock(served.address)("status", env={"TRILOCK_CONFIG": "/nowhere/trilock.toml"})

    assert run.code == 3
    assert "set TRILOCK_TOKEN_FILE" in run.err


def test_everything_that_shows_something_works_on_an_empty_server(trilock: Operator) -> None:
    for command in (
        ["status"],
        ["history"],
        ["aliases"],
        ["bundles"],
        ["operations", "list"],
        ["features", "list"],
        ["features", "list", "--schemas"],
        ["sinks", "list"],
        ["tokens", "list"],
    ):
        assert isinstance(trilock(*command, "-o", "json").json, list)
        trilock(*command)


def test_features_and_sinks_are_shown(served: Served, trilock: Operator) -> None:
    _, commit = served.world.train()
    captured = trilock("features", "capture", "delay", "--commit", commit, "-o", "json").json
    served.world.register()

    assert captured["created"] is True
    assert trilock("features", "list", "--schemas").out.count("delay/1") == 1
    assert trilock("sinks", "show", SINK.sink, "-o", "json").json["keys"] == ["flight"]
