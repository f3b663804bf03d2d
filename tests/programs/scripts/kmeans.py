"""k-means by ops: assignments and centroids are variables (2016)."""

import numpy as np

import graphflow as tf

N, K, MAX_ITERS = 600, 4, 50
rng = np.random.RandomState(3)
true_centers = np.array([[0, 0], [5, 5], [0, 5], [5, 0]], dtype=np.float32)
origin = rng.randint(0, K, N)
samples = (true_centers[origin] + rng.normal(0, 0.5, (N, 2))).astype(np.float32)

points = tf.Variable(samples, trainable=False)
cluster_assignments = tf.Variable(tf.zeros([N], dtype=tf.int64), trainable=False)

# One sample of each corner of the picture begins
starts = [int(np.argmin(np.abs(samples - c).sum(1))) for c in ([1, 1], [4, 4], [1, 4], [4, 1])]
centroids = tf.Variable(tf.gather(points.initialized_value(), starts), trainable=False)

# Replicate to N copies of each centroid and K copies of each point
rep_centroids = tf.reshape(tf.tile(centroids, [N, 1]), [N, K, 2])
rep_points = tf.reshape(tf.tile(points, [1, K]), [N, K, 2])
sum_squares = tf.reduce_sum(tf.square(rep_points - rep_centroids), reduction_indices=2)
best_centroids = tf.argmin(sum_squares, 1)
did_assignments_change = tf.reduce_any(tf.not_equal(best_centroids, cluster_assignments))


def bucket_mean(data, bucket_ids, num_buckets):
    total = tf.unsorted_segment_sum(data, bucket_ids, num_buckets)
    count = tf.unsorted_segment_sum(tf.ones_like(data), bucket_ids, num_buckets)
    return total / count


means = bucket_mean(points, best_centroids, K)
with tf.control_dependencies([did_assignments_change]):
    do_updates = tf.group(
        centroids.assign(means),
        cluster_assignments.assign(best_centroids))

sess = tf.Session()
sess.run(tf.global_variables_initializer())
changed, iters = True, 0
while changed and iters < MAX_ITERS:
    iters += 1
    changed, _ = sess.run([did_assignments_change, do_updates])
centers, assignments = sess.run([centroids, cluster_assignments])
sess.close()
print("Found in", iters, "iterations:\n", centers)
