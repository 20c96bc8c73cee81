"""Values from the sources into online tables, and whether what is there is what they have."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from trilock.server.domain.bundle import FeatureCapture
from trilock.server.domain.errors import NotReadyError, PreconditionError
from trilock.server.domain.ports import (
    NO_BOUNDS,
    Comparison,
    FillBounds,
    Progress,
    ViewState,
    Window,
)
from trilock.server.planes.feast import deploy
from trilock.server.planes.feast.comparing import comparison_window, judge
from trilock.server.planes.feast.definitions import Key
from trilock.server.planes.feast.filling import Interval, spans
from trilock.server.planes.feast.job_runner import JobRunner
from trilock.server.planes.feast.online import OnlineView, online_views
from trilock.server.planes.feast.process import Message
from trilock.server.planes.feast.stores import Stores, again

_TRIES: Final = 3
"""A comparison that somebody fed into is made again."""


class Feeder:
    """Fills online tables and compares them: the `fill` and `compare` of a FeatureStore."""

    def __init__(self, stores: Stores, jobs: JobRunner) -> None:
        self._stores = stores
        self._jobs = jobs

    def fill(
        self,
        capture: FeatureCapture,
        *,
        project: str,
        window: Window,
        progress: Progress,
        bounds: FillBounds = NO_BOUNDS,
        resume: bool = False,
    ) -> tuple[ViewState, ...]:
        """See FeatureStore."""
        views = {view.name: view for view in online_views(capture)}
        wanted: dict[str, list[tuple[str, str]]] = {}
        for view, parts in self._parts(
            capture, project=project, window=window, chunk=bounds.chunk, resume=resume
        ):
            if parts:
                wanted[view.name] = [(start.isoformat(), end.isoformat()) for start, end in parts]
            else:
                progress(f"{view.name}: {view.cold or 'fed already'}")
        problems: list[str] = []

        def tell(message: Message) -> None:
            if "progress" in message:
                progress(str(message["progress"]))
            if "failed" in message:
                problems.append(f"{message['failed']}: {message['why']}")
                progress(problems[-1])
            if "done" in message:
                view = views[str(message["done"])]
                part = Window(
                    start=datetime.fromisoformat(str(message["start"])),
                    end=datetime.fromisoformat(str(message["end"])),
                )
                self._record_fed(capture, project=project, key=(view.kind, view.name), window=part)
                progress(f"{view.name}: fed until {part.end.isoformat()}")
                if bounds.max_rows is not None:
                    self._require_few(view, project=project, most=bounds.max_rows)

        if wanted:
            self._jobs.run("materialize", capture, project=project, tell=tell, views=wanted)
        if problems:
            raise NotReadyError(resource=f"Feast project {project}", problems=problems)
        return self._stores.views(capture, project=project)

    def _parts(
        self,
        capture: FeatureCapture,
        *,
        project: str,
        window: Window,
        chunk: timedelta,
        resume: bool,
    ) -> Iterator[tuple[OnlineView, list[Interval]]]:
        with self._stores.registry.reading() as session:
            fed = deploy.watermarks(session, capture, project=project)
        for view in online_views(capture):
            known = fed.get((view.kind, view.name))
            if not view.feedable:
                yield view, []
            elif known is None:
                # Nothing tells how far it is: older times might go over newer ones.
                yield view, [(window.start, window.end)]
            else:
                yield view, spans(window, fed=known, chunk=chunk, resume=resume)

    def _require_few(self, view: OnlineView, *, project: str, most: int) -> None:
        rows = (
            None
            if self._stores.online is None
            else self._stores.online.rows(project=project, views=[view])
        )
        if rows is not None and rows[view.name] > most:
            raise PreconditionError(
                f"view {view.name} of {project} has {rows[view.name]} entities online, more than "
                f"max_rows = {most}: fill a shorter window, or raise it",
                project=project,
            )

    def _record_fed(
        self, capture: FeatureCapture, *, project: str, key: Key, window: Window
    ) -> None:
        def record() -> None:
            with self._stores.registry.writing(project) as session:
                deploy.add_watermark(session, capture, project=project, key=key, window=window)

        again(record)

    def compare(
        self, capture: FeatureCapture, *, project: str, window: Window, sample: int
    ) -> tuple[Comparison, ...]:
        """See FeatureStore."""
        for _ in range(_TRIES):
            before = self._stores.views(capture, project=project)
            found = self._compare(capture, before, project=project, window=window, sample=sample)
            if self._stores.views(capture, project=project) == before:
                break  # Else somebody fed it meanwhile: two different moments were compared.
        return found

    def _compare(
        self,
        capture: FeatureCapture,
        states: tuple[ViewState, ...],
        *,
        project: str,
        window: Window,
        sample: int,
    ) -> tuple[Comparison, ...]:
        views = {view.name: view for view in online_views(capture)}
        wanted = {
            state.view: comparison_window(state, window=window)
            for state in states
            if views[state.view].comparable
        }
        told: dict[str, Message] = {}
        if wanted:
            self._jobs.run(
                "compare",
                capture,
                project=project,
                tell=lambda message: told.update({str(message["compared"]): message}),
                views={
                    name: (span.start.isoformat(), span.end.isoformat())
                    for name, span in wanted.items()
                },
                sample=sample,
            )
        return tuple(
            judge(views[state.view], state, told.get(state.view), window=window) for state in states
        )
