"""`tf.nn.rnn_cell`: cells of recurrent networks."""

from graphflow.recurrent.basic import BasicRNNCell, GRUCell
from graphflow.recurrent.cell import RNNCell
from graphflow.recurrent.lstm import BasicLSTMCell, LSTMCell, LSTMStateTuple
from graphflow.recurrent.multi import MultiRNNCell
from graphflow.recurrent.wrappers import DeviceWrapper, DropoutWrapper, ResidualWrapper

__all__ = [
    "BasicLSTMCell", "BasicRNNCell", "DeviceWrapper", "DropoutWrapper", "GRUCell", "LSTMCell",
    "LSTMStateTuple", "MultiRNNCell", "RNNCell", "ResidualWrapper",
]
