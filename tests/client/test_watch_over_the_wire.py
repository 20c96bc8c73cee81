"""Whatever happens to server and stream, every change is told once, in order, to every reader."""

import threading
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trilock.client import LiveBundle, Resolver
from trilock.client.testing import FakeTrilock

DEADLINE = 30.0
CHANGES = ("promote", "roll_back", "finalize", "other")
TROUBLE = ("outage", "compact", "missed", "slow")

once = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class Reader:
    """Notes what it is told, and is slow when it is told to be."""

    def __init__(self) -> None:
        self.told: list[LiveBundle] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, live: LiveBundle) -> None:
        self.go.wait(DEADLINE)
        self.told.append(live)


def act(trilock: FakeTrilock, action: str) -> None:
    match action:
        case "other":
            trilock.release("delay@canary")
        case "promote":
            trilock.promote("delay")
        case "finalize":
            trilock.finalize("delay")
        case _:  # roll_back
            live = trilock._store.live["models/delay/aliases/production"]
            if live.HasField("standby"):
                trilock.roll_back("delay")


@once
@given(actions=st.lists(st.sampled_from([*CHANGES, *CHANGES, *TROUBLE]), min_size=5, max_size=25))
def test_no_gap_no_repeat_and_never_backwards(actions: Sequence[str]) -> None:
    reader = Reader()
    name = "models/delay/aliases/production"
    may_skip = False
    with FakeTrilock(progress=0.05) as trilock:
        first = trilock.release("delay")
        with Resolver(trilock.address, ["delay"], on_change=reader) as resolver:
            assert resolver.wait_ready(DEADLINE)
            for action in actions:
                match action:
                    case "outage":
                        with trilock.outage():
                            pass
                    case "missed":  # while nobody could hear it
                        with trilock.outage():
                            act(trilock, "promote")
                    case "compact":
                        trilock.compact()
                        may_skip = True
                    case "slow":
                        reader.go.clear()
                    case _:
                        act(trilock, action)
            reader.go.set()
            assert resolver.wait_for(trilock.revision, DEADLINE)
            current = resolver.current()
        made = [LiveBundle.from_live(one) for one in trilock._store.history if one.alias == name]

    positions = [live.position for live in reader.told]
    assert positions == sorted(set(positions))
    assert current == made[-1] == reader.told[-1]
    # It begins with what was live when it came, and skips only what is kept no longer.
    since = [live for live in made if live.position >= first.position]
    assert reader.told == [live for live in since if live in reader.told]
    if not may_skip:
        assert reader.told == since
