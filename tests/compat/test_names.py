"""Names that programs of 2016 to 2019 use beside the operations; and what absent ones say."""

from __future__ import annotations

import os
import unittest

import numpy as np
import pytest

import graphflow as tf


def test_versions_and_switches():
    assert tf.VERSION == tf.version.VERSION == "1.15.0"
    assert tf.__version__ != tf.VERSION
    tf.enable_resource_variables()
    tf.disable_resource_variables()
    tf.enable_control_flow_v2()
    tf.disable_v2_tensorshape()
    assert tf.compat.v1.resource_variables_enabled()
    with pytest.raises(tf.errors.UnimplementedError, match="Session"):
        tf.enable_v2_behavior()
    assert tf.config.experimental.list_physical_devices("GPU") == []


@pytest.mark.parametrize("find, advice", [
    (lambda: tf.GradientTape, "gf.gradients"), (lambda: tf.function, "gf.Session"),
    (lambda: tf.py_function, "gf.py_func"), (lambda: tf.load_op_library, "Kernels"),
    (lambda: tf.distribute, "one process"), (lambda: tf.train.Checkpoint, "Saver"),
    (lambda: tf.contrib.learn, "gf.estimator"), (lambda: tf.contrib.eager, "Session"),
    (lambda: tf.keras.applications, "load_weights"), (lambda: tf.RaggedTensor, "SparseTensor"),
    (lambda: tf.compat.v1.GradientTape, "gf.gradients"),
    (lambda: tf.estimator.BestExporter, "CheckpointSaverListener"),
])
def test_absent_names_say_what_to_use(find, advice):
    with pytest.raises(AttributeError, match=advice):
        find()


def test_nests():
    nest = {"b": [1, (2, 3)], "a": 4}
    assert tf.nest.flatten(nest) == [4, 1, 2, 3]
    assert tf.nest.pack_sequence_as(nest, "wxyz") == {"b": ["x", ("y", "z")], "a": "w"}
    assert tf.nest.map_structure(lambda x, y: x + y, nest, nest) == {"b": [2, (4, 6)], "a": 8}
    assert tf.nest.is_nested([]) and not tf.nest.is_nested("ab")
    with pytest.raises(ValueError, match="3 elements.*2 elements"):
        tf.nest.pack_sequence_as([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="nested structure"):
        tf.nest.assert_same_structure([1], 1)
    with pytest.raises(TypeError, match="sequence type"):
        tf.nest.assert_same_structure([1], (1,))


def test_devices_and_partitioners():
    spec = tf.DeviceSpec(job="worker", task=1, device_type="gpu", device_index=0)
    assert spec.to_string() == "/job:worker/task:1/device:GPU:0"
    assert tf.DeviceSpec.from_string("/job:ps/cpu:2").to_string() == "/job:ps/device:CPU:2"
    with pytest.raises(ValueError, match="Unknown attribute"):
        tf.DeviceSpec.from_string("/what:1")
    with tf.Graph().as_default():
        v = tf.get_variable("v", [4, 2], partitioner=tf.fixed_size_partitioner(2))
        assert v.shape.as_list() == [4, 2]


def test_logging_now_and_then(caplog):
    with caplog.at_level("INFO", "graphflow"):
        for k in range(7):
            tf.logging.log_first_n(tf.logging.INFO, "first %d", 2, k)
            tf.logging.log_every_n(tf.logging.INFO, "every %d", 3, k)
            tf.logging.log_if(tf.logging.INFO, "if %d", k == 5, k)
    assert [r.getMessage() for r in caplog.records] == [
        "first 0", "every 0", "first 1", "every 3", "if 5", "every 6"]
    assert tf.get_logger().name == "graphflow"


def test_files_beside_the_program():
    assert tf.resource_loader.get_data_files_path() == os.path.dirname(os.path.abspath(__file__))
    path = tf.resource_loader.get_path_to_datafile("test_names.py")
    assert b"files_beside" in tf.resource_loader.load_resource(path)


def test_hparams():
    hparams = tf.contrib.training.HParams(rate=0.1, layers=[64, 32], name="adam", wide=True, n=3)
    hparams.parse("rate=1e-3,layers=[8,4,2],wide=false,name=sgd")
    assert hparams.rate == 0.001 and hparams.layers == [8, 4, 2]
    assert hparams.wide is False and hparams.name == "sgd"
    hparams.parse("layers[1]=5,n=7")
    assert hparams.layers == [8, 5, 2] and hparams.values()["n"] == 7
    hparams.set_hparam("n", 4)
    assert "n" in hparams and hparams.get("missing", 9) == 9
    copy = tf.contrib.training.HParams(**hparams.values()).parse_json(hparams.to_json())
    assert copy.values() == hparams.values()
    for text, message in (("other=1", "Unknown"), ("n=x", "Could not parse"), ("=3", "Malformed")):
        with pytest.raises(ValueError, match=message):
            hparams.parse(text)
    with pytest.raises(ValueError, match="Could not cast"):
        hparams.set_hparam("n", 1.5)
    with pytest.raises(ValueError, match="list"):
        hparams.set_hparam("layers", 3)
    with pytest.raises(ValueError, match="reserved"):
        hparams.add_hparam("n", 1)


def square_test():
    """A test as programs write them."""
    class SquareTest(tf.test.TestCase):
        def test_square(self):
            with self.test_session():
                x = tf.square([2.0, 3.0])
                self.assertAllEqual(x.eval(), [4, 9])
                self.assertAllClose(x, [4.0, 9.0 + 1e-7])
                self.assertShapeEqual(np.zeros(2), x)
                with self.assertRaisesOpError("not in"):
                    tf.gather([1.0], tf.identity(3)).eval()

        def test_that_fails(self):
            self.assertAllClose([1.0], [1.1])

    return SquareTest


def test_test_cases_run():
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(square_test()).run(result)
    assert len(result.skipped) == 1  # test_session
    assert result.testsRun == 3 and not result.errors
    [(test, _)] = result.failures
    assert "test_that_fails" in str(test)


def test_initial_values_from_a_checkpoint(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        with tf.variable_scope("old"):
            a = tf.get_variable("a", initializer=[1.0, 2.0])
            tf.get_variable("b", initializer=3.0)
        sess.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(sess, str(tmp_path / "model"))
    with tf.Graph().as_default(), tf.Session() as sess:
        with tf.variable_scope("new"):
            a = tf.get_variable("a", [2])
            b = tf.get_variable("b", [])
        tf.train.init_from_checkpoint(path, {"old/": "new/"})
        sess.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(sess.run(a), [1, 2])
        assert sess.run(b) == 3
        with pytest.raises(ValueError, match="doesn't match"):
            tf.train.init_from_checkpoint(str(tmp_path), {"old/a": b})
        with pytest.raises(ValueError, match="not found"):
            tf.train.init_from_checkpoint(path, {"missing": b})


def test_datasets_under_their_first_names():
    with tf.Graph().as_default(), tf.Session() as sess:
        data = tf.contrib.data.Dataset.range(5)
        batches = data.apply(tf.contrib.data.batch_and_drop_remainder(2))
        element = batches.make_one_shot_iterator().get_next()
        assert [sess.run(element).tolist() for _ in range(2)] == [[0, 1], [2, 3]]


def test_checkpoints_as_they_appear(tmp_path):
    with tf.Graph().as_default(), tf.Session() as sess:
        sess.run(tf.Variable(1.0).initializer)
        saver, found = tf.train.Saver(), []

        def save_two():
            if len(found) == 2:
                return True
            saver.save(sess, str(tmp_path / "m"), global_step=len(found))
            return False

        for path in tf.train.checkpoints_iterator(
                str(tmp_path), timeout=0.1, timeout_fn=save_two):
            found.append(path)
    assert [p.rpartition("-")[2] for p in found] == ["0", "1"]
