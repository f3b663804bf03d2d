"""Two images, one network: distances that tell whether they show the same digit (2017)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(0)
rng = np.random.RandomState(0)
digits = tf.data.digits_dataset(size=8)


class Siamese:
    def __init__(self):
        self.x1 = tf.placeholder(tf.float32, [None, 64])
        self.x2 = tf.placeholder(tf.float32, [None, 64])
        with tf.variable_scope("siamese") as scope:
            self.o1 = self.network(self.x1)
            scope.reuse_variables()
            self.o2 = self.network(self.x2)
        self.y_ = tf.placeholder(tf.float32, [None])
        self.loss = self.loss_with_spring()

    def network(self, x):
        ac1 = tf.nn.relu(self.fc_layer(x, 64, "fc1"))
        ac2 = tf.nn.relu(self.fc_layer(ac1, 64, "fc2"))
        return self.fc_layer(ac2, 4, "fc3")

    def fc_layer(self, bottom, n_weight, name):
        assert len(bottom.get_shape()) == 2
        n_prev_weight = bottom.get_shape()[1]
        initer = tf.truncated_normal_initializer(stddev=0.1)
        W = tf.get_variable(name + 'W', dtype=tf.float32, shape=[n_prev_weight, n_weight],
                            initializer=initer)
        b = tf.get_variable(name + 'b', dtype=tf.float32,
                            initializer=tf.constant(0.01, shape=[n_weight], dtype=tf.float32))
        return tf.nn.bias_add(tf.matmul(bottom, W), b)

    def loss_with_spring(self):
        margin = 5.0
        labels_t = self.y_
        labels_f = tf.subtract(1.0, self.y_, name="1-yi")
        eucd2 = tf.reduce_sum(tf.pow(tf.subtract(self.o1, self.o2), 2), 1)
        eucd = tf.sqrt(eucd2 + 1e-6, name="eucd")
        pos = tf.multiply(labels_t, eucd2, name="yi_x_eucd2")
        neg = tf.multiply(labels_f, tf.pow(tf.maximum(tf.subtract(margin, eucd), 0), 2))
        return tf.reduce_mean(tf.add(pos, neg, name="losses"), name="loss")


sess = tf.InteractiveSession()
siamese = Siamese()
train_step = tf.train.AdamOptimizer(0.003).minimize(siamese.loss)
sess.run(tf.global_variables_initializer())
images, labels = digits.train_images.reshape(-1, 64), digits.train_labels
for step in range(500):
    first, second = rng.choice(len(labels), (2, 128))
    # Half of the pairs are made equal
    for i in range(0, 128, 2):
        second[i] = rng.choice(np.flatnonzero(labels == labels[first[i]]))
    _, loss_v = sess.run([train_step, siamese.loss], feed_dict={
        siamese.x1: images[first], siamese.x2: images[second],
        siamese.y_: labels[first] == labels[second]})
    if step % 100 == 0:
        print(f'step {step}: loss {loss_v:.3f}')

embed = siamese.o1.eval({siamese.x1: digits.test_images.reshape(-1, 64)})
distances = np.linalg.norm(embed[:, None] - embed[None], axis=-1)
np.fill_diagonal(distances, np.inf)
neighbour_accuracy = np.mean(
    digits.test_labels[distances.argmin(1)] == digits.test_labels)
sess.close()
print("the nearest image shows the same digit:", neighbour_accuracy)
