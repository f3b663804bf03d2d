"""Digits from TFRecord files by queues, with a Coordinator and three reading threads (2016)."""

import os
import tempfile

import numpy as np

import graphflow as tf

BATCH, EPOCHS = 50, 5
folder = tempfile.mkdtemp()
digits = tf.data.digits_dataset(size=8)


def _bytes_feature(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _int64_feature(value):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def convert_to(images, labels, name):
    filename = os.path.join(folder, name + ".tfrecords")
    writer = tf.python_io.TFRecordWriter(filename)
    for index in range(len(labels)):
        image_raw = (images[index] * 255).astype(np.uint8).tobytes()
        example = tf.train.Example(features=tf.train.Features(feature={
            "height": _int64_feature(8), "width": _int64_feature(8),
            "label": _int64_feature(int(labels[index])), "image_raw": _bytes_feature(image_raw)}))
        writer.write(example.SerializeToString())
    writer.close()
    return filename


parts = np.array_split(np.arange(len(digits.train_labels)), 3)
filenames = [convert_to(digits.train_images[p], digits.train_labels[p], f"train-{k}")
             for k, p in enumerate(parts)]


def read_and_decode(filename_queue):
    reader = tf.TFRecordReader()
    _, serialized_example = reader.read(filename_queue)
    features = tf.parse_single_example(serialized_example, features={
        "image_raw": tf.FixedLenFeature([], tf.string), "label": tf.FixedLenFeature([], tf.int64)})
    image = tf.decode_raw(features["image_raw"], tf.uint8)
    image.set_shape([64])
    return tf.cast(image, tf.float32) * (1. / 255) - 0.5, tf.cast(features["label"], tf.int32)


def inference(images, reuse=None):
    with tf.variable_scope("model", reuse=reuse):
        net = tf.layers.dense(images, 64, tf.nn.relu, name="hidden")
        return tf.layers.dense(net, 10, name="logits")


with tf.Graph().as_default():
    tf.set_random_seed(2)
    with tf.name_scope("input"):
        filename_queue = tf.train.string_input_producer(filenames, num_epochs=EPOCHS)
        example_list = [read_and_decode(filename_queue) for _ in range(3)]
        images, labels = tf.train.shuffle_batch_join(
            example_list, batch_size=BATCH, capacity=600, min_after_dequeue=300)
    logits = inference(images)
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=logits))
    train_op = tf.train.AdamOptimizer(0.005).minimize(loss)
    test_images = tf.placeholder(tf.float32, [None, 64])
    test_labels = tf.placeholder(tf.int32, [None])
    correct = tf.nn.in_top_k(inference(test_images, reuse=True), test_labels, 1)
    accuracy = tf.reduce_mean(tf.cast(correct, tf.float32))
    init_op = tf.group(tf.global_variables_initializer(), tf.local_variables_initializer())

    sess = tf.Session()
    sess.run(init_op)
    coord = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(sess=sess, coord=coord)
    step, losses = 0, []
    try:
        while not coord.should_stop():
            _, loss_value = sess.run([train_op, loss])
            losses.append(loss_value)
            step += 1
    except tf.errors.OutOfRangeError:
        print(f"Done training for {EPOCHS} epochs, {step} steps.")
    finally:
        coord.request_stop()
    coord.join(threads)
    test_accuracy = sess.run(accuracy, {
        test_images: digits.test_images.reshape(-1, 64) - 0.5, test_labels: digits.test_labels})
    sess.close()
    print("accuracy", test_accuracy)
