"""`ClusterSpec` and `Server`: names of machines, as far as one process needs them.

graphflow runs in one process. Programs that were written for several, and are started as one
("local", or a cluster of one task), run as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphflow.errors import AttributeValueError, UnimplementedError

_WHAT_TO_DO = ("graphflow trains in one process: start the program with one task (leave "
               "--ps_hosts and --worker_hosts empty), or use "
               "gf.train.Server.create_local_server().")


class ClusterSpec:
    """Names of jobs to the addresses of their tasks: lists, or dicts from numbers to addresses."""

    def __init__(self, cluster: Any) -> None:
        if isinstance(cluster, ClusterSpec):
            self._jobs: dict[str, dict[int, str]] = {j: dict(t) for j, t in cluster._jobs.items()}
            return
        if not isinstance(cluster, Mapping):
            raise TypeError("ClusterSpec: `cluster` must be a dictionary mapping one or more job "
                            f"names to lists of network addresses, got {cluster!r}.")
        self._jobs = {
            job: {int(k): v for k, v in tasks.items()} if isinstance(tasks, Mapping)
            else dict(enumerate(tasks)) for job, tasks in cluster.items()}

    def as_dict(self) -> dict[str, Any]:
        """Names of jobs to lists of addresses; to dicts where numbers are left out."""
        return {job: list(tasks.values()) if list(tasks) == list(range(len(tasks)))
                else dict(tasks) for job, tasks in self._jobs.items()}

    @property
    def jobs(self) -> list[str]:
        """The names of the jobs, sorted."""
        return sorted(self._jobs)

    def _tasks(self, job_name: str) -> dict[int, str]:
        try:
            return self._jobs[job_name]
        except KeyError:
            raise ValueError(f"No such job in cluster: {job_name!r}") from None

    def num_tasks(self, job_name: str) -> int:
        """How many tasks a job has. Raises ValueError for a job that there is not."""
        return len(self._tasks(job_name))

    def task_indices(self, job_name: str) -> list[int]:
        """The numbers of a job's tasks."""
        return sorted(self._tasks(job_name))

    def task_address(self, job_name: str, task_index: int) -> str:
        """The address of a task. Raises ValueError for one that there is not."""
        try:
            return self._tasks(job_name)[task_index]
        except KeyError:
            raise ValueError(f"No task with index {task_index!r} in job {job_name!r}") from None

    def job_tasks(self, job_name: str) -> list[str | None]:
        """The addresses of a job's tasks by number."""
        tasks = self._tasks(job_name)
        return [tasks.get(k) for k in range(max(tasks, default=-1) + 1)]

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClusterSpec) and self._jobs == other._jobs

    def __hash__(self) -> int:
        return hash(repr(sorted(self.as_dict().items())))

    def __repr__(self) -> str:
        return f"ClusterSpec({self.as_dict()!r})"


class Server:
    """The one process of a cluster of one task. Its `target` is "": sessions are local.

    Raises UnimplementedError for a cluster of several tasks.
    """

    def __init__(
        self, server_or_cluster_def: Any, job_name: str | None = None,
        task_index: int | None = None, protocol: str | None = None, config: Any = None,
        start: bool = True,
    ) -> None:
        self._cluster = ClusterSpec(server_or_cluster_def)
        tasks = sum(self._cluster.num_tasks(job) for job in self._cluster.jobs)
        if tasks != 1:
            raise UnimplementedError(
                None, None, f"Server: the cluster has {tasks} tasks. {_WHAT_TO_DO}")
        if job_name is not None and job_name not in self._cluster.jobs:
            raise AttributeValueError(
                f"Server: the cluster has no job {job_name!r}; it has "
                f"{', '.join(self._cluster.jobs)}.")

    @property
    def target(self) -> str:
        """What `Session(target)` takes: "", for this process."""
        return ""

    @property
    def server_def(self) -> ClusterSpec:
        """The cluster."""
        return self._cluster

    def start(self) -> None:
        """Nothing to start."""

    def join(self) -> None:
        """Raises UnimplementedError: there are no other tasks to wait for."""
        raise UnimplementedError(None, None, f"Server.join would wait for ever. {_WHAT_TO_DO}")

    @staticmethod
    def create_local_server(config: Any = None, start: bool = True) -> Server:
        """A server for this process alone."""
        return Server({"localhost": ["localhost:0"]}, protocol="grpc", start=start)


def replica_device_setter(
    ps_tasks: int = 0, ps_device: str = "/job:ps", worker_device: str = "/job:worker",
    merge_devices: bool = True, cluster: Any = None, ps_ops: Any = None, ps_strategy: Any = None,
) -> Any:
    """For `gf.device(…)`: None without parameter servers, as in TensorFlow.

    Raises UnimplementedError where there are some.
    """
    spec = ClusterSpec(cluster or {})
    job = ps_device.rpartition("/job:")[2].split("/")[0]
    tasks = (spec.num_tasks(job) if job in spec.jobs else 0) if cluster is not None else ps_tasks
    if tasks:
        raise UnimplementedError(
            None, None, f"replica_device_setter: {tasks} parameter servers. {_WHAT_TO_DO}")
    return None
