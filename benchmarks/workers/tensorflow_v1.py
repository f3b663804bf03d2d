"""TensorFlow in graph mode: a v1 Session with TensorFlow 1's variables, default settings."""

from __future__ import annotations

from typing import Any

from benchmarks.workers import tf1_program
from benchmarks.workers.serve import Job, Steps, serve


def build(tensorflow: Any, job: Job) -> Steps:
    """tensorflow: the package."""
    tf = tensorflow.compat.v1
    tf.disable_v2_behavior()
    config = tf.ConfigProto(intra_op_parallelism_threads=job.threads,
                            inter_op_parallelism_threads=job.threads)
    return tf1_program.build(tf, tf.Session(config=config), job)


if __name__ == "__main__":
    serve("tensorflow", build)
