"""A restricted Boltzmann machine, trained by contrastive divergence with assign ops (2016)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(0)
digits = tf.data.digits_dataset(size=8)
train = (digits.train_images.reshape(-1, 64) > 0.5).astype(np.float32)
test = (digits.test_images.reshape(-1, 64) > 0.5).astype(np.float32)
n_visible, n_hidden, lr, batchsize = 64, 48, 0.1, 50

X = tf.placeholder("float", [None, n_visible])
rbm_w = tf.Variable(tf.random_normal([n_visible, n_hidden], stddev=0.05))
rbm_vb = tf.Variable(tf.zeros([n_visible]))
rbm_hb = tf.Variable(tf.zeros([n_hidden]))


def sample_prob(probs):
    return tf.nn.relu(tf.sign(probs - tf.random_uniform(tf.shape(probs))))


h0_prob = tf.nn.sigmoid(tf.matmul(X, rbm_w) + rbm_hb)
h0 = sample_prob(h0_prob)
v1_prob = tf.nn.sigmoid(tf.matmul(h0, tf.transpose(rbm_w)) + rbm_vb)
v1 = sample_prob(v1_prob)
h1 = tf.nn.sigmoid(tf.matmul(v1, rbm_w) + rbm_hb)

w_positive_grad = tf.matmul(tf.transpose(X), h0)
w_negative_grad = tf.matmul(tf.transpose(v1), h1)
update_w = rbm_w.assign_add(
    lr * (w_positive_grad - w_negative_grad) / tf.to_float(tf.shape(X)[0]))
update_vb = rbm_vb.assign_add(lr * tf.reduce_mean(X - v1, 0))
update_hb = rbm_hb.assign_add(lr * tf.reduce_mean(h0 - h1, 0))

h_sample = sample_prob(tf.nn.sigmoid(tf.matmul(X, rbm_w) + rbm_hb))
v_mean = tf.nn.sigmoid(tf.matmul(h_sample, tf.transpose(rbm_w)) + rbm_vb)
err_sum = tf.reduce_mean(tf.square(X - v_mean))


def free_energy(v):
    return -tf.reduce_sum(v * rbm_vb, 1) - tf.reduce_sum(
        tf.nn.softplus(tf.matmul(v, rbm_w) + rbm_hb), 1)


energy = tf.reduce_mean(free_energy(X))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    errors = [float(sess.run(err_sum, {X: test}))]
    for epoch in range(8):
        for start in range(0, len(train) - batchsize, batchsize):
            sess.run([update_w, update_vb, update_hb],
                     feed_dict={X: train[start:start + batchsize]})
        errors.append(float(sess.run(err_sum, feed_dict={X: test})))
        print(f"epoch {epoch}: reconstruction error {errors[-1]:.4f}")
    noise = (np.random.RandomState(0).rand(*test.shape) < test.mean()).astype(np.float32)
    energy_digits, energy_noise = sess.run(energy, {X: test}), sess.run(energy, {X: noise})
