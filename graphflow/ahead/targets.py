"""Processors to compile for, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import binding

from graphflow.codegen.processor import missing_features, vector_bytes
from graphflow.errors import ExportError


@dataclass(frozen=True, slots=True)
class Target:
    """A processor family.

    Attributes:
      name: as the user gives it.
      triple, processor, features: as LLVM wants them.
      vector_bytes: the width of its vector registers.
    """

    name: str
    triple: str
    processor: str
    features: str
    vector_bytes: int

    def machine(self) -> Any:
        """LLVM's code generator: position-independent code."""
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
        return binding.Target.from_triple(self.triple).create_target_machine(
            cpu=self.processor, features=self.features, opt=2, reloc="pic", codemodel="default")


_KNOWN = {
    "x86-64-v3": ("x86_64-unknown-linux-gnu", "x86-64-v3", "+f16c", 32),
    "x86-64-v4": ("x86_64-unknown-linux-gnu", "x86-64-v4", "+f16c,-prefer-256-bit", 64),
    "aarch64": ("aarch64-unknown-linux-gnu", "cortex-a72", "", 16),
    "aarch64-apple": ("arm64-apple-macosx11.0.0", "apple-m1", "", 16),
}


def target_names() -> list[str]:
    """The names that `find_target` knows."""
    return ["native", *_KNOWN]


def find_target(name: str) -> Target:
    """The target of a name; `"native"` is this machine. Raises ExportError for another name."""
    if name == "native":
        lacking = missing_features()
        if lacking:
            raise ExportError(f"target 'native': this processor has no {', '.join(lacking)}.")
        return Target(name, binding.get_process_triple(), binding.get_host_cpu_name(),
                      binding.get_host_cpu_features().flatten(), vector_bytes())
    if name not in _KNOWN:
        raise ExportError(f"There is no target {name!r}. Targets are {', '.join(target_names())}.")
    return Target(name, *_KNOWN[name])
