"""Jobs that feed Feast, as they are deployed: the code of one commit in its own folder."""

import io
import shutil
import tarfile
from pathlib import Path

from examples.flights.commands import git, python
from examples.flights.world import DAYS, FIRST_DAY, World


def deploy(world: World, revision: str) -> Path:
    """Return the folder of the job made from commit *revision*; made if it is not there.

    Raises:
        CommandError: There is no such commit.
    """
    folder = world.jobs / revision[:12]
    if not folder.exists():
        archive = git(world, "archive", "--format=tar", revision, "pipeline", "params.yaml")
        unpacked = folder.with_suffix(".tmp")
        shutil.rmtree(unpacked, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(unpacked, filter="data")
        unpacked.rename(folder)
    return folder


def feed(world: World, job: Path, *, version: str) -> None:
    """Let *job* write what the definitions of *version*, for example `v1`, read.

    The job and the definitions can be of different commits. That nothing
    notices is how a release goes wrong.

    Raises:
        CommandError: The job failed.
    """
    into = str(world.offline(version))
    python(world, "-m", "pipeline.feed", into, FIRST_DAY, str(DAYS), folder=job)
