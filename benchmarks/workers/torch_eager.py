"""PyTorch, eager, with the fused optimisers; variant "nchw": see `torch_kernels.py`."""

from __future__ import annotations

from typing import Any

from benchmarks.workers import torch_kernels, torch_program
from benchmarks.workers.serve import Job, Steps, serve


def build(torch: Any, job: Job) -> Steps:
    """torch: the package."""
    if job.workload.kernel is not None:
        return torch_kernels.build(torch, job)
    initial, batch = torch_program.start(torch, job)
    function = torch_program.function(torch, job)
    if not job.workload.trains:
        plain = torch.inference_mode()(function)
        return Steps(lambda: torch_program.to_numpy(plain(initial, *batch())), lambda: None)
    parameters = torch_program.trained(job, initial)
    optimizer = torch_program.optimizer(torch, job, parameters, fused=True)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = function(parameters, *batch())
        loss.backward()
        optimizer.step()
        return loss.item()

    return Steps(step, lambda: torch_program.restore(
        torch, parameters, initial, optimizer.state))


if __name__ == "__main__":
    serve("torch", build)
