"""policy, waive and waivers against a real server on a world in memory."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from tests.support.command_line import Run, Trilock
from tests.support.served_world import Served, secret_of, served_world
from trilock.server.store.tables import WaiverRow

UNTIL = (datetime.now(tz=UTC) + timedelta(days=30)).date().isoformat()
RUN = Callable[..., Run]

WAIVED = f"""\
bundle 2 on delay@production: compatible, with warnings
1 warning:
  SEM001  derived:temp_distance: 'derived:temp_distance' looks as in models/delay/bundles/1, but \
it is made in another way: data_source/weather_source, feature_view/weather, \
on_demand_feature_view/derived
      mend: make sure that this model was trained on the new meaning and that jobs feed it; a new \
name for a new meaning (temp_c for temp) makes the mistake impossible
1 waived:
  SEM001  weather:temp: 'weather:temp' looks as in models/delay/bundles/1, but it is made in \
another way: data_source/weather_source, feature_view/weather
      waived by eve until {UNTIL}: retrained
      mend: make sure that this model was trained on the new meaning and that jobs feed it; a new \
name for a new meaning (temp_c for temp) makes the mistake impossible
"""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with served_world(tmp_path) as made:
        made.world.release(made.world.record())
        made.world.record(variant="scaled")
        yield made


@pytest.fixture
def trilock(served: Served, tmp_path: Path) -> RUN:
    run = Trilock(served.address)

    def call(*arguments: str, principal: str = "promote") -> Run:
        token = tmp_path / f"token-{principal}"
        token.write_text(secret_of(principal))
        token.chmod(0o600)
        return run(*arguments, env={"TRILOCK_TOKEN_FILE": str(token)})

    return call


def waive(trilock: RUN, path: str = "weather:temp", *more: str) -> Run:
    return trilock(
        "waive", "sem001", path, "--owner=eve", "--reason=retrained", f"--until={UNTIL}", *more
    )


def expire(served: Served) -> None:
    with served.world.database.write() as session:
        for row in session.exec(select(WaiverRow)):
            row.expires = "2026-01-31"
            session.add(row)


def test_the_default_policy_is_shown(trilock: RUN) -> None:
    run = trilock("policy", "show", principal="serve")

    assert run.code == 0
    assert [line.split(maxsplit=1) for line in run.out.splitlines()] == [
        ["alias", "delay@production"],
        ["mode", "none"],
        ["serving", "path  online"],
        ["columns", "feature"],
        ["rows", "may-be-missing"],
        ["set", "never: this is the default"],
    ]


def test_what_is_set_is_shown_and_the_rest_stays(trilock: RUN) -> None:
    trilock("policy", "set", "--mode=backward", "--nulls=weather=never-missing")
    run = trilock("policy", "set", "--severity=sem001=error", "--reason=we had an outage")

    assert (run.code, run.err) == (0, "the policy of delay@production is set\n")
    policy = trilock("policy", "show", "-o", "json").json
    assert {key: policy[key] for key in ("mode", "null_policy", "nulls", "severities")} == {
        "mode": "BACKWARD",
        "null_policy": "MAY_BE_MISSING",
        "nulls": [{"path": "weather", "null_policy": "NEVER_MISSING"}],
        "severities": [{"rule": "SEM001", "severity": "ERROR"}],
    }
    assert (policy["principal"], policy["reason"]) == ("promote", "we had an outage")


def test_the_policy_decides_the_exit_code_of_a_check(trilock: RUN) -> None:
    assert trilock("check", "2", principal="check").code == 0
    trilock("policy", "set", "--severity=SEM001=error")
    assert trilock("check", "2", principal="check").code == 100
    trilock("policy", "set", "--severity=SEM001=default")
    assert trilock("check", "2", principal="check").code == 0


def test_reset_begins_with_the_default(trilock: RUN) -> None:
    trilock("policy", "set", "--mode=full", "--serving-path=historical", "--full-feature-names")
    trilock("policy", "set", "--reset", "--null-policy=never-missing")

    policy = trilock("policy", "show", "-o", "json").json
    assert (policy["mode"], policy["serving_path"], policy["full_feature_names"]) == (
        "NONE",
        "ONLINE",
        False,
    )


def test_every_policy_is_in_its_history(trilock: RUN) -> None:
    trilock("policy", "set", "--mode=full", "--reason=first")
    trilock("policy", "set", "--mode=none", "--reason=second")

    found = trilock("policy", "history", "-o", "json").json
    assert [(one["mode"], one["reason"]) for one in found] == [
        ("NONE", "second"),
        ("FULL", "first"),
    ]
    assert "serving path online, columns feature" in trilock("policy", "history").out


def test_a_dry_run_sets_nothing(trilock: RUN) -> None:
    run = trilock("policy", "set", "--mode=full", "--dry-run")

    assert (run.code, run.err) == (0, "the policy of delay@production can be set so\n")
    assert trilock("policy", "show", "-o", "json").json["etag"] == "default"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["policy", "set"], 2, "say what to change"),
        (["policy", "set", "--severity=FIT003"], 2, "'FIT003' is not RULE=SEVERITY"),
        (["policy", "set", "--severity=FIT003=fatal"], 2, "error, warning, info, default"),
        (["policy", "set", "--severity=FIT999=info"], 2, "there is no rule 'FIT999'"),
        (["policy", "set", "--severity=CON001=info"], 2, "protects other bundles"),
        (["policy", "set", "--nulls=a:b:c=never-missing"], 2, "is not valid"),
        (["policy", "set", "--mode=full", "--etag=7"], 3, "has etag default, not 7"),
        (["policy", "show", "eta"], 2, "no model 'eta' in the server's settings"),
        (["waivers", "revoke", "9", "--reason=x"], 2, "models/delay/waivers/9 does not exist"),
        (["waivers", "revoke", "a/b", "--reason=x"], 2, "a valid number of a waiver"),
    ],
)
def test_what_is_wrong_is_said(
    *, trilock: RUN, arguments: list[str], code: int, message: str
) -> None:
    run = trilock(*arguments)

    assert (run.code, run.out) == (code, "")
    assert message in run.err


def test_everything_that_is_wrong_with_a_waiver_is_said_at_once(trilock: RUN) -> None:
    run = trilock("waive", "nonsense", "x", "--owner=", "--reason=r", "--until=tomorrow")

    assert (run.code, run.out) == (2, "")
    for field in ("rule: 'NONSENSE' is not valid", "owner: is required", "'tomorrow' is no day"):
        assert field in run.err


@pytest.mark.parametrize("principal", ["serve", "check", "record", "rollback"])
def test_only_who_may_promote_may_say_how_it_is_checked(trilock: RUN, principal: str) -> None:
    assert trilock("policy", "set", "--mode=full", principal=principal).code == 3
    waiver = ("--owner=e", "--reason=r", f"--until={UNTIL}")
    assert trilock("waive", "SEM001", "x", *waiver, principal=principal).code == 3
    assert trilock("waivers", "revoke", "1", "--reason=x", principal=principal).code == 3


def test_a_waived_finding_is_in_the_report(trilock: RUN) -> None:
    run = waive(trilock)

    said = f"SEM001 at weather:temp is waived on delay@production until {UNTIL}\n"
    assert (run.code, run.out, run.err) == (0, "", f"models/delay/waivers/1: {said}")
    assert trilock("check", "2").out == WAIVED
    finding = trilock("check", "2", "-o", "json").json["findings"][-1]
    assert (finding["waived"], finding["waiver"]) == (
        True,
        {
            "rule": "SEM001",
            "path": "weather:temp",
            "owner": "eve",
            "reason": "retrained",
            "expire_date": UNTIL,
        },
    )


def test_an_expired_waiver_is_in_the_report_the_list_and_the_status(
    served: Served, trilock: RUN
) -> None:
    waive(trilock)
    expire(served)

    report = trilock("check", "2").out
    assert "3 warnings:\n" in report
    assert (
        "  POL001  weather:temp: the waiver of SEM001 for 'weather:temp' by eve expired on "
        "2026-01-31 and counts no more (retrained)\n"
    ) in report
    assert re.search(r"delay/1 .*SEM001 .*EXPIRED, counts again", trilock("waivers", "list").out)
    assert (
        "waiver     ✖ SEM001 at weather:temp EXPIRED after 2026-01-31 and counts again, "
        "by eve: retrained (waiver 1)\n"
    ) in trilock("status").out
    assert trilock("status", "-o", "json").json[0]["waivers"][0]["state"] == "EXPIRED"


def test_a_waiver_in_force_is_in_the_status(trilock: RUN) -> None:
    waive(trilock)

    assert (
        f"waiver     SEM001 at weather:temp until {UNTIL} by eve: retrained (waiver 1)\n"
    ) in trilock("status").out


def test_a_revoked_waiver_is_listed_only_when_asked_for(trilock: RUN) -> None:
    waive(trilock, "weather:temp", "--every-alias")
    run = trilock("waivers", "revoke", "1", "--reason=mended")

    assert run.err == "models/delay/waivers/1 is revoked: SEM001 at weather:temp counts again\n"
    assert trilock("waivers", "list", "-o", "json").json == []
    (ended,) = trilock("waivers", "list", "--ended", "-o", "json").json
    assert (ended["alias"], ended["state"], ended["ender"], ended["end_reason"]) == (
        "",
        "ENDED",
        "promote",
        "mended",
    )
    assert "ended by promote: mended" in trilock("waivers", "list", "delay", "--ended").out


def test_a_dry_run_waives_nothing(trilock: RUN) -> None:
    run = waive(trilock, "weather:temp", "--dry-run")

    assert run.err == f"SEM001 at weather:temp can be waived on delay@production until {UNTIL}\n"
    assert trilock("waivers", "list", "-o", "json").json == []
