"""promote --with, plan promote --with: by hand against canned answers, and a real server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import Run, Trilock
from tests.support.fake_server import FakeServer
from tests.support.releases import OPERATION, alias, operation, release
from tests.support.served_world import Served, secret_of, settings_text
from tests.support.sharing_world import ETA_ALIAS, Sharing, sharing_world
from tests.support.values import ALIAS
from trilock.server.settings import load_settings
from trilock.v1.operation_pb2 import OperationState
from trilock.v1.release_service_pb2 import Companion, GetAliasResponse, PromoteResponse

SUCCEEDED = operation(OperationState.OPERATION_STATE_SUCCEEDED)
WITH = "--with=eta=5"


def test_each_companion_is_sent_by_its_full_name(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse())

    run = trilock(
        "promote",
        "delay/2",
        "--dry-run",
        WITH,
        "--with=eta@canary=eta/6",
        "--with=models/fare/aliases/production=models/fare/bundles/7",
    )

    (request,) = server.requests("ReleaseService.Promote")
    assert list(request.companions) == [
        Companion(alias="models/eta/aliases/production", bundle="models/eta/bundles/5"),
        Companion(alias="models/eta/aliases/canary", bundle="models/eta/bundles/6"),
        Companion(alias="models/fare/aliases/production", bundle="models/fare/bundles/7"),
    ]
    assert run.err.splitlines() == [
        "bundle 2 can be promoted to delay@production",
        "bundle 5 can be promoted to eta@production",
        "bundle 6 can be promoted to eta@canary",
        "bundle 7 can be promoted to fare@production",
    ]


def test_the_end_says_what_is_live_and_what_still_follows(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer("ReleaseService.Promote", PromoteResponse(operation=SUCCEEDED))
    follows = alias(release(1, bundle=5), operation=OPERATION)
    server.answer("ReleaseService.GetAlias", GetAliasResponse(alias=follows))

    run = trilock("promote", "delay/2", WITH)

    assert run.code == 0
    assert run.out.startswith(
        "bundle 2 is live on delay@production, bundle 5 is live on eta@production: "
    )
    assert run.err.splitlines()[-3:] == [
        f"eta@production still follows: trilock operations wait {OPERATION.split('/')[1]}",
        "next: trilock finalize delay@production, or trilock rollback delay@production",
        "next: trilock finalize eta@production, or trilock rollback eta@production",
    ]


@pytest.mark.parametrize("text", ["eta", "eta=", "=5", "eta=x/y/z", "eta@=5"])
@pytest.mark.parametrize("command", [["promote"], ["plan", "promote"]])
def test_what_is_no_companion_is_a_usage_error(
    trilock: Trilock, command: list[str], text: str
) -> None:
    run = trilock(*command, "delay/2", f"--with={text}")

    assert (run.code, run.out) == (2, "")
    assert " is not " in run.err


class Together:
    """A server on two models that share a mirror, and a bundle of each that fits the other."""

    def __init__(self, served: Served, world: Sharing, folder: Path) -> None:
        self.served = served
        self.world = world
        self._token = folder / "token"
        self._token.write_text(secret_of("promote"))
        world.record_of("delay", source="scaled")
        world.record_of("eta", source="scaled")

    def __call__(self, *arguments: str) -> Run:
        run = Trilock(self.served.address)
        window = ["--features-from=2013-05-01", "--features-to=2013-07-01"]
        return run(*arguments, *window, env={"TRILOCK_TOKEN_FILE": str(self._token)})

    def live(self) -> list[int]:
        return [self.world.live_on(alias).bundle.number for alias in (ALIAS, ETA_ALIAS)]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Together]:
    file = tmp_path / "trilock.toml"
    file.write_text(settings_text())
    with sharing_world(tmp_path) as world:
        served = Served(world, load_settings(file))
        try:
            served.start()
            yield Together(served, world, tmp_path)
        finally:
            served.close()


def test_alone_it_is_refused_with_the_list(both: Together) -> None:
    run = both("promote", "delay/2")

    assert run.code == 100
    assert "  CON002  models/eta/bundles/1/weather:temp: " in run.out


def test_the_plan_shows_both_verdicts_and_runs_as_reviewed(both: Together) -> None:
    run = both("plan", "promote", "delay/2", "--with=eta=2")

    assert run.code == 0
    assert "together with it: eta@production from bundle 1 to bundle 2\n" in run.out
    assert run.out.count("bundle 2: compatible, with warnings\n") == 2
    review = run.err.strip().removeprefix("next: trilock ").split()
    assert review[:5] == ["promote", "delay/2", "delay@production", "--with", "eta=2"]

    run = both(*review, "--no-wait")

    assert run.code == 0
    both.world.settle()
    assert both.live() == [2, 2]


def test_a_refusal_shows_the_report_of_the_one_that_does_not_fit(both: Together) -> None:
    run = both("promote", "eta/1", "--with=delay=2")

    assert (run.code, both.live()) == (3, [1, 1])
    assert "models/eta/bundles/1 is live already" in run.err

    both.world.record_of("eta", inputs='[{"type": "string", "name": "temp"}]', source="scaled")
    run = both("promote", "delay/2", "--with=eta=3")

    assert run.code == 100
    assert run.out.startswith("bundle 3 on eta@production: incompatible\n")


@pytest.mark.parametrize(
    ("companion", "message"),
    [
        ("delay=2", "models/delay/aliases/production is named twice"),
        ("eta=9", "models/eta/bundles/9 does not exist"),
        ("fare=1", "models/fare/bundles/1 does not exist"),
        ("eta=models/delay/bundles/2", "is not of model 'eta'"),
    ],
)
def test_what_cannot_go_along_is_a_usage_error(
    both: Together, companion: str, message: str
) -> None:
    run = both("promote", "delay/2", f"--with={companion}")

    assert (run.code, run.out) == (2, "")
    assert message in run.err


def test_a_trial_takes_nobody_along(both: Together) -> None:
    run = both("promote", "delay/2", "--with=eta=2", "--canary=10")

    assert (run.code, run.out) == (2, "")
    assert "companions: only what is to be live at once has them" in run.err
