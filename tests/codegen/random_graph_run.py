"""Runs many random graphs: `python tests/codegen/random_graph_run.py native 2000 --log FILE`.

Graph number n is drawn from seed n, so a failure is found again by its number. Failures are
appended to the log; how far the run has come stands beside it (.json), after every hundred
graphs, and a second call with the same log goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.setdefault("GRAPHFLOW_CACHE", "0")  # nobody needs these kernels again
sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from graph_proof import (  # noqa: E402  (found by the line above)
    EXECUTORS,
    disagreement,
    draw_graph,
    minimised,
    program_text,
)

CHUNK = 100


def check(seed: int, executor: str, steps: int, ops: Counter[str]) -> str | None:
    """What is wrong with one graph; None if nothing is."""
    drawn = None
    try:
        drawn = draw_graph(random.Random(seed), steps)
        if drawn is None or not (problem := disagreement(drawn, executor)):
            return None
    except Exception:
        return f"graph {seed}: {traceback.format_exc()}"
    finally:
        if drawn is not None:
            ops.update(drawn.ops)
    try:
        small, problem = minimised(drawn, executor)
    except Exception:
        return f"graph {seed}: {problem}\nnot minimised: {traceback.format_exc()}"
    return f"graph {seed}: {problem}\n{program_text(small)}"


def loaded(path: Path, start: int) -> dict[str, Any]:
    """How far a run has come: the next number, and counts."""
    if path.exists():
        return json.loads(path.read_text())
    return {"next": start, "graphs": 0, "failures": 0, "seconds": 0, "ops": {}}


def summary(done: dict[str, Any], executor: str) -> str:
    return (f"{done['graphs']} graphs by {executor} until number {done['next']}: "
            f"{sum(done['ops'].values())} ops of {len(done['ops'])} kinds, "
            f"{done['failures']} failures, {done['seconds']:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("executor", choices=sorted(EXECUTORS))
    parser.add_argument("graphs", type=int)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--log", type=Path, required=True)
    given = parser.parse_args()
    kept = given.log.with_suffix(".json")
    done, last = loaded(kept, given.start), given.start + given.graphs
    while done["next"] < last:
        began, ops = time.monotonic(), Counter(done["ops"])
        first, end = done["next"], min(done["next"] + CHUNK, last)
        for seed in range(first, end):
            problem = check(seed, given.executor, given.steps, ops)
            if problem:
                done["failures"] += 1
                with given.log.open("a") as log:
                    log.write(f"FAILED {problem}\n\n")
        done |= {"next": end, "graphs": done["graphs"] + end - first, "ops": ops,
                 "seconds": done["seconds"] + time.monotonic() - began}
        kept.write_text(json.dumps(done))
    print(summary(done, given.executor))


if __name__ == "__main__":
    main()
