"""The worker process that loads one model, and ends: with 0, or with why on its last line."""

import json
import os
import sys
from textwrap import shorten
from typing import Final

_CHARACTERS: Final = 300


def main() -> None:
    """Load what standard input names."""
    request = json.loads(sys.stdin.readline())
    os.environ.update(
        MLFLOW_TRACKING_URI=request["uri"],
        MLFLOW_REGISTRY_URI=request["uri"],
        MLFLOW_DISABLE_TELEMETRY="true",
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
    )
    try:
        from mlflow.pyfunc import load_model  # noqa: PLC0415 - takes seconds; its failure is told too

        load_model(f"models:/{request['model']}/{request['version']}")
    except BaseException as error:  # noqa: BLE001 - the model's code raises anything, SystemExit too
        message = shorten(str(error), width=_CHARACTERS, placeholder=" ...")
        sys.stderr.write(f"\n{type(error).__name__}: {message}\n")
        sys.stderr.flush()
        os._exit(1)
    # Threads and exit handlers of the model's code do not get to keep us.
    os._exit(0)


if __name__ == "__main__":
    main()
