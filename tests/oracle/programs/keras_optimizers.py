"""The problem on which Keras's optimizers were recorded: ½ Σ cᵢ (xᵢ − tᵢ)², fifty steps."""

CURVATURE = [0.01, 0.3, 3.0, 30.0]
TARGET = [1.0, -2.0, 0.5, 3.0]
START = [3.0, 1.0, -1.0, 0.25]
STEPS = 50
