"""A tower for each device, weights on the CPU, gradients averaged over towers (2016)."""

import re

import numpy as np

import graphflow as tf

NUM_GPUS, BATCH = 2, 64
TOWER_NAME = 'tower'
digits = tf.data.digits_dataset(size=8)


def _variable_on_cpu(name, shape, initializer):
    with tf.device('/cpu:0'):
        return tf.get_variable(name, shape, initializer=initializer, dtype=tf.float32)


def _variable_with_weight_decay(name, shape, stddev, wd):
    var = _variable_on_cpu(name, shape, tf.truncated_normal_initializer(stddev=stddev, seed=1))
    if wd is not None:
        weight_decay = tf.multiply(tf.nn.l2_loss(var), wd, name='weight_loss')
        tf.add_to_collection('losses', weight_decay)
    return var


def inference(images):
    with tf.variable_scope('local1') as scope:
        weights = _variable_with_weight_decay('weights', [64, 32], 0.1, 1e-4)
        biases = _variable_on_cpu('biases', [32], tf.constant_initializer(0.1))
        local1 = tf.nn.relu(tf.matmul(images, weights) + biases, name=scope.name)
    with tf.variable_scope('softmax_linear') as scope:
        weights = _variable_with_weight_decay('weights', [32, 10], 0.1, None)
        biases = _variable_on_cpu('biases', [10], tf.constant_initializer(0.0))
        return tf.add(tf.matmul(local1, weights), biases, name=scope.name)


def tower_loss(scope, images, labels):
    logits = inference(images)
    cross_entropy = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=logits, name='cross_entropy_per_example'), name='cross_entropy')
    tf.add_to_collection('losses', cross_entropy)
    losses = tf.get_collection('losses', scope)
    total_loss = tf.add_n(losses, name='total_loss')
    names = [re.sub(f'{TOWER_NAME}_[0-9]*/', '', item.op.name) for item in losses]
    return total_loss, logits, names


def average_gradients(tower_grads):
    """Calculate the average gradient for each shared variable across all towers."""
    average_grads = []
    for grad_and_vars in zip(*tower_grads):
        grads = [tf.expand_dims(g, 0) for g, _ in grad_and_vars]
        grad = tf.reduce_mean(tf.concat(axis=0, values=grads), 0)
        average_grads.append((grad, grad_and_vars[0][1]))
    return average_grads


with tf.Graph().as_default(), tf.device('/cpu:0'):
    global_step = tf.get_variable('global_step', [], initializer=tf.constant_initializer(0),
                                  trainable=False)
    lr = tf.train.exponential_decay(0.5, global_step, 100, 0.8, staircase=True)
    opt = tf.train.GradientDescentOptimizer(lr)
    images = tf.placeholder(tf.float32, [None, 64])
    labels = tf.placeholder(tf.int32, [None])
    image_parts, label_parts = tf.split(images, NUM_GPUS), tf.split(labels, NUM_GPUS)
    tower_grads = []
    with tf.variable_scope(tf.get_variable_scope()):
        for i in range(NUM_GPUS):
            with tf.device(f'/gpu:{i}'), tf.name_scope(f'{TOWER_NAME}_{i}') as scope:
                loss, logits, loss_names = tower_loss(scope, image_parts[i], label_parts[i])
                tf.get_variable_scope().reuse_variables()
                tower_grads.append(opt.compute_gradients(loss))
    apply_gradient_op = opt.apply_gradients(average_gradients(tower_grads), global_step)
    variable_averages = tf.train.ExponentialMovingAverage(0.9, global_step)
    variables_averages_op = variable_averages.apply(tf.trainable_variables())
    train_op = tf.group(apply_gradient_op, variables_averages_op)

    # The averaged gradient is that of the whole batch
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        all_logits = inference(images)
    whole = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=all_logits))
    bias = tf.trainable_variables()[-1]
    difference = tf.reduce_max(tf.abs(
        tf.gradients(whole, bias)[0] - average_gradients(tower_grads)[-1][0]))
    hits = tf.nn.in_top_k(all_logits, labels, 1)

    sess = tf.Session(config=tf.ConfigProto(allow_soft_placement=True))
    sess.run(tf.global_variables_initializer())
    rng = np.random.RandomState(0)
    for _ in range(300):
        pick = rng.choice(len(digits.train_labels), BATCH)
        feed = {images: digits.train_images[pick].reshape(-1, 64),
                labels: digits.train_labels[pick]}
        _, loss_value = sess.run([train_op, loss], feed)
    gradient_difference = sess.run(difference, feed)
    variable_names = [v.op.name for v in tf.trainable_variables()]
    precision = np.mean(sess.run(hits, {
        images: digits.test_images.reshape(-1, 64), labels: digits.test_labels}))
    sess.close()
print(f"loss {loss_value:.3f}, precision @ 1 = {precision:.3f}")
