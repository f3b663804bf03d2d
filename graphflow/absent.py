"""What to use instead of names of TensorFlow 1 that graphflow does not have.

Modules look here before they raise AttributeError, so that the message says what to do.
"""

from __future__ import annotations

_EAGER = "graphflow builds graphs: make placeholders or a Dataset, and run them in gf.Session()."
_DISTRIBUTED = "graphflow trains in one process: use gf.Session or MonitoredTrainingSession."
_CONTRIB = "Names of tf.contrib that graphflow has are in graphflow.contrib: "

_ADVICE = {
    "GradientTape": f"Use gf.gradients(ys, xs). {_EAGER}",
    "function": f"Call the Python function while the graph is built. {_EAGER}",
    "autograph": "Write gf.cond, gf.while_loop, gf.case or gf.map_fn for control flow.",
    "py_function": "Use gf.py_func: the function gets NumPy arrays.",
    "eager_py_func": "Use gf.py_func: the function gets NumPy arrays.",
    "contrib.eager": _EAGER,
    "Module": "Make the variables in a function, under gf.variable_scope, or use gf.keras.Model.",
    "load_op_library": "Kernels of one's own are written in Python: see docs/users_kernels.md.",
    "load_library": "Kernels of one's own are written in Python: see docs/users_kernels.md.",
    "load_file_system_library": "Files are opened by Python: gf.gfile.",
    "distribute": _DISTRIBUTED, "contrib.distribute": _DISTRIBUTED, "tpu": _DISTRIBUTED,
    "contrib.tpu": _DISTRIBUTED, "train.SyncReplicasOptimizer": _DISTRIBUTED,
    "ConditionalAccumulator": _DISTRIBUTED, "SparseConditionalAccumulator": _DISTRIBUTED,
    "ConditionalAccumulatorBase": _DISTRIBUTED,
    "train.Checkpoint": "Use gf.train.Saver, or keras.Model.save_weights.",
    "train.CheckpointManager": "Use gf.train.Saver(max_to_keep=…).",
    "RaggedTensor": "Use a SparseTensor, or padding with gf.sequence_mask.",
    "ragged": "Use a SparseTensor, or padding with gf.sequence_mask.",
    "TensorSpec": "Use gf.placeholder(dtype, shape).",
    "lite": "Export the model: see docs/export.md.",
    "profiler": "Use sess.explain(fetches, feeds): see docs/compiler.md.",
    "xla": "Everything is compiled; there is nothing to turn on.",
    "contrib.compiler": "Everything is compiled; there is nothing to turn on.",
    "mixed_precision": "Cast to gf.float16 or gf.bfloat16 where the model shall use them.",
    "quantization": "Quantised types are not available. Use gf.float16 or gf.bfloat16.",
    "quantize": "Quantised types are not available. Use gf.float16 or gf.bfloat16.",
    "dequantize": "Quantised types are not available. Use gf.float16 or gf.bfloat16.",
    "qint8": "Quantised types are not available. Use gf.int8.",
    "quint8": "Quantised types are not available. Use gf.uint8.",
    "LMDBReader": "Read with the package lmdb, by gf.py_func or Dataset.from_generator.",
    "audio": "Read with a package for sounds, by gf.py_func or Dataset.from_generator.",
    "raw_ops": "Use the public function, such as gf.matmul.",
    "make_tensor_proto": "Feed NumPy arrays, or make a gf.constant.",
    "make_ndarray": "Fetched values are NumPy arrays already.",
    "sets": "Use gf.setdiff1d, gf.unique and gf.sparse_to_indicator.",
    "matrix_square_root": "Use gf.self_adjoint_eig: v · √w · vᵀ.",
    "keras.applications": "Trained networks are not downloaded. Build the layers, then load "
                          "weights with model.load_weights.",
    "keras.wrappers": "Call model.fit and model.predict.",
    "contrib.learn": "Use gf.estimator and gf.feature_column.",
    "contrib.estimator": "Use gf.estimator.",
    "contrib.keras": "Use gf.keras.",
    "keras.estimator": "Use model.fit, or write the model function of a gf.estimator.Estimator.",
    "estimator.BestExporter": "Keep checkpoints by a CheckpointSaverListener.",
    "estimator.LatestExporter": "Use gf.train.latest_checkpoint(estimator.model_dir).",
    "estimator.FinalExporter": "Use gf.train.latest_checkpoint(estimator.model_dir).",
    "estimator.BoostedTreesClassifier": "Trees are not available. Use DNNClassifier.",
    "estimator.BoostedTreesRegressor": "Trees are not available. Use DNNRegressor.",
    "estimator.BaselineClassifier": "Use LinearClassifier with a column of ones.",
    "estimator.BaselineRegressor": "Use LinearRegressor with a column of ones.",
    "contrib.cudnn_rnn": "Use gf.nn.rnn_cell.LSTMCell with gf.nn.dynamic_rnn, or gf.keras.layers.",
    "contrib.summary": "Use gf.summary.",
    "contrib.metrics": "Use gf.metrics.",
    "contrib.image": "Use gf.image.",
    "contrib.distributions": "Use gf.distributions.",
    "contrib.tensorboard": "Use gf.summary.",
    "contrib.legacy_seq2seq": "Use graphflow.contrib.seq2seq.",
}


def missing(module: str, name: str) -> AttributeError:
    """The error for a name that `module` ("graphflow.train") does not have; to be raised."""
    inside = module.removeprefix("graphflow").lstrip(".")
    key = f"{inside}.{name}" if inside else name
    text = f"module {module!r} has no attribute {name!r}"
    advice = _ADVICE.get(key)
    return AttributeError(f"{text}. {advice}" if advice else text)
