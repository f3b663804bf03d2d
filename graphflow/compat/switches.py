"""Switches between TensorFlow's versions of itself: accepted, or an error that says why not."""

from __future__ import annotations

from graphflow.errors import UnimplementedError


def enable_resource_variables() -> None:
    """Nothing to do: variables are read when the graph says so."""


def disable_resource_variables() -> None:
    """Nothing to do: there is one kind of variables."""


def resource_variables_enabled() -> bool:
    """True: what reads a variable sees the assignments before it."""
    return True


def enable_control_flow_v2() -> None:
    """Nothing to do: branches and loops are operations with bodies."""


def disable_control_flow_v2() -> None:
    """Nothing to do: there is one kind of branches and loops."""


def control_flow_v2_enabled() -> bool:
    """True: branches and loops are operations with bodies."""
    return True


def enable_v2_tensorshape() -> None:
    """Raises UnimplementedError: sizes are `Dimension`s."""
    raise UnimplementedError(
        None, None, "enable_v2_tensorshape: sizes are Dimensions. Write shape.as_list().")


def disable_v2_tensorshape() -> None:
    """Nothing to do: sizes are `Dimension`s."""


def enable_v2_behavior() -> None:
    """Raises UnimplementedError: graphflow is TensorFlow 1's graph mode."""
    raise UnimplementedError(
        None, None, "graphflow has no eager execution. Build the graph and run it with "
        "gf.Session().")


def enable_tensor_equality() -> None:
    """Raises UnimplementedError: `==` is identity."""
    raise UnimplementedError(None, None, "`==` of tensors is identity. Write gf.equal(x, y).")


def disable_tensor_equality() -> None:
    """Nothing to do: `==` is identity."""
