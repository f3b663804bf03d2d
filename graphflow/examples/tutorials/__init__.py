"""`tensorflow.examples.tutorials`: the package around `mnist`."""
