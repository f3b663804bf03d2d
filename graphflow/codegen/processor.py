"""What this machine's processor has for kernels: the width of its vectors, what it lacks."""

from __future__ import annotations

from functools import cache

from llvmlite import binding


@cache
def vector_bytes() -> int:
    """The width of this machine's vector registers in bytes."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx2") else 16


def missing_features() -> list[str]:
    """What this processor lacks of what kernels need: without it, code would call a library.

    x86-64 processors have had all of it since 2013; ARM64 has it by definition.
    """
    features = binding.get_host_cpu_features()
    if not any(name.startswith("sse") for name in features):
        return []
    return [name for name in ("avx2", "fma", "f16c") if not features.get(name)]
