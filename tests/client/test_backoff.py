from trilock.client._transport.backoff import Backoff


def test_it_doubles_up_to_a_bound_and_begins_anew() -> None:
    backoff = Backoff(first=1.0, most=5.0, jitter=lambda: 0.0)
    waits = [backoff.wait() for _ in range(4)]
    backoff.reset()

    assert waits == [1.0, 2.0, 4.0, 5.0]
    assert backoff.wait() == 1.0


def test_jitter_takes_off_up_to_a_half() -> None:
    assert Backoff(first=1.0, jitter=lambda: 1.0).wait() == 0.5
