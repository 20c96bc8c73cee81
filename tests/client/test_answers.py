"""What a process tells of what it serves, without a network."""

import pytest

from tests.support.live import live_bundle
from trilock.client._resolver.answers import Answer, Answers, watcher_name
from trilock.client._resolver.reports import Reports
from trilock.client.errors import InvalidError, TrilockError, UnavailableError
from trilock.v1.fleet_service_pb2 import ReportServingResponse


def answer(revision: int, *, alias: str = "a", refusal: str = "", warm: bool = False) -> Answer:
    return Answer(alias=alias, generation=1, revision=revision, standby_warm=warm, refusal=refusal)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def response(*, resend: bool = False) -> ReportServingResponse:
    made = ReportServingResponse(resend=resend)
    made.expires_in.seconds = 30
    return made


def reports(answers: Answers) -> tuple[Reports, Clock]:
    clock = Clock()
    return Reports(answers, watcher="api.1", clock=clock), clock


def test_the_newest_answer_is_told_once() -> None:
    answers = Answers()
    answers.give(answer(1))
    answers.give(answer(2))

    assert answers.take() == (answer(2),)
    answers.give(answer(2))
    assert answers.take() == ()
    answers.give(answer(2, warm=True))
    assert answers.take() == (answer(2, warm=True),)


def test_what_did_not_arrive_is_told_again_in_its_newest_form() -> None:
    answers = Answers()
    answers.give(answer(1))
    taken = answers.take()
    answers.give(answer(2))
    answers.back(taken)

    assert answers.take() == (answer(2),)


def test_who_claims_an_alias_answers_for_it() -> None:
    answers = Answers()
    live = live_bundle(revision=3)
    answers.claim(live.alias)
    answers.heard(live)
    assert not answers.has_news

    other = Answers()
    other.heard(live)
    (told,) = other.take()
    assert (told.alias, told.revision, told.generation) == (
        live.alias,
        live.revision,
        live.generation,
    )


def test_a_report_is_renewed_well_before_it_expires() -> None:
    made, clock = reports(answers := Answers())
    assert made.due_in(news=False) is None
    answers.give(answer(1))
    assert made.due_in(news=True) == 0
    made.arrived(answers.take(), response())
    assert made.due_in(news=False) == 10
    clock.now += 12
    assert made.due_in(news=False) == 0


def test_a_server_that_forgot_is_told_everything() -> None:
    made, _ = reports(answers := Answers())
    answers.give(answer(1, alias="a"))
    answers.give(answer(1, alias="b"))
    whole = answers.take()
    made.arrived(whole, response(resend=True))
    assert not answers.has_news  # that was everything already
    answers.give(answer(2, alias="a"))
    made.arrived(answers.take(), response(resend=True))
    assert [told.alias for told in answers.take()] == ["a", "b"]


def test_a_lost_report_is_tried_again_soon_and_a_refused_one_later() -> None:
    made, _ = reports(answers := Answers())
    answers.give(answer(1))
    made.failed(answers.take(), UnavailableError("gone"))
    soon = made.due_in(news=answers.has_news)
    assert soon is not None
    assert 0 < soon <= 0.1
    made.failed(answers.take(), TrilockError("no right to", code="PERMISSION_DENIED"))
    assert made.due_in(news=answers.has_news) == 30
    assert not made.over


def test_a_server_that_knows_no_reports_is_left_alone() -> None:
    made, _ = reports(answers := Answers())
    answers.give(answer(1))
    made.failed(answers.take(), TrilockError("what?", code="UNIMPLEMENTED"))

    assert made.over
    assert made.due_in(news=True) is None
    assert made.farewell() is None


def test_who_leaves_says_so_unless_nothing_was_ever_told() -> None:
    made, _ = reports(answers := Answers())
    assert made.farewell() is None

    answers.give(answer(1))
    made.request(answers.take())  # and its answer is never heard

    farewell = made.farewell()
    assert farewell is not None
    assert (farewell.leaves, list(farewell.acknowledgements)) == (True, [])


def test_names_of_processes() -> None:
    assert watcher_name("delay-api").startswith("delay-api.")
    assert watcher_name("delay-api") != watcher_name("delay-api")
    assert watcher_name(None)
    with pytest.raises(InvalidError, match="is not a name of a process"):
        watcher_name("delay api")
