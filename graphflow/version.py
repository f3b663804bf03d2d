"""The version of graphflow, and of the TensorFlow whose names it has."""

__version__ = "0.1.0"

# The TensorFlow whose API this is: programs that ask for 1.x find it.
VERSION = "1.15.0"
GIT_VERSION = f"graphflow-{__version__}"
COMPILER_VERSION = "llvm"
