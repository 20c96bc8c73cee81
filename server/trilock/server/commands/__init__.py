"""What the command line does beside the server, on its machine, without calling it.

Every function takes the settings file, by default TRILOCK_CONFIG, else
./trilock.toml, and raises a TrilockError when it cannot do what it is for.
"""

from trilock.server.commands.diagnosis import Diagnosis, doctor
from trilock.server.commands.in_process import InProcess, in_process
from trilock.server.commands.new_settings import init
from trilock.server.commands.run import serve
from trilock.server.commands.upkeep import backup, migrate, restored

__all__ = [
    "Diagnosis",
    "InProcess",
    "backup",
    "doctor",
    "in_process",
    "init",
    "migrate",
    "restored",
    "serve",
]
