"""A linear support vector machine by the hinge loss, and one with a kernel (2017)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(0)
np.random.seed(0)
sess = tf.Session()

# A soft margin between two clouds
x_vals = np.concatenate([np.random.normal([-1, -1], 0.5, (100, 2)),
                         np.random.normal([1, 1], 0.5, (100, 2))])
y_vals = np.concatenate([-np.ones(100), np.ones(100)])
x_data = tf.placeholder(shape=[None, 2], dtype=tf.float32)
y_target = tf.placeholder(shape=[None, 1], dtype=tf.float32)
A = tf.Variable(tf.random_normal(shape=[2, 1]))
b = tf.Variable(tf.random_normal(shape=[1, 1]))
model_output = tf.subtract(tf.matmul(x_data, A), b)
l2_norm = tf.reduce_sum(tf.square(A))
alpha = tf.constant([0.01])
classification_term = tf.reduce_mean(tf.maximum(0., tf.subtract(
    1., tf.multiply(model_output, y_target))))
loss = tf.add(classification_term, tf.multiply(alpha, l2_norm))
prediction = tf.sign(model_output)
accuracy = tf.reduce_mean(tf.cast(tf.equal(prediction, y_target), tf.float32))
train_step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)

# A Gaussian kernel for rings, in the dual form
radius = np.concatenate([np.random.uniform(0, 0.5, 75), np.random.uniform(0.8, 1.2, 75)])
angle = np.random.uniform(0, 2 * np.pi, 150)
ring_x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
ring_y = np.where(radius < 0.65, 1.0, -1.0)
dual = tf.Variable(tf.random_normal(shape=[1, 150], stddev=0.1))
gamma = tf.constant(-5.0)


def gaussian_kernel(a, b):
    rA = tf.reshape(tf.reduce_sum(tf.square(a), 1), [-1, 1])
    rB = tf.reshape(tf.reduce_sum(tf.square(b), 1), [-1, 1])
    sq_dist = tf.add(tf.subtract(rA, tf.multiply(2., tf.matmul(a, tf.transpose(b)))),
                     tf.transpose(rB))
    return tf.exp(tf.multiply(gamma, tf.abs(sq_dist)))


points = tf.placeholder(shape=[None, 2], dtype=tf.float32)
signs = tf.placeholder(shape=[None, 1], dtype=tf.float32)
grid = tf.placeholder(shape=[None, 2], dtype=tf.float32)
my_kernel = gaussian_kernel(points, points)
first_term = tf.reduce_sum(dual)
b_vec_cross = tf.matmul(tf.transpose(dual), dual)
y_target_cross = tf.matmul(signs, tf.transpose(signs))
second_term = tf.reduce_sum(tf.multiply(my_kernel, tf.multiply(b_vec_cross, y_target_cross)))
dual_loss = tf.negative(tf.subtract(first_term, second_term))
dual_step = tf.train.GradientDescentOptimizer(0.002).minimize(dual_loss)
decision = tf.matmul(tf.multiply(tf.transpose(signs), dual), gaussian_kernel(points, grid))
ring_prediction = tf.sign(decision - tf.reduce_mean(decision))

sess.run(tf.global_variables_initializer())
for _ in range(300):
    rand_index = np.random.choice(len(x_vals), size=50)
    sess.run(train_step, feed_dict={x_data: x_vals[rand_index],
                                    y_target: y_vals[rand_index, np.newaxis]})
linear_accuracy = sess.run(accuracy, {x_data: x_vals, y_target: y_vals[:, np.newaxis]})
ring_feed = {points: ring_x, signs: ring_y[:, np.newaxis], grid: ring_x}
for _ in range(200):
    sess.run(dual_step, feed_dict=ring_feed)
ring_accuracy = np.mean(np.squeeze(sess.run(ring_prediction, ring_feed)) == ring_y)
sess.close()
print("accuracy:", linear_accuracy, "with a kernel:", ring_accuracy)
