"""An autoencoder: digits through a layer of few units and back (2016)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(0)
digits = tf.data.digits_dataset(size=8)
train = digits.train_images.reshape(-1, 64)
test = digits.test_images.reshape(-1, 64)

learning_rate, num_steps, batch_size, display_step = 0.01, 500, 128, 100
num_hidden_1, num_hidden_2, num_input = 48, 16, 64

X = tf.placeholder("float", [None, num_input])

weights = {
    'encoder_h1': tf.Variable(tf.random_normal([num_input, num_hidden_1], stddev=0.3)),
    'encoder_h2': tf.Variable(tf.random_normal([num_hidden_1, num_hidden_2], stddev=0.3)),
    'decoder_h1': tf.Variable(tf.random_normal([num_hidden_2, num_hidden_1], stddev=0.3)),
    'decoder_h2': tf.Variable(tf.random_normal([num_hidden_1, num_input], stddev=0.3)),
}
biases = {
    'encoder_b1': tf.Variable(tf.random_normal([num_hidden_1], stddev=0.1)),
    'encoder_b2': tf.Variable(tf.random_normal([num_hidden_2], stddev=0.1)),
    'decoder_b1': tf.Variable(tf.random_normal([num_hidden_1], stddev=0.1)),
    'decoder_b2': tf.Variable(tf.random_normal([num_input], stddev=0.1)),
}


# Building the encoder
def encoder(x):
    layer_1 = tf.nn.sigmoid(tf.add(tf.matmul(x, weights['encoder_h1']), biases['encoder_b1']))
    layer_2 = tf.nn.sigmoid(tf.add(tf.matmul(layer_1, weights['encoder_h2']),
                                   biases['encoder_b2']))
    return layer_2


# Building the decoder
def decoder(x):
    layer_1 = tf.nn.sigmoid(tf.add(tf.matmul(x, weights['decoder_h1']), biases['decoder_b1']))
    layer_2 = tf.nn.sigmoid(tf.add(tf.matmul(layer_1, weights['decoder_h2']),
                                   biases['decoder_b2']))
    return layer_2


# Construct model
encoder_op = encoder(X)
decoder_op = decoder(encoder_op)

# Targets (Labels) are the input data.
y_pred, y_true = decoder_op, X

# Define loss and optimizer, minimize the squared error
loss = tf.reduce_mean(tf.pow(y_true - y_pred, 2))
optimizer = tf.train.RMSPropOptimizer(learning_rate).minimize(loss)

rng = np.random.RandomState(0)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(1, num_steps + 1):
        batch_x = train[rng.choice(len(train), batch_size)]
        _, value = sess.run([optimizer, loss], feed_dict={X: batch_x})
        if i % display_step == 0 or i == 1:
            print(f'Step {i}: Minibatch Loss: {value:f}')
    codes, g = sess.run([encoder_op, decoder_op], feed_dict={X: test})
    error = np.mean(np.square(g - test))
    error_of_mean = np.mean(np.square(train.mean(0) - test))
    print(f"reconstruction error {error:.4f}, of the mean image {error_of_mean:.4f}")
