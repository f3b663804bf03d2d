"""Writes the signatures of TensorFlow's sessions with hooks, queues, tables and feature columns.

    python tests/oracle/record_session_signatures.py

needs TensorFlow (recorded with 2.21). The form is that of record_signatures.py; the file is
session_signatures.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow.compat.v1 as tf
from record_signatures import lookup, signature, write

TOP = """
FIFOQueue RandomShuffleQueue PaddingFIFOQueue PriorityQueue FixedLengthRecordReader IdentityReader
TFRecordReader TextLineReader WholeFileReader parse_example parse_single_example
parse_single_sequence_example string_to_hash_bucket string_to_hash_bucket_fast
string_to_hash_bucket_strong tables_initializer FixedLenFeature VarLenFeature
FixedLenSequenceFeature SparseFeature DeviceSpec fixed_size_partitioner
min_max_variable_partitioner variable_axis_size_partitioner
"""
TRAIN = """
CheckpointSaverHook ChiefSessionCreator ClusterSpec Coordinator FeedFnHook FinalOpsHook
GlobalStepWaiterHook LoggingTensorHook LooperThread MonitoredSession MonitoredTrainingSession
NanTensorHook ProfilerHook QueueRunner Scaffold SecondOrStepTimer Server SessionManager
SessionRunArgs SessionRunContext SessionRunValues SingularMonitoredSession StepCounterHook
StopAtStepHook SummarySaverHook Supervisor WorkerSessionCreator add_queue_runner basic_train_loop
batch batch_join init_from_checkpoint input_producer limit_epochs match_filenames_once maybe_batch
maybe_batch_join maybe_shuffle_batch maybe_shuffle_batch_join range_input_producer
replica_device_setter shuffle_batch shuffle_batch_join slice_input_producer start_queue_runners
string_input_producer warm_start
"""
METHODS = """
QueueBase.enqueue QueueBase.enqueue_many QueueBase.dequeue QueueBase.dequeue_many
QueueBase.dequeue_up_to QueueBase.close QueueBase.is_closed QueueBase.size ReaderBase.read
ReaderBase.read_up_to ReaderBase.reset ReaderBase.num_records_produced
train.Coordinator.join train.Coordinator.request_stop train.MonitoredSession.run
train.QueueRunner.create_threads train.SessionManager.prepare_session
train.SessionManager.recover_session train.Supervisor.managed_session train.Supervisor.loop
train.Supervisor.prepare_or_wait_for_session train.Supervisor.stop
"""
MODULES = ("feature_column", "lookup", "python_io", "nest")


def main() -> None:
    """Write session_signatures.json beside this script."""
    paths = TOP.split() + [f"train.{name}" for name in TRAIN.split()] + METHODS.split()
    for module in MODULES:
        paths += [f"{module}.{name}" for name in dir(getattr(tf, module))
                  if name[0] != "_" and name != "experimental"]
    found: dict[str, Any] = {}
    for path in paths:
        target = lookup(path)
        try:
            made = target.__new__ if hasattr(target, "_fields") else getattr(
                target, "__init__", None)
            entry = signature(made if isinstance(target, type) else target)
        except (TypeError, ValueError):
            continue
        found[path] = [a for a in entry if a[0] not in ("_cls", "cls")]
    write(Path(__file__).parent / "session_signatures.json",
          {"recorded_with": f"tensorflow {tf.__version__}", "signatures": found})
    print(f"{len(found)} signatures")


if __name__ == "__main__":
    tf.disable_v2_behavior()
    main()
