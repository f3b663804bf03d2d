"""A multilayer perceptron whose weights stand in dictionaries, trained by mini-batches (2016)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(0)

# Parameters
learning_rate = 0.005
training_epochs = 12
batch_size = 64
display_step = 4

# Network Parameters
n_hidden_1 = 64  # 1st layer number of neurons
n_hidden_2 = 64  # 2nd layer number of neurons
n_input = 64  # data input (img shape: 8*8)
n_classes = 10  # total classes (0-9 digits)

digits = tf.data.digits_dataset(size=8)
train_x, train_y = digits.train_images.reshape(-1, n_input), np.eye(10)[digits.train_labels]
test_x, test_y = digits.test_images.reshape(-1, n_input), np.eye(10)[digits.test_labels]

# tf Graph input
X = tf.placeholder("float", [None, n_input])
Y = tf.placeholder("float", [None, n_classes])

# Store layers weight & bias
weights = {
    'h1': tf.Variable(tf.random_normal([n_input, n_hidden_1], stddev=0.2)),
    'h2': tf.Variable(tf.random_normal([n_hidden_1, n_hidden_2], stddev=0.2)),
    'out': tf.Variable(tf.random_normal([n_hidden_2, n_classes], stddev=0.2))
}
biases = {
    'b1': tf.Variable(tf.random_normal([n_hidden_1])),
    'b2': tf.Variable(tf.random_normal([n_hidden_2])),
    'out': tf.Variable(tf.random_normal([n_classes]))
}


# Create model
def multilayer_perceptron(x):
    layer_1 = tf.nn.relu(tf.add(tf.matmul(x, weights['h1']), biases['b1']))
    layer_2 = tf.nn.relu(tf.add(tf.matmul(layer_1, weights['h2']), biases['b2']))
    return tf.matmul(layer_2, weights['out']) + biases['out']


# Construct model
logits = multilayer_perceptron(X)

# Define loss and optimizer
loss_op = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=Y))
optimizer = tf.train.AdamOptimizer(learning_rate=learning_rate)
train_op = optimizer.minimize(loss_op)
# Initializing the variables
init = tf.global_variables_initializer()

average_costs = []
with tf.Session() as sess:
    sess.run(init)

    # Training cycle
    for epoch in range(training_epochs):
        avg_cost = 0.
        total_batch = int(len(train_x) / batch_size)
        # Loop over all batches
        for i in range(total_batch):
            batch_x = train_x[i * batch_size:(i + 1) * batch_size]
            batch_y = train_y[i * batch_size:(i + 1) * batch_size]
            # Run optimization op (backprop) and cost op (to get loss value)
            _, c = sess.run([train_op, loss_op], feed_dict={X: batch_x, Y: batch_y})
            avg_cost += c / total_batch
        average_costs.append(avg_cost)
        if epoch % display_step == 0:
            print("Epoch:", f'{epoch + 1:04d}', f"cost={avg_cost:.9f}")
    print("Optimization Finished!")

    # Test model
    pred = tf.nn.softmax(logits)  # Apply softmax to logits
    correct_prediction = tf.equal(tf.argmax(pred, 1), tf.argmax(Y, 1))
    # Calculate accuracy
    accuracy = tf.reduce_mean(tf.cast(correct_prediction, "float"))
    accuracy_value = accuracy.eval({X: test_x, Y: test_y})
    print("Accuracy:", accuracy_value)
