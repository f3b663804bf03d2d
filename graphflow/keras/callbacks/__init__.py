"""`keras.callbacks`: what happens during training besides it."""

from graphflow.keras.callbacks.base import Callback, CallbackList, History, LambdaCallback
from graphflow.keras.callbacks.monitoring import (
    EarlyStopping,
    ModelCheckpoint,
    ReduceLROnPlateau,
)
from graphflow.keras.callbacks.progress import ProgbarLogger
from graphflow.keras.callbacks.rates_and_records import (
    CSVLogger,
    LearningRateScheduler,
    TerminateOnNaN,
)
from graphflow.keras.callbacks.tensor_board import TensorBoard

__all__ = [
    "CSVLogger", "Callback", "CallbackList", "EarlyStopping", "History", "LambdaCallback",
    "LearningRateScheduler", "ModelCheckpoint", "ProgbarLogger", "ReduceLROnPlateau",
    "TensorBoard", "TerminateOnNaN",
]
