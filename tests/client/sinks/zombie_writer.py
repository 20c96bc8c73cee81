"""A writer process that stops itself in the middle of a batch. Run by test_zombie_writer.

Prints what became of the batch once somebody lets it go on.
"""

import os
import signal
import sys
from typing import Any

from trilock.client.sinks import SinkWriter, WriterFencedError


class StoppingRow(dict[str, Any]):
    """A row that stops the process when its values are taken, in the middle of the COPY."""

    def __getitem__(self, key: str) -> Any:
        stop()
        return super().__getitem__(key)


def stop() -> None:
    """Stop, once."""
    if not stopped:
        stopped.append(True)
        os.kill(os.getpid(), signal.SIGSTOP)


def main(url: str, sink: str, epoch: str, site: str) -> str:
    """Write one batch, stop at *site*, and say how it ended."""
    rows: list[dict[str, Any]] = [{"flight": n, "delay": 1.0} for n in range(1, 5000)]
    if site == "copy":
        rows[2500] = StoppingRow(rows[2500])

    def checkpoint(found: str) -> None:
        if found == site:
            stop()

    with SinkWriter(url, sink=sink, epoch=int(epoch), patience=10, checkpoint=checkpoint) as writer:
        try:
            return f"wrote {writer.write(rows)}"
        except WriterFencedError as error:
            return error.reason


if __name__ == "__main__":
    stopped: list[bool] = []
    sys.stdout.write(main(*sys.argv[1:]))
