"""What TensorFlow 1.15 put elsewhere: `tf.contrib`, names from before 1.0, the MNIST reader.

`old_names` are also found on `graphflow` itself, and the other modules under `graphflow.contrib`,
so that programs which use them run with only their import changed.
"""
