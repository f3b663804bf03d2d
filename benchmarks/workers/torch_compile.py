"""PyTorch through torch.compile.

Without a variant, as its documentation shows: the compiled loss, autograd's backward pass, the
compiled step of the optimiser. Variant "functional": loss, gradients and update as one function.
"""

from __future__ import annotations

from typing import Any

from benchmarks import workload as w
from benchmarks.workers import torch_program
from benchmarks.workers.serve import Job, Steps, serve


def build(torch: Any, job: Job) -> Steps:
    """torch: the package."""
    initial, batch = torch_program.start(torch, job)
    function = torch_program.function(torch, job)
    if not job.workload.trains:
        compiled = torch.inference_mode()(
            torch.compile(lambda *tensors: function(initial, *tensors), fullgraph=True))
        return Steps(lambda: torch_program.to_numpy(compiled(*batch())), lambda: None)
    if job.variant == "functional":
        return _functional(torch, job, function, initial, batch)
    parameters = torch_program.trained(job, initial)
    optimizer = torch_program.optimizer(torch, job, parameters)
    loss_of = torch.compile(function, fullgraph=True)
    update = torch.compile(optimizer.step)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(parameters, *batch())
        loss.backward()
        update()
        return loss.item()

    return Steps(step, lambda: torch_program.restore(
        torch, parameters, initial, optimizer.state))


def _functional(torch: Any, job: Job, function: Any, initial: dict, batch: Any) -> Steps:
    sgd = job.workload.optimizer == "sgd"
    parameters = {n: t.clone() for n, t in initial.items()}
    state = {n: {"m": torch.zeros_like(t), "v": torch.zeros_like(t)}
             for n, t in initial.items()}
    count = {"": {"t": torch.zeros(())}}

    @torch.compile(fullgraph=True)
    def train(p: dict, state: dict, t: Any, *tensors: Any) -> Any:
        gradients, loss = torch.func.grad_and_value(function)(p, *tensors)
        t += 1
        rate = w.ADAM_RATE * torch.sqrt(1 - w.BETA2**t) / (1 - w.BETA1**t)
        for name, g in gradients.items():
            if sgd:
                p[name].sub_(w.SGD_RATE * g)
                continue
            m, v = state[name]["m"], state[name]["v"]
            m.mul_(w.BETA1).add_((1 - w.BETA1) * g)
            v.mul_(w.BETA2).add_((1 - w.BETA2) * g * g)
            p[name].sub_(rate * m / (torch.sqrt(v) + w.EPSILON))
        return loss

    def step() -> float:
        with torch.no_grad():
            return train(parameters, state, count[""]["t"], *batch()).item()

    return Steps(step, lambda: torch_program.restore(
        torch, parameters, initial, state | count))


if __name__ == "__main__":
    serve("torch", build)
