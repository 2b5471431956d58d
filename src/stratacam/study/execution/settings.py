"""Where and how a study runs."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stratacam.networks.precision import Precision

QUEUES = ("slurm", "pbs", "sge")
"""Batch systems that start the workers of a study as jobs, through dask-jobqueue."""

TIME_LIMITS_H = {
    "check": 1,
    "prepare": 3,
    "pictures": 1,
    "measures": 1,
    "surroundings": 1,
    "activations": 12,
    "train": 168,
    "explain": 12,
    "truth": 1,
    "evidence": 24,
}
"""Hours after which a task of a step is given up: many times what it takes on one core at 1 mm."""


LONGEST_H = 500
"""Of a time limit: three weeks."""


class RunSettings(BaseModel):
    """Where and how the study runs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: Literal["serial", "processes", "dask", "slurm", "pbs", "sge"] = Field(
        default="processes",
        description='where tasks run: "serial" (in this process), "processes" of this machine, "dask" (a cluster that '
        'is there, or one of this machine), or workers that are jobs of "slurm", "pbs" or "sge"; all but the first two '
        "need the extra `cluster`",
    )
    workers: int = Field(
        default=0,
        ge=0,
        description="number of processes for work on single scans; 0: one per core; 1: this process. Of a batch system "
        "the largest number of jobs at once",
    )
    threads: int = Field(
        default=1,
        ge=1,
        description="number of threads of every worker of a cluster, and of cores that it asks for",
    )
    scheduler: str | None = Field(
        default=None,
        description='address of a Dask scheduler, such as "tcp://host:8786", whose workers have one thread each '
        "(`dask worker --nthreads 1`) and see the same folders; absent: a cluster of this machine",
    )
    cluster: dict[str, Any] = Field(
        default={},
        description='what the batch system is asked for, by the names of dask-jobqueue, such as `memory = "16GB"`, '
        '`walltime = "04:00:00"`, `queue`, `account`, `job_extra_directives`, `job_script_prologue`',
    )
    retries: int = Field(
        default=2,
        ge=0,
        description="number of further tries of a task whose worker was lost, which took too long, or which could not "
        "read or write for a cause that may pass",
    )
    time_limit_h: dict[str, float] = Field(
        default={},
        description="hours after which a task of a step is given up, such as `{ prepare = 1 }`, in place of the usual: "
        + ", ".join(f"{step} {hours}" for step, hours in TIME_LIMITS_H.items())
        + "; in this process nothing is given up",
    )
    device: str = Field(
        default="auto",
        description='device on which networks run: "auto", a CUDA card if there is one that works and else the CPU; or '
        'as torch names it: "cpu", "cuda" for all cards that are visible, "cuda:1" for one',
    )
    precision: Precision = Field(
        default="exact",
        description='precision of networks: "exact", single precision; or "fast", on a CUDA card alone: TF32, and '
        "bfloat16 for training, predictions and activations. Maps are compared with exact ones, and refused where they "
        "differ too much",
    )
    accept_left_out: bool = Field(
        default=False, description="whether the exit code is 0 although scans were left out"
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.on in QUEUES and not (self.workers and "memory" in self.cluster):
            raise ValueError(
                f'on = "{self.on}" needs the number of jobs and the memory of each: set workers, and memory in cluster'
            )
        if self.cluster and self.on not in QUEUES:
            raise ValueError(f"cluster is for {', '.join(QUEUES)}: set `on` to one of them, or remove it")
        if self.scheduler and self.on != "dask":
            raise ValueError('scheduler is for on = "dask": set that, or remove it')
        if unknown := sorted(set(self.time_limit_h) - set(TIME_LIMITS_H)):
            raise ValueError(
                f"time_limit_h: {', '.join(unknown)} is no step with a limit; choose of {', '.join(TIME_LIMITS_H)}"
            )
        if not all(0 < hours <= LONGEST_H for hours in self.time_limit_h.values()):
            raise ValueError(f"time_limit_h: hours must be more than 0 and at most {LONGEST_H}")
        return self

    @property
    def here(self) -> Self:
        """The same in processes of this machine, as many as there are cores, where it would be on a cluster."""
        if self.on in {"serial", "processes"}:
            return self
        return self.model_copy(update={"on": "processes", "workers": 0, "scheduler": None, "cluster": {}})

    def limit_s(self, step: str) -> float | None:
        """Seconds after which a task of a step such as "evidence network" is given up; None: never."""
        first = step.partition(" ")[0]
        hours = {**TIME_LIMITS_H, **self.time_limit_h}.get(first)
        return hours and 3600 * hours
