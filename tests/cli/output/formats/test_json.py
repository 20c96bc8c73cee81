import json

from tests.cli.output.formats.outcomes import BROKEN
from trilock.cli.output.formats.json import render


def test_all_that_is_known() -> None:
    assert json.loads(render(BROKEN)) == {"verdict": "INCOMPATIBLE"}
