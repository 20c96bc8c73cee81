import json

from tests.cli.formats.outcomes import BROKEN
from trilock.cli.formats.json import render


def test_all_that_is_known() -> None:
    assert json.loads(render(BROKEN)) == {"verdict": "INCOMPATIBLE"}
