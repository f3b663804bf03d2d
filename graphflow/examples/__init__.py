"""`tensorflow.examples` as far as programs import it: `examples.tutorials.mnist.input_data`."""
