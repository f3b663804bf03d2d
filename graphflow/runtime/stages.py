"""Stages and plans: what a compiled Program needs to know before its kernels can be called.

A stage is a run of steps whose sizes are known when it begins: most programs have one; a host step
whose result has a size of its own ends a stage. A `Plan`, made once per stage and set of sizes,
holds the arena and the tables of kernel calls. Plans are used by one run at a time; a stage keeps
those that are free.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.codegen.dispatch import WORDS
from graphflow.codegen.memory import Lifetime, place
from graphflow.codegen.schedule import HostStep, Launch, Schedule
from graphflow.dims import SymDim, evaluate_dim
from graphflow.dims.assumptions import atoms
from graphflow.program import Value

KEPT_PLANS = 32
