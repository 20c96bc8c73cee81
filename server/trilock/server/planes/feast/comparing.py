"""What a comparison of an online table with its source means: pure."""

from collections.abc import Mapping
from typing import Any

from trilock.server.domain.ports import Comparison, Example, ViewState, Window
from trilock.server.planes.feast.online import OnlineView

_AT_MOST = 5
"""How many differences of one view are told; one is enough to refuse it."""


def comparison_window(state: ViewState, *, window: Window) -> Window:
    """Return the event times to compare: *window*, and what was fed after it."""
    fed = window.end if state.fed_until is None else state.fed_until
    return Window(start=window.start, end=max(window.end, fed))


def judge(
    view: OnlineView, state: ViewState, told: Mapping[str, Any] | None, *, window: Window
) -> Comparison:
    """Return what the worker has *told* of *view* as a comparison.

    Entities that are online and not in the source are a difference only where nothing
    else could have put them there: neither pushes nor a window before this one.
    """
    if told is None:
        why = view.cold or "it is computed on the way: the source does not have its values"
        return Comparison(
            view=view.name,
            offline=0,
            online=state.rows or 0,
            sampled=0,
            differences=(),
            skipped=why,
        )
    offline, online = int(told["offline"]), state.rows
    differences = [str(line) for line in told["differences"]]
    if online is not None and online < offline:
        differences.insert(0, f"{offline - online} of {offline} entities are not online")
    only_this = state.fed_from is None or state.fed_from >= window.start
    if online is not None and online > offline and only_this and not view.pushed:
        differences.insert(0, f"{online - offline} entities are online that its source has not")
    more = len(differences) - _AT_MOST
    shown = [*differences[:_AT_MOST], *([f"and {more} more"] if more > 0 else [])]
    return Comparison(
        view=view.name,
        offline=offline,
        online=offline if online is None else online,
        sampled=int(told["sampled"]),
        examples=tuple(
            Example(keys=example["keys"], values=example["values"])
            for example in told.get("examples", ())
        ),
        differences=tuple(shown),
    )
