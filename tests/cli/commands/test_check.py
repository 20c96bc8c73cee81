import pytest

from tests.support.command_line import Trilock
from tests.support.fake_server import FakeServer
from tests.support.releases import (
    ALIAS,
    COMPATIBLE,
    ERROR,
    INCOMPATIBLE,
    UNDECIDABLE,
    WARNINGS,
    plan,
    rollback_plan,
)
from trilock.v1.check_service_pb2 import Candidate, CheckRequest, CheckResponse
from trilock.v1.operation_pb2 import OperationError
from trilock.v1.release_pb2 import PlanOrder
from trilock.v1.release_service_pb2 import PlanPromotionResponse
from trilock.v1.report_pb2 import Report, Verdict

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("report", "options", "code"),
    [
        (COMPATIBLE, [], 0),
        (WARNINGS, [], 0),
        (WARNINGS, ["--fail-on=error"], 0),
        (WARNINGS, ["--fail-on=warning"], 101),
        (INCOMPATIBLE, ["--fail-on=warning"], 100),
        (INCOMPATIBLE, [], 100),
        (UNDECIDABLE, [], 1),
    ],
)
def test_the_exit_code_is_the_verdict(
    *, report: Report, options: list[str], code: int, server: FakeServer, trilock: Trilock
) -> None:
    server.answer("CheckService.Check", CheckResponse(report=report))

    run = trilock("check", "delay/2", *options)

    assert (run.code, run.err) == (code, "")
    assert run.out.startswith("bundle 2 on delay@production: ")


def test_a_recorded_bundle_is_checked(server: FakeServer, trilock: Trilock) -> None:
    server.answer("CheckService.Check", CheckResponse(report=COMPATIBLE))

    trilock("check", "2", "--alias=@canary")

    assert server.requests("CheckService.Check") == [
        CheckRequest(alias="models/delay/aliases/canary", bundle="models/delay/bundles/2")
    ]


def test_a_candidate_is_checked(server: FakeServer, trilock: Trilock) -> None:
    server.answer("CheckService.Check", CheckResponse(report=COMPATIBLE))

    run = trilock("check", "--model-version=7", "--service=delay_v2", f"--commit={COMMIT}")

    assert run.out == "model version 7 on delay@production: compatible\n"
    candidate = Candidate(model_version="7", service="delay_v2", pipeline_revision=COMMIT)
    assert server.requests("CheckService.Check") == [CheckRequest(alias=ALIAS, candidate=candidate)]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["2", "--model-version=7"],
        ["--model-version=7"],
        ["--service=s"],
        ["--model-version=7", "--service=s", "--feature-schema=s/1"],
    ],
)
def test_what_to_check_must_be_plain(*, arguments: list[str], trilock: Trilock) -> None:
    run = trilock("check", *arguments)

    assert run.code == 2
    assert run.err.startswith("error: say a BUNDLE, or ")


def test_waived_findings_come_last_and_do_not_count(server: FakeServer, trilock: Trilock) -> None:
    report = Report(verdict=COMPATIBLE.verdict, findings=[ERROR])
    report.findings[0].waived = True
    server.answer("CheckService.Check", CheckResponse(report=report))

    run = trilock("check", "delay/2")

    assert run.out.splitlines()[:2] == ["bundle 2 on delay@production: compatible", "1 waived:"]


def test_what_mends_several_findings_is_said_once(server: FakeServer, trilock: Trilock) -> None:
    report = Report(verdict=INCOMPATIBLE.verdict, findings=[ERROR, ERROR, ERROR])
    report.findings[1].path = "wind"
    report.findings[2].remedy = "another way"
    server.answer("CheckService.Check", CheckResponse(report=report))

    run = trilock("check", "delay/2")

    assert run.out.splitlines()[1:] == [
        "3 errors:",
        "  FIT002  temp: the model reads 'temp' as double, it is string",
        "  FIT002  wind: the model reads 'temp' as double, it is string",
        "      mend: train on the new type",
        "  FIT002  temp: the model reads 'temp' as double, it is string",
        "      mend: another way",
    ]


def test_as_json(server: FakeServer, trilock: Trilock) -> None:
    server.answer("CheckService.Check", CheckResponse(report=WARNINGS))

    run = trilock("check", "delay/2", "-o", "json")

    assert run.json == {
        "subject": "bundle 2 on delay@production",
        "verdict": "COMPATIBLE_WITH_WARNINGS",
        "findings": [
            {
                "rule": "SEM001",
                "category": "",
                "severity": "WARNING",
                "path": "wind",
                "expected": "",
                "found": "",
                "message": "'wind' is made in another way",
                "remedy": "",
                "waived": False,
                "waiver": None,
            }
        ],
    }


def test_a_promotion_is_planned(server: FakeServer, trilock: Trilock) -> None:
    response = PlanPromotionResponse(plan=plan(report=WARNINGS))
    server.answer("ReleaseService.PlanPromotion", response)

    run = trilock("plan", "promote", "delay/2")

    assert run.code == 0
    assert run.out.splitlines() == [
        "plan p1: promote delay@production from bundle 1 to bundle 2",
        "   1  check_bundle          check bundle against what is there",
        "   2  switch                make it live   <- the switch",
        "  then  model_alias: brought to the live bundle until they agree",
        "  time  not known: it was never done here",
        "  warning: 2 rows of another writer stay",
        "bundle 2: compatible, with warnings",
        "1 warning:",
        "  SEM001  wind: 'wind' is made in another way",
    ]
    assert run.err == "next: trilock promote delay/2 delay@production --plan p1\n"


def test_what_makes_a_plan_what_it_is_is_said_again_with_its_id(
    server: FakeServer, trilock: Trilock
) -> None:
    server.answer("ReleaseService.PlanPromotion", PlanPromotionResponse(plan=plan(report=WARNINGS)))
    window = ("--features-from", "2013-12-01", "--features-to", "2013-12-08")

    run = trilock("plan", "promote", "2", "delay", *window, "--accept-window", "it is night")

    assert run.err == (
        "next: trilock promote 2 delay@production --features-from 2013-12-01 "
        "--features-to 2013-12-08 --accept-window 'it is night' --plan p1\n"
    )


def test_a_plan_says_what_differs_in_which_states_how_long_and_what_stays(
    server: FakeServer, trilock: Trilock
) -> None:
    whole = plan(report=COMPATIBLE)
    first, second = "models/delay/bundles/1", "models/delay/bundles/2"
    whole.states.add(model_of=first, features_of=first)
    whole.states.add(
        model_of=second,
        features_of=first,
        verdict=Verdict.VERDICT_INCOMPATIBLE,
        why="temp of models/delay/bundles/1 is made otherwise",
    )
    whole.states.add(model_of=second, features_of=second, verdict=Verdict.VERDICT_COMPATIBLE)
    whole.steps[0].duration.FromMilliseconds(1500)
    whole.changes.add(what="model", before="delay version 1", after="delay version 2")
    whole.changes.add(what="pipeline", before="0a" * 20, after="0b" * 20)
    whole.changes.add(what="serving config image", after="i" * 100)
    whole.pace.runs = 4
    whole.pace.switched.FromMilliseconds(210)
    whole.pace.done.FromSeconds(180)
    whole.not_undone.append("what was already served")
    server.answer("ReleaseService.PlanPromotion", PlanPromotionResponse(plan=whole))

    assert trilock("plan", "promote", "delay/2").out.splitlines()[1:-2] == [
        "  model                 delay version 1 -> delay version 2",
        "  pipeline              0a0a0a0a0a0a -> 0b0b0b0b0b0b",
        f"  serving config image  nothing -> {'i' * 80}...",
        "   1  check_bundle          check bundle against what is there   1.50 s",
        "   2  switch                make it live   <- the switch",
        "  then  model_alias: brought to the live bundle until they agree",
        "  state bundle 1, as now",
        (
            "  state the model of bundle 2 on the features of bundle 1: INCOMPATIBLE, "
            "temp of bundle 1 is made otherwise"
        ),
        "  state bundle 2: COMPATIBLE",
        "  time  0.21 s to the switch, 3 min until every plane agrees (as in 4 earlier runs)",
        "  stays  what was already served",
    ]


def test_a_plan_in_place_says_in_which_order_and_what_the_other_would_be(
    server: FakeServer, trilock: Trilock
) -> None:
    whole = plan(report=COMPATIBLE)
    first, second = "models/delay/bundles/1", "models/delay/bundles/2"
    whole.states.add(model_of=first, features_of=first)
    whole.states.add(model_of=first, features_of=second, verdict=Verdict.VERDICT_COMPATIBLE)
    whole.states.add(model_of=second, features_of=second, verdict=Verdict.VERDICT_COMPATIBLE)
    whole.order = PlanOrder.PLAN_ORDER_FEATURES_FIRST
    whole.order_why = "model version 1 reads what it was recorded with from delay version 2, too"
    whole.other_state.model_of, whole.other_state.features_of = second, first
    whole.other_state.verdict = Verdict.VERDICT_INCOMPATIBLE
    whole.other_state.why = "weather:humidity is not there"
    server.answer("ReleaseService.PlanPromotion", PlanPromotionResponse(plan=whole))

    lines = trilock("plan", "promote", "delay/2").out.splitlines()

    at = lines.index("  state bundle 1, as now")
    assert lines[at + 1 : at + 5] == [
        "  state the model of bundle 1 on the features of bundle 2: COMPATIBLE",
        "  state bundle 2: COMPATIBLE",
        (
            "  order features first: model version 1 reads what it was recorded with from delay "
            "version 2, too"
        ),
        (
            "  not   the model of bundle 2 on the features of bundle 1: INCOMPATIBLE, "
            "weather:humidity is not there"
        ),
    ]


def test_a_plan_of_what_would_be_refused_says_so(server: FakeServer, trilock: Trilock) -> None:
    response = PlanPromotionResponse(
        plan=plan(report=INCOMPATIBLE),
        refusal=OperationError(reason="INCOMPATIBLE", message="bundle 2 is incompatible"),
    )
    server.answer("ReleaseService.PlanPromotion", response)

    run = trilock("plan", "promote", "delay/2")
    as_json = trilock("plan", "promote", "delay/2", "-o", "json")

    assert run.code == as_json.code == 100
    assert run.err == "error: promote would be refused: bundle 2 is incompatible\n"
    assert as_json.json["refusal"]["reason"] == "INCOMPATIBLE"


def test_a_rollback_is_planned(server: FakeServer, trilock: Trilock) -> None:
    server.answer("ReleaseService.PlanRollback", rollback_plan())

    run = trilock("plan", "rollback", "--to", "1")

    assert run.code == 0
    assert run.out.startswith("roll back delay@production\n  from  bundle 2")
    assert run.err == "next: trilock rollback delay@production --to 1\n"
    (request,) = server.requests("ReleaseService.PlanRollback")
    assert (request.alias, request.to_bundle) == (ALIAS, "models/delay/bundles/1")
    assert trilock("plan", "rollback", "-o", "json").json["plan"]["id"] == "p1"
