"""`tf.feature_column`: from raw features (numbers, words, ids) to what models take."""

from graphflow.feature_column.categories import (
    categorical_column_with_hash_bucket,
    categorical_column_with_identity,
    categorical_column_with_vocabulary_file,
    categorical_column_with_vocabulary_list,
    crossed_column,
    weighted_categorical_column,
)
from graphflow.feature_column.dense import (
    embedding_column,
    indicator_column,
    shared_embedding_columns,
)
from graphflow.feature_column.layers import input_layer, linear_model, make_parse_example_spec
from graphflow.feature_column.numeric import bucketized_column, numeric_column

__all__ = [
    "bucketized_column", "categorical_column_with_hash_bucket",
    "categorical_column_with_identity", "categorical_column_with_vocabulary_file",
    "categorical_column_with_vocabulary_list", "crossed_column", "embedding_column",
    "indicator_column", "input_layer", "linear_model", "make_parse_example_spec",
    "numeric_column", "shared_embedding_columns", "weighted_categorical_column",
]


def __getattr__(name: str) -> object:
    """Says what to use instead of a name that is not there."""
    from graphflow.absent import missing

    raise missing(__name__, name)
