"""A graph convolutional network (Kipf & Welling 2017), sparse products, few labels (2017)."""

import numpy as np

import graphflow as tf

seed = 123
np.random.seed(seed)
tf.set_random_seed(seed)
N, CLASSES, FEATURES = 150, 3, 30

# A graph of three communities; words that say a little about them
community = np.arange(N) % CLASSES
same = community[:, None] == community[None, :]
adj = np.triu(np.random.rand(N, N) < np.where(same, 0.12, 0.01), 1)
adj = adj | adj.T
features = (np.random.rand(N, FEATURES) < 0.1).astype(np.float32)
features[np.arange(N), community * 10 + np.random.randint(0, 10, N)] = 1


def sparse_to_tuple(matrix):
    coords = np.argwhere(matrix)
    return coords.astype(np.int64), matrix[tuple(coords.T)].astype(np.float32), matrix.shape


def preprocess_adj(adj):
    """Symmetrically normalise the adjacency matrix with self-loops."""
    adj = adj + np.eye(len(adj))
    d_inv_sqrt = np.power(adj.sum(1), -0.5)
    return sparse_to_tuple(adj * d_inv_sqrt[:, None] * d_inv_sqrt[None, :])


support = tf.sparse_placeholder(tf.float32)
x = tf.sparse_placeholder(tf.float32)
num_features_nonzero = tf.placeholder(tf.int32)
labels = tf.placeholder(tf.float32, shape=(None, CLASSES))
labels_mask = tf.placeholder(tf.int32)
dropout = tf.placeholder_with_default(0., shape=())


def sparse_dropout(x, keep_prob, noise_shape):
    """Dropout for sparse tensors."""
    random_tensor = keep_prob
    random_tensor += tf.random_uniform(noise_shape)
    dropout_mask = tf.cast(tf.floor(random_tensor), dtype=tf.bool)
    pre_out = tf.sparse_retain(x, dropout_mask)
    return pre_out * (1. / keep_prob)


def glorot(shape, name):
    init_range = np.sqrt(6.0 / (shape[0] + shape[1]))
    return tf.Variable(tf.random_uniform(
        shape, minval=-init_range, maxval=init_range, dtype=tf.float32), name=name)


w1, w2 = glorot([FEATURES, 16], "weights_0"), glorot([16, CLASSES], "weights_1")
h = sparse_dropout(x, 1 - dropout, tf.expand_dims(num_features_nonzero, 0))
h = tf.nn.relu(tf.sparse_tensor_dense_matmul(support, tf.sparse_tensor_dense_matmul(h, w1)))
h = tf.nn.dropout(h, 1 - dropout)
outputs = tf.sparse_tensor_dense_matmul(support, tf.matmul(h, w2))


def masked(values, mask):
    mask = tf.cast(mask, dtype=tf.float32)
    mask /= tf.reduce_mean(mask)
    return tf.reduce_mean(values * mask)


loss = 5e-4 * tf.nn.l2_loss(w1) + masked(
    tf.nn.softmax_cross_entropy_with_logits(logits=outputs, labels=labels), labels_mask)
accuracy = masked(tf.cast(tf.equal(tf.argmax(outputs, 1), tf.argmax(labels, 1)), tf.float32),
                  labels_mask)
opt_op = tf.train.AdamOptimizer(learning_rate=0.02).minimize(loss)

train_mask = np.arange(N) < 24
sparse_features = sparse_to_tuple(features)


def feed(mask, rate=0.0):
    return {support: preprocess_adj(adj), x: sparse_features,
            num_features_nonzero: sparse_features[1].shape[0], dropout: rate,
            labels: np.eye(CLASSES)[community], labels_mask: mask}


with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(80):
        _, train_loss, train_accuracy = sess.run([opt_op, loss, accuracy], feed(train_mask, 0.4))
        if epoch == 0:
            first_loss = train_loss
    test_loss, test_accuracy = sess.run([loss, accuracy], feed(~train_mask))
    print(f"Test set results: cost= {test_loss:.5f} accuracy= {test_accuracy:.5f}")
