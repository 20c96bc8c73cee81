import json
import pickle

from tests.support.live import live_message
from trilock.client.live import LiveBundle, ServingBundle
from trilock.v1.release_pb2 import ReleaseState


def test_everything_a_serving_process_needs_is_there() -> None:
    message = live_message(
        bundle=2,
        release=5,
        revision=42,
        generation=7,
        standby=1,
        state=ReleaseState.RELEASE_STATE_SOAKING,
    )

    assert LiveBundle.from_live(message) == LiveBundle(
        alias="models/delay/aliases/production",
        bundle="models/delay/bundles/2",
        release="models/delay/releases/5",
        registered_model="delay",
        model_version="2",
        feature_project="delay__s2",
        feature_service="delay_v2",
        pipeline_revision="0000000000000000000000000000000000000002",
        sink_epoch=5,
        serving_config_json='{"flags": {"limit": 3}, "image": "sha256:2"}',
        state="SOAKING",
        revision=42,
        generation=7,
        standby=ServingBundle(
            bundle="models/delay/bundles/1",
            release="models/delay/releases/1",
            registered_model="delay",
            model_version="1",
            feature_project="delay__s1",
            feature_service="delay_v1",
            pipeline_revision="0000000000000000000000000000000000000001",
            sink_epoch=1,
            serving_config_json='{"flags": {"limit": 3}, "image": "sha256:1"}',
        ),
        principal="alice",
        reason="because",
        incident="",
    )


def test_the_serving_config_is_a_copy_with_whole_numbers_whole() -> None:
    message = live_message()
    message.live.serving_config.update({"a": 1, "b": 0.5, "c": [True, None, "x"], "d": {}})
    live = LiveBundle.from_live(message)
    live.serving_config["a"] = "changed"

    text = json.dumps(live.serving_config, sort_keys=True)

    assert text == (
        '{"a": 1, "b": 0.5, "c": [true, null, "x"], "d": {}, '
        '"flags": {"limit": 3}, "image": "sha256:1"}'
    )


def test_it_is_a_value() -> None:
    live = LiveBundle.from_live(live_message(standby=1))

    assert hash(live) == hash(LiveBundle.from_live(live_message(standby=1)))
    assert pickle.loads(pickle.dumps(live)) == live  # noqa: S301 - our own bytes
    assert LiveBundle.from_json(json.loads(json.dumps(live.to_json()))) == live


def test_a_state_of_a_newer_server_is_unknown_not_an_error() -> None:
    message = live_message()
    message.state = 99  # type: ignore[assignment]  # no name for it yet

    assert LiveBundle.from_live(message).state == "UNKNOWN"
