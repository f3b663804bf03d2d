"""`tf.initializers`: how variables get their first values."""

from graphflow.ops.initializers import (
    Constant as constant,
)
from graphflow.ops.initializers import GlorotNormal as glorot_normal
from graphflow.ops.initializers import GlorotUniform as glorot_uniform
from graphflow.ops.initializers import Identity as identity
from graphflow.ops.initializers import (
    Initializer,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
)
from graphflow.ops.initializers import Ones as ones
from graphflow.ops.initializers import RandomNormal as random_normal
from graphflow.ops.initializers import RandomUniform as random_uniform
from graphflow.ops.initializers import TruncatedNormal as truncated_normal
from graphflow.ops.initializers import UniformUnitScaling as uniform_unit_scaling
from graphflow.ops.initializers import VarianceScaling as variance_scaling
from graphflow.ops.initializers import Zeros as zeros
from graphflow.ops.lookup_tables import tables_initializer
from graphflow.ops.orthogonal import Orthogonal as orthogonal
from graphflow.ops.variable_collections import (
    global_variables_initializer as global_variables,
)
from graphflow.ops.variable_collections import local_variables_initializer as local_variables
from graphflow.ops.variable_collections import variables_initializer as variables

__all__ = [
    "Initializer", "constant", "global_variables", "glorot_normal", "glorot_uniform",
    "he_normal", "he_uniform", "identity", "lecun_normal", "lecun_uniform", "local_variables",
    "ones", "orthogonal", "random_normal", "random_uniform", "tables_initializer",
    "truncated_normal",
    "uniform_unit_scaling", "variables", "variance_scaling", "zeros",
]
