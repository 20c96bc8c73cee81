import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer
from tests.support.releases import COMPATIBLE, INCOMPATIBLE, WARNINGS, ago
from trilock.v1.bundle_pb2 import Bundle, FeatureSchema, Hold, ModelVersion, PipelineCommit
from trilock.v1.bundle_service_pb2 import (
    GetBundleResponse,
    LiftHoldResponse,
    ListBundlesRequest,
    ListBundlesResponse,
    RecordBundleResponse,
)
from trilock.v1.report_pb2 import Report

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def bundle(number: int, *, report: Report = COMPATIBLE, hold: str = "") -> Bundle:
    return Bundle(
        name=f"models/delay/bundles/{number}",
        digest="d1",
        model_version=ModelVersion(registered_model="delay", version="7", location="runs:/x"),
        feature_schema=FeatureSchema(
            name="featureSchemas/delay_v1/versions/3", service="delay_v1", project="delay_v1__s3"
        ),
        pipeline_commit=PipelineCommit(revision=COMMIT),
        report=report,
        hold=Hold(reason=hold, principal="bob", create_time=ago(days=2)) if hold else None,
        create_time=ago(hours=2),
        creator="alice",
    )


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)

    def git(*arguments: str) -> str:
        identity = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
        command = ["git", *identity, *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet")
    return git


def test_record_sends_the_tuple_and_shows_the_verdict(
    server: FakeServer, trilock: Trilock, tmp_path: Path
) -> None:
    (tmp_path / "serving.json").write_text('{"image": "sha256:1", "limit": 3}')
    server.answer(
        "BundleService.RecordBundle",
        RecordBundleResponse(bundle=bundle(17, report=WARNINGS), created=True),
    )

    run = trilock(
        "record",
        "--model-version=7",
        "--service=delay_v1",
        f"--commit={COMMIT}",
        f"--serving-config=@{tmp_path}/serving.json",
    )

    assert run.code == 0
    assert run.out.splitlines()[0] == "models/delay/bundles/17: compatible, with warnings"
    assert run.err == "next: trilock plan promote delay/17\n"
    (request,) = server.requests("BundleService.RecordBundle")
    assert (request.model, request.model_version) == ("delay", "7")
    assert (request.service, request.pipeline_revision) == ("delay_v1", COMMIT)
    assert dict(request.serving_config) == {"image": "sha256:1", "limit": 3}
    assert uuid.UUID(request.request_id).version == 4


def test_what_was_recorded_before_says_so(server: FakeServer, trilock: Trilock) -> None:
    server.answer("BundleService.RecordBundle", RecordBundleResponse(bundle=bundle(17)))

    run = trilock("record", "--model-version=7", "--service=s", f"--commit={COMMIT}")

    assert run.err == ("models/delay/bundles/17 was recorded before, by alice: nothing was added\n")


@pytest.mark.parametrize(
    ("report", "options", "code"),
    [
        (INCOMPATIBLE, [], 0),
        (INCOMPATIBLE, ["--fail-on=error"], 100),
        (WARNINGS, ["--fail-on=error"], 0),
        (WARNINGS, ["--fail-on=warning"], 101),
    ],
)
def test_recording_succeeds_whatever_the_verdict_unless_asked(
    *, report: Report, options: list[str], code: int, server: FakeServer, trilock: Trilock
) -> None:
    server.answer(
        "BundleService.RecordBundle",
        RecordBundleResponse(bundle=bundle(17, report=report), created=True),
    )

    run = trilock("record", "--model-version=7", "--service=s", f"--commit={COMMIT}", *options)

    assert run.code == code


def test_the_commit_is_the_one_checked_out(
    server: FakeServer, trilock: Trilock, repository: Callable[..., str]
) -> None:
    repository("commit", "--quiet", "--allow-empty", "--message=one")
    repository("tag", "one")
    repository("commit", "--quiet", "--allow-empty", "--message=two")
    server.answer("BundleService.RecordBundle", RecordBundleResponse(bundle=bundle(1)))

    trilock("record", "--model-version=7", "--feature-schema=delay_v1/3")
    trilock("record", "--model-version=7", "--feature-schema=delay_v1/3", "--commit=one")

    head, tagged = server.requests("BundleService.RecordBundle")
    assert head.pipeline_revision == repository("rev-parse", "HEAD")
    assert tagged.pipeline_revision == repository("rev-parse", "one")
    assert head.feature_schema == "featureSchemas/delay_v1/versions/3"


def test_a_commit_that_is_not_there_is_refused_at_once(
    server: FakeServer, trilock: Trilock, repository: Callable[..., str]
) -> None:
    run = trilock("record", "--model-version=7", "--service=s", "--commit=--version")

    assert (run.code, server.requests("BundleService.RecordBundle")) == (2, [])
    assert run.err == (
        "error: there is no commit '--version' in the current folder's git repository: "
        "say --commit with a full id\n"
    )


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--service=s", "--feature-schema=s/1"],
        ["--service=s", "--serving-config=[1]"],
        ["--feature-schema=s"],
    ],
)
def test_a_tuple_that_is_not_whole_is_refused(*, options: list[str], trilock: Trilock) -> None:
    run = trilock("record", "--model-version=7", f"--commit={COMMIT}", *options)

    assert run.code == 2
    assert run.err.startswith("error: ")


def test_a_dry_run_records_nothing(server: FakeServer, trilock: Trilock) -> None:
    unnamed = bundle(1)
    unnamed.name = ""
    server.answer("BundleService.RecordBundle", RecordBundleResponse(bundle=unnamed))

    run = trilock("record", "--model-version=7", "--service=s", f"--commit={COMMIT}", "--dry-run")

    assert (run.code, run.out, run.err) == (0, "not recorded: compatible\n", "")
    assert server.requests("BundleService.RecordBundle")[0].validate_only


def test_bundles_are_listed(server: FakeServer, trilock: Trilock) -> None:
    found = [bundle(2, hold="rolled back"), bundle(1)]
    server.answer("BundleService.ListBundles", ListBundlesResponse(bundles=found))

    run = trilock("bundles")
    as_json = trilock("bundles", "-o", "json")

    header, first, second = run.out.splitlines()
    assert header.split()[:2] == ["bundle", "model"]
    assert first.split()[:5] == ["delay/2", "7", "delay_v1/3", COMMIT[:12], "compatible"]
    assert "on hold: rolled back" in first
    assert second.startswith("delay/1 ")
    assert [one["name"] for one in as_json.json] == [
        "models/delay/bundles/2",
        "models/delay/bundles/1",
    ]


def test_a_list_is_read_page_by_page_up_to_the_limit(server: FakeServer, trilock: Trilock) -> None:
    server.answer(
        "BundleService.ListBundles",
        ListBundlesResponse(bundles=[bundle(3), bundle(2)], next_page_token="t"),  # noqa: S106
        ListBundlesResponse(bundles=[bundle(1)], next_page_token="u"),  # noqa: S106
    )

    run = trilock("bundles", "delay", "--limit=3", "-o", "json")

    assert [one["name"][-1] for one in run.json] == ["3", "2", "1"]
    assert server.requests("BundleService.ListBundles") == [
        ListBundlesRequest(model="delay", page_size=3),
        ListBundlesRequest(model="delay", page_size=1, page_token="t"),  # noqa: S106
    ]


@pytest.mark.parametrize("spelled", ["2", "delay/2", "models/delay/bundles/2"])
def test_one_bundle_is_shown(*, spelled: str, server: FakeServer, trilock: Trilock) -> None:
    server.answer("BundleService.GetBundle", GetBundleResponse(bundle=bundle(2, hold="bad")))

    run = trilock("bundles", spelled)

    assert run.code == 0
    assert "models/delay/bundles/2" in run.out
    assert "bad (by bob " in run.out
    assert run.out.splitlines()[-1] == "when recorded: compatible"
    assert server.requests("BundleService.GetBundle")[0].name == "models/delay/bundles/2"


def test_a_hold_is_lifted_with_a_reason(server: FakeServer, trilock: Trilock) -> None:
    server.answer("BundleService.LiftHold", LiftHoldResponse(bundle=bundle(2)))

    run = trilock("unhold", "2", "--reason", "the feed is right again")

    assert (run.code, run.err) == (0, "models/delay/bundles/2 can be promoted again\n")
    (request,) = server.requests("BundleService.LiftHold")
    assert (request.name, request.reason) == (
        "models/delay/bundles/2",
        "the feed is right again",
    )
    assert trilock("unhold", "2").code == 2
