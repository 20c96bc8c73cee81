"""How answers travel: what one report says, and when the next one is due. No I/O.

Blocking and async resolvers share it; each has its own way to wait and to call.
"""

from collections.abc import Callable, Sequence
from typing import Final

from trilock.client._resolver.answers import RENEW, Answer, Answers
from trilock.client._transport.backoff import Backoff
from trilock.client.errors import TrilockError, UnavailableError
from trilock.v1.fleet_service_pb2 import (
    Acknowledgement,
    ReportServingRequest,
    ReportServingResponse,
)

CALL_S: Final = 10.0
"""How long one report may take."""

LEAVE_S: Final = 1.0
"""How long the last one may take: a process that ends is not held up."""

_CALM_S: Final = 30.0


class Reports:
    """Makes reports of *answers*, and reads what the server says to them."""

    def __init__(self, answers: Answers, *, watcher: str, clock: Callable[[], float]) -> None:
        self._answers = answers
        self._watcher = watcher
        self._clock = clock
        self._backoff = Backoff()
        self._renew_at: float | None = None
        self._not_before = 0.0
        self._asked = False
        self.over = False
        """Whether the server is too old to know of reports: nothing more is sent."""

    def due_in(self, *, news: bool) -> float | None:
        """Return the seconds until a report is due; None for not before there is news."""
        if self.over:
            return None
        now = self._clock()
        if news or self._not_before > now:
            return max(0.0, self._not_before - now)
        return None if self._renew_at is None else max(0.0, self._renew_at - now)

    def request(self, answers: Sequence[Answer]) -> ReportServingRequest:
        """Return the report of *answers*, to be sent now."""
        self._asked = True
        return ReportServingRequest(
            watcher=self._watcher,
            acknowledgements=[
                Acknowledgement(
                    alias=answer.alias,
                    revision=answer.revision,
                    generation=answer.generation,
                    standby_warm=answer.standby_warm,
                    refusal=answer.refusal,
                )
                for answer in answers
            ],
        )

    def farewell(self) -> ReportServingRequest | None:
        """Return the last report; None if the server cannot have heard one.

        It may have heard one whose answer did not arrive: who leaves just then leaves aloud.
        """
        if self.over or not self._asked:
            return None
        return ReportServingRequest(watcher=self._watcher, leaves=True)

    def arrived(self, taken: Sequence[Answer], response: ReportServingResponse) -> None:
        """Note that *taken* is told, and when to report again."""
        if response.resend and len(taken) < self._answers.count:
            self._answers.tell_all()
        seconds = response.expires_in.seconds + response.expires_in.nanos / 1e9
        self._renew_at = self._clock() + max(1.0, seconds / RENEW)
        self._not_before = 0.0
        self._backoff.reset()

    def failed(self, taken: tuple[Answer, ...], error: Exception) -> None:
        """Note that *taken* is not told, and when to try again."""
        self._answers.back(taken)
        self.over = isinstance(error, TrilockError) and error.code == "UNIMPLEMENTED"
        # What is wrong with the report, or with the right to make it, haste does not mend.
        soon = isinstance(error, UnavailableError)
        self._not_before = self._clock() + (self._backoff.wait() if soon else _CALM_S)
