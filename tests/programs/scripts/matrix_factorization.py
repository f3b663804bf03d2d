"""Recommendations by matrix factorisation with biases and regularisation (2017)."""

import numpy as np

import graphflow as tf

USERS, ITEMS, DIM, BATCH = 80, 60, 4, 256
rng = np.random.RandomState(0)
taste, trait = rng.normal(size=(USERS, 2)), rng.normal(size=(ITEMS, 2))
ratings = 3 + 0.6 * taste @ trait.T + 0.1 * rng.normal(size=(USERS, ITEMS))
pairs = np.array([(u, i) for u in range(USERS) for i in range(ITEMS)])
rng.shuffle(pairs)
train, test = pairs[:3800], pairs[3800:]

user_batch = tf.placeholder(tf.int32, shape=[None], name="id_user")
item_batch = tf.placeholder(tf.int32, shape=[None], name="id_item")
rate_batch = tf.placeholder(tf.float32, shape=[None])

with tf.device("/cpu:0"):
    bias_global = tf.get_variable("bias_global", shape=[])
    w_bias_user = tf.get_variable("embd_bias_user", shape=[USERS])
    w_bias_item = tf.get_variable("embd_bias_item", shape=[ITEMS])
    bias_user = tf.nn.embedding_lookup(w_bias_user, user_batch, name="bias_user")
    bias_item = tf.nn.embedding_lookup(w_bias_item, item_batch, name="bias_item")
    w_user = tf.get_variable("embd_user", shape=[USERS, DIM],
                             initializer=tf.truncated_normal_initializer(stddev=0.02, seed=1))
    w_item = tf.get_variable("embd_item", shape=[ITEMS, DIM],
                             initializer=tf.truncated_normal_initializer(stddev=0.02, seed=2))
    embd_user = tf.nn.embedding_lookup(w_user, user_batch, name="embedding_user")
    embd_item = tf.nn.embedding_lookup(w_item, item_batch, name="embedding_item")
with tf.device("/gpu:0"):
    infer = tf.reduce_sum(tf.multiply(embd_user, embd_item), 1)
    infer = tf.add(infer, bias_global)
    infer = tf.add(infer, bias_user)
    infer = tf.add(infer, bias_item, name="svd_inference")
    regularizer = tf.add(tf.nn.l2_loss(embd_user), tf.nn.l2_loss(embd_item),
                         name="svd_regularizer")

cost_l2 = tf.nn.l2_loss(tf.subtract(infer, rate_batch))
penalty = tf.constant(0.02, dtype=tf.float32, shape=[], name="l2")
cost = tf.add(cost_l2, tf.multiply(regularizer, penalty))
train_op = tf.train.AdamOptimizer(0.02).minimize(cost)


def feed(rows):
    return {user_batch: rows[:, 0], item_batch: rows[:, 1],
            rate_batch: ratings[rows[:, 0], rows[:, 1]]}


def rmse(sess, rows):
    predicted = sess.run(infer, feed(rows))
    return float(np.sqrt(np.mean(np.square(predicted - ratings[rows[:, 0], rows[:, 1]]))))


with tf.Session(config=tf.ConfigProto(allow_soft_placement=True)) as sess:
    sess.run(tf.global_variables_initializer())
    first_error = rmse(sess, test)
    for _ in range(25):
        for start in range(0, len(train), BATCH):
            sess.run(train_op, feed_dict=feed(train[start:start + BATCH]))
    last_error = rmse(sess, test)
    print(f"root mean squared error {first_error:.3f} -> {last_error:.3f}")
