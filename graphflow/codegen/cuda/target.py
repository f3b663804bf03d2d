"""What is known of a GPU when its kernels are made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CudaTarget:
    """A kind of GPU.

    Attributes:
      capability: the compute capability, for example (8, 0) or (9, 0).
      shared_bytes: the shared memory that a block may have without asking for more.
      tensor_float_32: whether factors of float32 products may be rounded to TF32 (10 bits behind
        the point), which tensor cores multiply.
      processors: the multiprocessors. It decides how many blocks a launch has at most where blocks
        take several turns each, never what is added to what.
    """

    capability: tuple[int, int] = (8, 0)
    shared_bytes: int = 48 * 1024
    processors: int = 108
    tensor_float_32: bool = False

    @property
    def arch(self) -> str:
        """The name of the architecture for compilers: `80`, `90`."""
        return f"{self.capability[0]}{self.capability[1]}"


AMPERE = CudaTarget((8, 0))
HOPPER = CudaTarget((9, 0), processors=132)
