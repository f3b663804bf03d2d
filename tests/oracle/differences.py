"""Where graphflow differs from TensorFlow on purpose: path of the result → the reason.

A path is the case and the place in its result, as the failing test prints it; it stands for
everything below. A path that no longer differs fails the test, so that this list stays true.
"""

from __future__ import annotations

DIFFERENCES: dict[str, str] = {}

# Functions whose arguments differ from TensorFlow 1.15's: path → the reason.
SIGNATURE_DIFFERENCES: dict[str, str] = {}

# Names of TensorFlow 1.15 in signatures.json that graphflow does not have yet.
NOT_YET: set[str] = set()
