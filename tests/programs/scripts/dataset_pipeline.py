"""Training from tf.data: an iterator is initialised for training, then for testing (2018)."""

import graphflow as tf

tf.set_random_seed(4)
digits = tf.data.digits_dataset(size=8)
batch_size, epochs = 64, 6


def parse(image, label):
    return tf.reshape(image, [64]) - 0.5, tf.one_hot(label, 10)


features_placeholder = tf.placeholder(tf.float32, [None, 8, 8, 1])
labels_placeholder = tf.placeholder(tf.int32, [None])
batch = tf.placeholder(tf.int64, [])
dataset = tf.data.Dataset.from_tensor_slices((features_placeholder, labels_placeholder))
dataset = dataset.map(parse, num_parallel_calls=4).shuffle(buffer_size=500)
dataset = dataset.batch(batch).prefetch(1)
iterator = dataset.make_initializable_iterator()
features, labels = iterator.get_next()

net = tf.layers.dense(features, 64, activation=tf.nn.relu)
logits = tf.layers.dense(net, 10)
loss = tf.losses.softmax_cross_entropy(onehot_labels=labels, logits=logits)
train_op = tf.train.AdamOptimizer(0.005).minimize(loss, tf.train.get_or_create_global_step())
accuracy, accuracy_update = tf.metrics.accuracy(tf.argmax(labels, 1), tf.argmax(logits, 1))

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for epoch in range(epochs):
        sess.run(iterator.initializer, feed_dict={
            features_placeholder: digits.train_images,
            labels_placeholder: digits.train_labels, batch: batch_size})
        steps = 0
        while True:
            try:
                _, loss_value = sess.run([train_op, loss])
                steps += 1
            except tf.errors.OutOfRangeError:
                break
        print(f"epoch {epoch}: {steps} steps, loss {loss_value:.4f}")
    sess.run([iterator.initializer, tf.local_variables_initializer()], feed_dict={
        features_placeholder: digits.test_images, labels_placeholder: digits.test_labels,
        batch: 100})
    try:
        while True:
            sess.run(accuracy_update)
    except tf.errors.OutOfRangeError:
        test_accuracy = sess.run(accuracy)
    global_steps = sess.run(tf.train.get_global_step())
    print("test accuracy:", test_accuracy)
