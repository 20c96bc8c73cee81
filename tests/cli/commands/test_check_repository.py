"""trilock check of a feature repository: by whom it is judged, and what is said of it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_real_server import FEATURES, Operator, driven, record
from tests.compat.readers import closure, reader, repository
from tests.support.command_line import Run, Trilock
from tests.support.fake_server import FakeServer
from tests.support.served_world import served_world
from trilock.compat import (
    Policy,
    RepositoryDefinitions,
    Severity,
    Standing,
    baseline_text,
    parse_baseline,
)
from trilock.server.domain.errors import NotFoundError, PreconditionError
from trilock.server.planes.feast import working_tree
from trilock.v1.check_service_pb2 import GetBaselineResponse, LeftOut

READERS = (
    reader(2),
    reader(1, standing=Standing.TARGET),
    reader(4, alias="models/eta/aliases/canary", service="eta", project="flights"),
    reader(5, alias="models/price/aliases/production", project="prices"),
)
DELAY = READERS[:2]
WITHOUT_WIND = repository({"delay_v1": closure({"temp": "Float64"})})

Define = Callable[[RepositoryDefinitions | Exception], None]


@pytest.fixture
def define(monkeypatch: pytest.MonkeyPatch) -> Define:
    """Say what every feature repository defines."""

    def define(what: RepositoryDefinitions | Exception) -> None:
        def read(folder: Path, *, seconds: float) -> RepositoryDefinitions:
            if isinstance(what, Exception):
                raise what
            return what

        monkeypatch.setattr(working_tree, "read_repository", read)

    return define


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    file = tmp_path / "baseline.json"
    file.write_text(baseline_text(DELAY))
    return file


@pytest.fixture
def check(trilock: Trilock, baseline: Path) -> Callable[..., Run]:
    def check(*options: str) -> Run:
        return trilock("check", "--repo=repo", f"--baseline={baseline}", *options)

    return check


def test_a_repository_is_judged_by_the_server_s_readers(
    server: FakeServer, trilock: Trilock, define: Define
) -> None:
    define(WITHOUT_WIND)
    server.answer(
        "CheckService.GetBaseline", GetBaselineResponse(content=baseline_text(READERS[:2]))
    )

    run = trilock("check", "--repo=repo")

    assert run.code == 100
    mend = "deploy side by side, which touches no other bundle, or keep what the other one reads"
    wind = "the model expects 'wind' (double), but 'delay_v1' does not deliver it"
    old, live = "models/delay/bundles/1", "models/delay/bundles/2"
    target = "delay@production, rollback target: bundle 1, model version 1"
    assert run.out.splitlines() == [
        "feature repository repo, Feast project flights: incompatible",
        "delay@production, live: bundle 2, model version 2, feature service delay_v1: incompatible",
        "1 error:",
        f"  CON001  {live}/wind: {live} would break (FIT001): {wind} (repo/feature_store.yaml:1)",
        f"      mend: {mend}",
        f"{target}, feature service delay_v1: incompatible",
        "1 error:",
        f"  CON001  {old}/wind: {old} would break (FIT001): {wind} (repo/feature_store.yaml:1)",
        f"      mend: {mend}",
        "breaks delay@production: bundle 2 is live",
        "destroys a rollback path: delay@production could no longer go back to bundle 1",
    ]


def test_whose_readers_the_server_cannot_tell_is_said(
    server: FakeServer, trilock: Trilock, define: Define
) -> None:
    define(repository())
    left_out = LeftOut(alias="models/old/aliases/production", why="no model 'old' in the settings")
    content = baseline_text(READERS[:2])
    server.answer(
        "CheckService.GetBaseline", GetBaselineResponse(content=content, left_out=[left_out])
    )

    run = trilock("check", "--repo=repo")

    assert (run.code, run.err) == (
        0,
        "warning: old@production is not checked: no model 'old' in the settings\n",
    )


def test_without_a_server_it_is_judged_by_a_file(
    server: FakeServer, check: Callable[..., Run], define: Define
) -> None:
    define(repository())

    run = check()

    assert (run.code, run.err, server.calls) == (0, "", [])
    assert run.out.splitlines()[0].endswith("Feast project flights: compatible")


def test_as_json(check: Callable[..., Run], define: Define) -> None:
    define(WITHOUT_WIND)

    run = check("-o", "json")

    assert run.code == 100
    assert {key: run.json[key] for key in ("verdict", "project", "elsewhere")} == {
        "verdict": "INCOMPATIBLE",
        "project": "flights",
        "elsewhere": [],
    }
    assert [(one["alias"], one["standing"], one["verdict"]) for one in run.json["readers"]] == [
        ("models/delay/aliases/production", "LIVE", "INCOMPATIBLE"),
        ("models/delay/aliases/production", "TARGET", "INCOMPATIBLE"),
    ]
    assert [one["bundle"] for one in run.json["broken"]] == ["models/delay/bundles/2"]
    assert [one["bundle"] for one in run.json["destroyed_rollback_paths"]] == [
        "models/delay/bundles/1"
    ]
    finding = run.json["readers"][0]["findings"][0]
    assert (finding["rule"], finding["severity"], finding["category"], finding["waived"]) == (
        "CON001",
        "ERROR",
        "consumers",
        False,
    )


def test_only_one_alias_or_one_service(
    server: FakeServer, trilock: Trilock, define: Define
) -> None:
    define(repository({"eta": closure()}))
    content = baseline_text(READERS)
    server.answer("CheckService.GetBaseline", *[GetBaselineResponse(content=content)] * 4)

    def readers(*options: str) -> list[str]:
        run = trilock("check", "--repo=repo", "-o", "json", *options)
        return [one["service"] for one in run.json["readers"]]

    assert readers() == ["delay_v1", "eta", "delay_v1"]
    assert readers("--alias=delay") == ["delay_v1", "delay_v1"]
    assert readers("--service=eta") == ["eta"]
    elsewhere = trilock("check", "--repo=repo", "--alias=price")
    assert elsewhere.code == 0
    assert elsewhere.out.splitlines()[1:] == [
        "1 other reader of Feast project prices not judged",
        "nothing that is live, and no rollback target, reads this Feast project",
    ]


def test_a_baseline_of_the_repository_itself(
    trilock: Trilock, define: Define, tmp_path: Path
) -> None:
    file = tmp_path / "tree.json"
    define(repository())
    written = trilock("check", "--repo=repo", f"--write-baseline={file}")
    same = trilock("check", "--repo=repo", f"--baseline={file}")
    define(WITHOUT_WIND)
    other = trilock("check", "--repo=repo", f"--baseline={file}")

    assert (written.code, written.out, written.err) == (0, "", f"wrote {file}: 1 reader\n")
    assert (same.code, other.code) == (0, 100)
    assert "EVO001  weather:wind: mode FORWARD: a model of featureServices/delay_v1" in other.out
    assert other.out.splitlines()[-1] == "breaks who reads feature service delay_v1"


def test_warnings_fail_if_they_are_asked_to(
    define: Define, trilock: Trilock, tmp_path: Path
) -> None:
    file = tmp_path / "lenient.json"
    lenient = reader(2, policy=Policy(severities={"CON001": Severity.WARNING}))
    file.write_text(baseline_text([lenient]))
    define(WITHOUT_WIND)

    def code(*options: str) -> int:
        return trilock("check", "--repo=repo", f"--baseline={file}", *options).code

    assert (code(), code("--fail-on=warning")) == (0, 101)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            PreconditionError("features.py:2: ValueError: broken"),
            1,
            (
                "undecidable: the feature repository 'repo' cannot be read: features.py:2:"
                " ValueError: broken"
            ),
        ),
        (NotFoundError("repo/feature_store.yaml"), 2, "repo/feature_store.yaml does not exist"),
        (
            ModuleNotFoundError("No module named 'sqlalchemy'", name="sqlalchemy"),
            1,
            (
                "`trilock check --repo` needs an extra (sqlalchemy is missing): pip install"
                " 'trilock[server]'"
            ),
        ),
    ],
)
def test_a_repository_that_cannot_be_read_is_one_line(
    error: Exception, code: int, message: str, check: Callable[..., Run], define: Define
) -> None:
    define(error)

    run = check()

    assert (run.code, run.out, run.err) == (code, "", f"error: {message}\n")


def _another_version(document: Any) -> None:
    document["version"] = 2


def _truncated_signature(document: Any) -> None:
    for one in document["readers"]:
        one["signature"]["inputs"] = one["signature"]["inputs"][:30]


def _unknown_type(document: Any) -> None:
    for raw in document["objects"].values():
        if raw["kind"] == "feature_service":
            raw["definition"]["spec"]["features"][0]["feature_columns"][0]["value_type"] = 99


@pytest.mark.parametrize(
    ("bend", "code", "words"),
    [
        (_another_version, 2, "version: the baseline has format version 2, this trilock reads 1"),
        (_truncated_signature, 1, "malformed signature at inputs: not JSON"),
        (_unknown_type, 1, "type number 99"),
    ],
)
def test_bad_evidence_is_a_usage_error_or_undecidable(
    bend: Callable[[Any], None],
    code: int,
    words: str,
    baseline: Path,
    check: Callable[..., Run],
    define: Define,
) -> None:
    document = json.loads(baseline.read_text())
    bend(document)
    baseline.write_text(json.dumps(document))
    define(repository())

    run = check()

    assert run.code == code
    assert words in run.out + run.err
    if code == 2:
        assert run.err.startswith(f"error: {baseline}: version: ")


@pytest.mark.parametrize("option", ["--repo=repo", "--write-baseline=new.json"])
def test_a_server_of_another_version_is_said_to_be_one(
    option: str, server: FakeServer, trilock: Trilock, tmp_path: Path
) -> None:
    content = baseline_text([]).replace('"version": 1', '"version": 2')
    server.answer("CheckService.GetBaseline", GetBaselineResponse(content=content))

    run = trilock("check", option)

    assert (run.code, run.out) == (1, "")
    assert run.err.startswith("error: the server's baseline: version: the baseline has format")


def test_a_baseline_that_is_not_there_or_no_text(trilock: Trilock, tmp_path: Path) -> None:
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe")

    for file in (tmp_path / "nowhere.json", binary, tmp_path):
        run = trilock("check", "--repo=repo", f"--baseline={file}")
        assert run.code == 2
        assert run.err.startswith(f"error: {str(file)!r} cannot be read: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--baseline=x"], "--baseline and --severity are for --repo"),
        (["2", "--severity=CON002=warning"], "--baseline and --severity are for --repo"),
        (["2", "--repo=x"], "say a BUNDLE or a candidate, or --repo or --write-baseline, not both"),
        (
            ["--repo=x", "--model-version=7"],
            "say a BUNDLE or a candidate, or --repo or --write-baseline, not both",
        ),
        (["--repo=x", "--baseline=a", "--write-baseline=b"], "say --baseline or --write-baseline"),
        (["--write-baseline=/nowhere/b"], "'/nowhere/b' cannot be written: No such file"),
    ],
)
def test_what_to_check_must_be_plain(
    arguments: list[str], message: str, server: FakeServer, trilock: Trilock
) -> None:
    server.answer("CheckService.GetBaseline", GetBaselineResponse(content=baseline_text([])))

    run = trilock("check", *arguments)

    assert run.code == 2
    assert run.err.startswith(f"error: {message}")


def test_a_job_may_weigh_a_rule_in_another_way(check: Callable[..., Run], define: Define) -> None:
    define(repository({"delay_v1": closure(ttl="3600s")}))

    assert check().code == 100
    lenient = check("--severity=con002=warning")
    assert (lenient.code, lenient.out.splitlines()[2]) == (0, "2 warnings:")
    assert check("--severity=CON002=warning", "--fail-on=warning").code == 101
    assert check("--severity=CON002=mild").err == (
        "error: 'CON002=mild' is not RULE=SEVERITY; a severity is one of: error, warning, info\n"
    )
    assert check("--severity=XYZ001=info").err == (
        "error: there is no rule 'XYZ001'; `trilock rules` lists them\n"
    )


def test_who_is_not_there_is_not_judged(check: Callable[..., Run], define: Define) -> None:
    define(repository())

    assert check("--service=typo").err == (
        "error: nobody reads feature service 'typo'; there is: delay_v1\n"
    )
    assert check("--alias=eta").err == "error: nothing is live on eta@production\n"
    assert check("--alias=@canary").err == "error: nothing is live on delay@canary\n"


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[tuple[Operator, Any]]:
    with served_world(tmp_path) as served, driven(served.world):
        yield Operator(served, tmp_path, role="admin"), served.world


def test_the_real_server_tells_who_reads_what(
    operator: tuple[Operator, Any], tmp_path: Path, define: Define
) -> None:
    trilock, world = operator
    file = tmp_path / "baseline.json"
    for _ in range(2):
        trilock("promote", record(trilock, world), *FEATURES)
        trilock("finalize")

    trilock("check", f"--write-baseline={file}")

    readers = parse_baseline(file.read_text())
    assert [(one.name, one.standing, one.service) for one in readers] == [
        ("models/delay/bundles/1", Standing.TARGET, "delay"),
        ("models/delay/bundles/2", Standing.LIVE, "delay"),
    ]
    project = readers[0].project
    define(RepositoryDefinitions(project=project, services={"delay": readers[0].objects}))
    assert "live: bundle 2" in trilock("check", "--repo=repo").out
    define(RepositoryDefinitions(project=project, services={}))
    trilock(
        "waive",
        "CON001",
        "models/delay/bundles/2/delay",
        "--owner=ann",
        "--reason=retired",
        "--until=2999-12-31",
    )
    gone = trilock("check", "--repo=repo", code=100)
    assert "destroys a rollback path: delay@production could no longer go back to bundle 1" in (
        gone.out
    )
    assert "      waived by ann until 2999-12-31: retired" in gone.out.splitlines()
    assert "breaks delay@production" not in gone.out
