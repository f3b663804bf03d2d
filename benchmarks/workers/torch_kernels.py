"""Single products and convolutions in PyTorch, on tensors that are made once.

Convolutions are channels_last; in the variant "nchw" they are in PyTorch's own order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.kernel_shapes import BY_DATA, FORWARD, Convolution, Product
from benchmarks.workers.serve import Job, Steps


def build(torch: Any, job: Job) -> Steps:
    """torch: the package."""
    torch.set_num_threads(job.threads)
    kernel = job.workload.kernel
    tensors = [torch.from_numpy(a) for a in job.batch]
    if isinstance(kernel, Product):
        a, b = (t.t() if turned else t for t, turned in zip(
            tensors, (kernel.transpose_a, kernel.transpose_b)))
        kind = torch.bfloat16 if kernel.half else torch.float32
        a, b, out = a.to(kind), b.to(kind), torch.empty(kernel.m, kernel.n, dtype=kind)
        run = torch.inference_mode()(lambda: torch.mm(a, b, out=out))
        return Steps(run, lambda: None, result=lambda y: y.float().numpy())
    channels_last = job.variant != "nchw"
    layout = torch.channels_last if channels_last else torch.contiguous_format
    named = {n: _arranged(t, n, layout) for n, t in zip(job.workload.batch, tensors)}
    back = (2, 3, 1, 0) if kernel.direction not in (FORWARD, BY_DATA) else (0, 2, 3, 1)
    return Steps(torch.inference_mode()(_convolution(torch, kernel, **named)), lambda: None,
                 result=lambda y: y.permute(back).numpy())


def _arranged(tensor: Any, name: str, layout: Any) -> Any:
    """Images NHWC and kernels HWIO as PyTorch's order of axes, in the memory `layout`."""
    if tensor.ndim < 4:
        return tensor
    axes = (3, 2, 0, 1) if name == "k" else (0, 3, 1, 2)
    return tensor.permute(axes).contiguous(memory_format=layout)


def _convolution(
    torch: Any, c: Convolution, x: Any = None, k: Any = None, b: Any = None, g: Any = None
) -> Callable[[], Any]:
    if c.direction == FORWARD:
        functional = torch.nn.functional
        groups = c.channels if c.depthwise else 1
        if c.depthwise:
            k = k.transpose(0, 1).contiguous()
        act = {"": lambda y: y, "relu": torch.relu_, "relu6": lambda y: y.clamp_(0, 6)}[
            c.activation]
        return lambda: act(functional.conv2d(x, k, b, c.stride, c.pad, 1, groups))
    data = c.direction == BY_DATA
    images, kernels = (x, k)
    if data:
        images = torch.empty_strided(*_like(torch, g, c))
    else:
        kernels = torch.empty(c.channels, c.channels_in, c.size, c.size)
        if x.is_contiguous(memory_format=torch.channels_last):
            kernels = kernels.contiguous(memory_format=torch.channels_last)
    backward = torch.ops.aten.convolution_backward
    which, mask = (0, (True, False, False)) if data else (1, (False, True, False))
    return lambda: backward(g, images, kernels, None, [c.stride] * 2, [c.pad] * 2, [1, 1], False,
                            [0, 0], 1, mask)[which]


def _like(torch: Any, g: Any, c: Convolution) -> tuple[Any, Any]:
    """(size, strides) of images for g: only their shape and layout matter."""
    images = torch.empty(c.batch, c.channels_in, c.side, c.side)
    if g.is_contiguous(memory_format=torch.channels_last):
        images = images.contiguous(memory_format=torch.channels_last)
    return images.shape, images.stride()
