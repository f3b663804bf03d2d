"""The operators, one file per family. Importing this package registers them all."""

from graphflow.ops import (
    activation, arg_reduction, arguments, arithmetic, bias, bitwise, broadcasting, casting,
    check_types, check_values, checks, clipping, comparison, complex, control_flow,
    convolution, convolution_geometry, convolution_lowering, convolution_reference,
    cross_entropy, declare, division, elementary, embedding, filling, gathering, getitem,
    graph_functions, host, host_state, index_maps, initial_value, initializers, inline,
    joining, leaves, linear_scan, loop_gradient, masking, matmul, nests, nn, normal_quantile,
    normalization, numerics, one_hot, operands, padding, pooling, pooling_positions,
    pooling_windows, precision, printing, random, random_bits, random_distributions, ranges,
    reduction, reshaping, rounding, rows, scattering, scope, segments, selection, shape_ops,
    slice_spec, slicing, softmax, sorted_segments, special, splitting, state, statistics,
    tiling, transposing, value_text, variable_collections, variable_counter, variable_scope,
    variable_store, variables,
)

__all__ = [
    "activation", "arg_reduction", "arguments", "arithmetic", "bias", "bitwise",
    "broadcasting", "casting", "check_types", "check_values", "checks", "clipping",
    "comparison", "complex", "control_flow", "convolution", "convolution_geometry",
    "convolution_lowering", "convolution_reference", "cross_entropy", "declare", "division",
    "elementary", "embedding", "filling", "gathering", "getitem", "graph_functions", "host",
    "host_state", "index_maps", "initial_value", "initializers", "inline", "joining", "leaves",
    "linear_scan", "loop_gradient", "masking", "matmul", "nests", "nn", "normal_quantile",
    "normalization", "numerics", "one_hot", "operands", "padding", "pooling",
    "pooling_positions", "pooling_windows", "precision", "printing", "random", "random_bits",
    "random_distributions", "ranges", "reduction", "reshaping", "rounding", "rows",
    "scattering", "scope", "segments", "selection", "shape_ops", "slice_spec", "slicing",
    "softmax", "sorted_segments", "special", "splitting", "state", "statistics", "tiling",
    "transposing", "value_text", "variable_collections", "variable_counter", "variable_scope",
    "variable_store", "variables",
]
