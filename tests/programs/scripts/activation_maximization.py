"""After training, the input image is optimised until the network is sure of its digit (2017)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(0)
digits = tf.data.digits_dataset(size=8)
x = tf.placeholder(tf.float32, [None, 64])
y = tf.placeholder(tf.int32, [None])


def network(inputs):
    with tf.variable_scope("net", reuse=tf.AUTO_REUSE):
        h = tf.layers.dense(inputs, 48, activation=tf.nn.elu, name="h")
        return tf.layers.dense(h, 10, name="logits")


loss = tf.losses.sparse_softmax_cross_entropy(y, network(x))
train_op = tf.train.AdamOptimizer(0.01).minimize(loss, var_list=tf.trainable_variables("net"))

# The wanted digits: an image for each, blurred a little by a penalty on differences
dream = tf.Variable(tf.fill([10, 64], 0.3), name="dream", trainable=False)
logits = network(dream)
score = tf.reduce_sum(tf.diag_part(tf.nn.log_softmax(logits)))
smooth = tf.image.total_variation(tf.reshape(dream, [10, 8, 8, 1]))
objective = score - 0.01 * tf.reduce_sum(smooth)
grad = tf.gradients(objective, dream)[0]
grad /= tf.sqrt(tf.reduce_mean(tf.square(grad), 1, keepdims=True)) + 1e-8
ascend = tf.assign(dream, tf.clip_by_value(dream + 0.05 * grad, 0.0, 1.0))
probabilities = tf.nn.softmax(logits)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    images = digits.train_images.reshape(-1, 64)
    for start in list(range(0, 1408, 64)) * 6:
        sess.run(train_op, {x: images[start:start + 64],
                            y: digits.train_labels[start:start + 64]})
    before = np.diag(sess.run(probabilities))
    for _ in range(60):
        sess.run(ascend)
    after, pictures = sess.run([probabilities, dream])
    after = np.diag(after)
    means = np.stack([images[digits.train_labels == d].mean(0) for d in range(10)])
    likeness = np.corrcoef(pictures, means)[:10, 10:]
    print("probabilities", before.round(2), "->", after.round(2))
