"""`tf.strings`: operations on strings."""

from graphflow.ops.string_hashing import string_to_hash_bucket as to_hash_bucket
from graphflow.ops.string_hashing import string_to_hash_bucket_fast as to_hash_bucket_fast
from graphflow.ops.string_hashing import string_to_hash_bucket_strong as to_hash_bucket_strong
from graphflow.ops.string_parsing import as_string
from graphflow.ops.string_parsing import string_to_number as to_number
from graphflow.ops.string_splitting import strings_split as split
from graphflow.ops.strings import reduce_join, regex_full_match, regex_replace, substr
from graphflow.ops.strings import string_format as format
from graphflow.ops.strings import string_join as join
from graphflow.ops.strings import string_length as length
from graphflow.ops.strings import string_lower as lower
from graphflow.ops.strings import string_strip as strip
from graphflow.ops.strings import string_upper as upper

__all__ = [
    "as_string", "format", "join", "length", "lower", "reduce_join", "regex_full_match",
    "regex_replace", "split", "strip", "substr", "to_hash_bucket", "to_hash_bucket_fast",
    "to_hash_bucket_strong", "to_number", "upper",
]
