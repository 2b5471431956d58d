"""A SLURM of one machine, for tests: munge, slurmctld and slurmd on loopback, in a folder, and gone afterwards.

It needs Debian's `slurm-wlm` and `munge`, and no systemd, no cgroups, no database; root or any one user. By hand,
`python tests/slurm.py FOLDER` starts it and prints what to export; Ctrl-C stops it.
"""

import contextlib
import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATH = os.environ["PATH"] + os.pathsep + "/usr/sbin"
DAEMONS = ("munged", "slurmctld", "slurmd")
READY = 30  # seconds until the node takes jobs

CONF = """\
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=1000
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SlurmdParameters=config_overrides
MpiDefault=none
MailProg=/bin/true
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """The programs of SLURM that this machine lacks."""
    return [program for program in (*DAEMONS, "sbatch") if shutil.which(program, path=PATH) is None]


@contextlib.contextmanager
def one_machine_slurm(folder: Path, *, cpus: int = 2, memory: int = 8000) -> Iterator[dict[str, str]]:
    """Start SLURM in an empty folder; yields the environment in which `sbatch` and its like find it.

    `memory` in MB; a job that takes more than it asked for is killed. Jobs are cancelled at the end.
    """
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    controller, daemon = _free_ports(2)
    conf = folder / "slurm.conf"
    machine = {"host": host, "controller": controller, "daemon": daemon, "cpus": cpus, "memory": memory}
    conf.write_text(CONF.format(**machine, user=getpass.getuser(), folder=folder))
    # A plugin is loaded even where none is used; that of version 2 needs systemd.
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    environment = os.environ | {"PATH": PATH, "SLURM_CONF": str(conf)}
    munge = [f"--{part}-file={folder}/munge.{part}" for part in ("key", "seed", "pid", "log")]
    munge += [f"--socket={folder}/munge.socket", "--foreground", "--force"]
    commands = (["munged", *munge], ["slurmctld", "-D", "-c"], ["slurmd", "-D", "-c"])
    with contextlib.ExitStack() as stack:
        for command in commands:
            stack.enter_context(_daemon(command, environment, folder))
            if command[0] == "munged":
                _wait((folder / "munge.socket").exists, folder)
        state = ("sinfo", "--noheader", "--format=%T")
        _wait(lambda: _output(*state, environment=environment) == "idle", folder)
        try:
            yield environment
        finally:
            _output("scancel", f"--user={getpass.getuser()}", environment=environment)
            _wait(lambda: not _output("squeue", "--noheader", environment=environment), folder)


@contextlib.contextmanager
def _daemon(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / f"{command[0]}.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def _output(*command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def _wait(condition: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + READY
    while not condition():
        if time.monotonic() > deadline:
            logs = "\n".join(
                f"{log.name}:\n{log.read_text()[-2000:]}" for log in sorted(folder.glob("*.log"))
            )
            raise TimeoutError(
                f"SLURM in {folder}: not ready after {READY} s; expected an idle node; its logs:\n{logs}"
            )
        time.sleep(0.2)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), one_machine_slurm(Path(sys.argv[1]).resolve()) as started:
        print(f"export SLURM_CONF={started['SLURM_CONF']}", flush=True)  # noqa: T201
        signal.pause()
