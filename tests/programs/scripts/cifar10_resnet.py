"""A residual network on files in CIFAR-10's binary format: 1 byte label, 3072 bytes RGB (2016)."""

import os
import tempfile

import numpy as np

import graphflow as tf

tf.set_random_seed(0)
rng = np.random.RandomState(0)
IMAGE_SIZE, CROP, NUM_CLASSES, WEIGHT_DECAY = 32, 16, 10, 1e-4


def write_batch(path, count):
    """Small stand-ins for photographs: stripes whose angle and colour tell the class."""
    rows, columns = np.mgrid[0:IMAGE_SIZE, 0:IMAGE_SIZE]
    labels = rng.randint(0, NUM_CLASSES, count)
    records = np.zeros((count, 1 + 3 * IMAGE_SIZE ** 2), np.uint8)
    for record, label in zip(records, labels):
        angle = np.pi * (label % 5) / 5
        wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * 0.8 + rng.rand() * 6)
        image = 110 + 60 * wave[None] * np.ones((3, 1, 1)) + rng.normal(0, 20, (3, 32, 32))
        image[0 if label < 5 else 2] += 40
        record[0], record[1:] = label, np.clip(image, 0, 255).astype(np.uint8).ravel()
    records.tofile(path)


directory = tempfile.mkdtemp()
for name, count in (("data_batch_1.bin", 320), ("data_batch_2.bin", 320),
                    ("test_batch.bin", 160)):
    write_batch(os.path.join(directory, name), count)


def load(names):
    """The files → images float32 [N, 16, 16, 3] (the middle, halved in size), labels int32 [N]."""
    raw = tf.decode_raw(tf.stack([tf.read_file(os.path.join(directory, n)) for n in names]),
                        tf.uint8)
    records = tf.reshape(raw, [-1, 1 + 3 * IMAGE_SIZE ** 2])
    label = tf.cast(records[:, 0], tf.int32)
    depth_major = tf.reshape(records[:, 1:], [-1, 3, IMAGE_SIZE, IMAGE_SIZE])
    image = tf.cast(tf.transpose(depth_major, [0, 2, 3, 1]), tf.float32)
    image = tf.image.resize_images(image, [CROP, CROP])
    image = tf.map_fn(tf.image.per_image_standardization, image)
    with tf.Session() as sess:
        return sess.run([image, label])


def batch_norm_relu(x, is_training):
    x = tf.layers.batch_normalization(x, momentum=0.9, epsilon=1e-5, training=is_training,
                                      fused=True)
    return tf.nn.relu(x)


def conv(x, filters, size, strides):
    return tf.layers.conv2d(
        x, filters, size, strides=strides, padding='SAME', use_bias=False,
        kernel_initializer=tf.variance_scaling_initializer())


def block(x, filters, strides, is_training):
    """A residual unit with preactivation (He et al. 2016)."""
    shortcut = x
    x = batch_norm_relu(x, is_training)
    if strides > 1:
        shortcut = conv(x, filters, 1, strides)
    x = conv(x, filters, 3, strides)
    x = batch_norm_relu(x, is_training)
    return conv(x, filters, 3, 1) + shortcut


images = tf.placeholder(tf.float32, [None, CROP, CROP, 3])
labels = tf.placeholder(tf.int32, [None])
is_training = tf.placeholder(tf.bool)
net = conv(images, 8, 3, 1)
for filters, strides in ((8, 1), (16, 2), (32, 2)):
    net = block(net, filters, strides, is_training)
net = tf.reduce_mean(batch_norm_relu(net, is_training), axis=[1, 2])
logits = tf.layers.dense(net, NUM_CLASSES)

cross_entropy = tf.losses.sparse_softmax_cross_entropy(logits=logits, labels=labels)
loss = cross_entropy + WEIGHT_DECAY * tf.add_n(
    [tf.nn.l2_loss(v) for v in tf.trainable_variables() if 'batch_normalization' not in v.name])
global_step = tf.train.get_or_create_global_step()
learning_rate = tf.train.piecewise_constant(global_step, [45, 60], [0.1, 0.03, 0.01])
optimizer = tf.train.MomentumOptimizer(learning_rate=learning_rate, momentum=0.9)
with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    train_op = optimizer.minimize(loss, global_step)
accuracy = tf.reduce_mean(tf.to_float(tf.nn.in_top_k(logits, labels, 1)))

train_images, train_labels = load(["data_batch_1.bin", "data_batch_2.bin"])
test_images, test_labels = load(["test_batch.bin"])
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(7):
        order = rng.permutation(len(train_labels))
        for start in range(0, len(order), 64):
            part = order[start:start + 64]
            _, value, step = sess.run([train_op, loss, global_step], {
                images: train_images[part], labels: train_labels[part], is_training: True})
        test_accuracy = sess.run(accuracy, {
            images: test_images, labels: test_labels, is_training: False})
        print(f"epoch {epoch}: loss {value:.3f}, test accuracy {test_accuracy:.3f}")
