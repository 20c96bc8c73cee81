"""The demo: a bad release of a real model is taken back, model, features and sink together.

    trilock demo

Everything is real: 336,776 flights, git, DVC, Feast, MLflow, a trilock server and
the installed command line. What is claimed in the end is looked up in MLflow, in
Feast and in the sink, not in trilock.
"""

import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, Never

from examples.flights import processes, recovery, version_1, version_2
from examples.flights.deployment import Deployment, clean_environment
from examples.flights.fleet import Fleet
from examples.flights.folder import FolderError, claimed
from examples.flights.narrator import Narrator, place
from examples.flights.report import PROOFS, Report
from examples.flights.stage import Stage
from examples.flights.world import World

REPORT: Final = "report.json"
_LOG: Final = "demo.log"
"""What libraries log in this process, and where an error came from."""
_UNUSABLE: Final = 2

_log: Final = logging.getLogger(__name__)


def main(folder: Path) -> int:
    """Tell the story in *folder* and return the exit code.

    Returns:
        0 if every proof holds; 1 if one does not, or something did not go as told;
        2 if the folder is not the demo's to use.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        with (
            _ending_on_signals(),
            _own_environment() as environment,
            claimed(folder) as root,
            _logging_into(root / _LOG),
        ):
            return _tell_in(root, environment)
    except FolderError as error:
        sys.stderr.write(f"error: {error}\n")
        return _UNUSABLE
    finally:
        processes.end_all()


def _tell_in(root: Path, environment: Mapping[str, str]) -> int:
    world, narrator, report = World(root=root), Narrator(), Report()
    stage = Stage(
        world=world,
        trilock=Deployment(world, narrator=narrator, environment=environment),
        narrator=narrator,
        report=report,
    )
    narrator.say("trilock demo: a bad release is taken back: model, features and sink together")
    narrator.say(f"all of it is in {place(root)}, nothing outside is touched")
    problem = ""
    try:
        _tell(stage)
    except Exception as error:  # noqa: BLE001 - whatever broke, the last lines say what and where
        problem = _in_one_line(error)
        _log.exception("the story ended early")
    report.seconds["total"] = narrator.elapsed()
    report.write(root / REPORT)
    if not problem:
        _sum_up(narrator, report)
        problem = ", ".join(report.failed())
        problem = problem and f"not proven: {problem}"
    narrator.say()
    if problem:
        logs = (root / _LOG, stage.trilock.commands_log, stage.trilock.server_log)
        narrator.say(f"FAILED: {problem}", style="bold red")
        narrator.say(f"logs: {', '.join(place(log) for log in logs if log.exists())}")
        return 1
    narrator.say(f"every proof holds: {place(root / REPORT)} has them", style="bold")
    return 0


def _tell(stage: Stage) -> None:
    v1 = version_1.train(stage)
    trilock = stage.trilock
    with ExitStack() as running:
        with stage.step("set_up", "trilock is told where everything is, and serves"):
            trilock.configure()
            running.enter_context(trilock.serving())
        version_1.release(stage, v1)
        fleet = running.enter_context(
            Fleet.following(trilock.address, token_file=trilock.token_file)
        )
        baseline = version_1.serve(stage, fleet)
        version_1.refuse(stage, v1)
        v2 = version_2.train(stage, v1)
        version_2.release(stage, v2)
        served = version_2.serve(stage, fleet)
        version_2.judge(stage, served)
        recovery.roll_back(stage, fleet, v1)
        recovery.prove(stage, fleet, baseline, served, v1)


def _in_one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # The first one says what was done, the last one what became of it.
    return lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1]}"


def _sum_up(narrator: Narrator, report: Report) -> None:
    narrator.say()
    narrator.table(
        ["proof", "holds", "seen"],
        [
            (name, "yes" if proof.holds else "NO", proof.evidence)
            for name in PROOFS
            if (proof := report.proofs.get(name))
        ],
    )
    narrator.say()
    narrator.table(
        ["phase", "seconds"],
        [(phase, f"{seconds:7.2f}") for phase, seconds in report.seconds.items()],
    )


@contextmanager
def _own_environment() -> Iterator[Mapping[str, str]]:
    """Yield what programs are started with, and leave the process's own as it was.

    MLflow and Feast write into it, and a client would heed the user's TRILOCK_*.
    """
    before = dict(os.environ)
    clean = clean_environment()
    for name in before.keys() - clean.keys():
        del os.environ[name]
    try:
        yield clean
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _logging_into(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind, as ctrl-c does, so that nothing is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> Never:
        del frame
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
