"""json: for scripts. One object with everything that is known."""

import json

from trilock.cli.output.formats.format import OutputFormat
from trilock.cli.output.outcome import Outcome


def render(outcome: Outcome) -> str:
    """Return *outcome* as one JSON object."""
    return json.dumps(outcome.data, indent=2, ensure_ascii=False) + "\n"


FORMAT = OutputFormat(name="json", purpose="scripts", render=render)
