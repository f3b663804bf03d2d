"""A variational autoencoder with the reparametrised normal (2016)."""

import numpy as np

import graphflow as tf

np.random.seed(0)
tf.set_random_seed(0)
digits = tf.data.digits_dataset(size=8)
train = digits.train_images.reshape(-1, 64)
test = digits.test_images.reshape(-1, 64)


def xavier_init(fan_in, fan_out, constant=1):
    """Xavier initialization of network weights"""
    low = -constant * np.sqrt(6.0 / (fan_in + fan_out))
    high = constant * np.sqrt(6.0 / (fan_in + fan_out))
    return tf.random_uniform((fan_in, fan_out), minval=low, maxval=high, dtype=tf.float32)


class VariationalAutoencoder:
    def __init__(self, n_input=64, n_hidden=48, n_z=6, transfer_fct=tf.nn.softplus,
                 learning_rate=0.003, batch_size=100):
        self.n_input, self.n_hidden, self.n_z = n_input, n_hidden, n_z
        self.transfer_fct, self.batch_size = transfer_fct, batch_size
        self.x = tf.placeholder(tf.float32, [None, n_input])
        self._create_network()
        self._create_loss_optimizer(learning_rate)
        self.sess = tf.InteractiveSession()
        self.sess.run(tf.global_variables_initializer())

    def _layer(self, x, n_in, n_out):
        return tf.add(tf.matmul(x, tf.Variable(xavier_init(n_in, n_out))),
                      tf.Variable(tf.zeros([n_out], dtype=tf.float32)))

    def _create_network(self):
        # Recognition network: mean and (log) variance of the latent normal
        hidden = self.transfer_fct(self._layer(self.x, self.n_input, self.n_hidden))
        self.z_mean = self._layer(hidden, self.n_hidden, self.n_z)
        self.z_log_sigma_sq = self._layer(hidden, self.n_hidden, self.n_z)
        # Draw one sample z = mu + sigma*epsilon
        eps = tf.random_normal(tf.shape(self.z_mean), 0, 1, dtype=tf.float32)
        self.z = tf.add(self.z_mean,
                        tf.multiply(tf.sqrt(tf.exp(self.z_log_sigma_sq)), eps))
        # Generator network: mean of the Bernoulli distribution of the reconstructed input
        hidden = self.transfer_fct(self._layer(self.z, self.n_z, self.n_hidden))
        self.x_reconstr_mean = tf.nn.sigmoid(self._layer(hidden, self.n_hidden, self.n_input))

    def _create_loss_optimizer(self, learning_rate):
        # 1e-10 avoids evaluation of log(0.0)
        self.reconstr_loss = -tf.reduce_sum(
            self.x * tf.log(1e-10 + self.x_reconstr_mean)
            + (1 - self.x) * tf.log(1e-10 + 1 - self.x_reconstr_mean), 1)
        self.latent_loss = -0.5 * tf.reduce_sum(
            1 + self.z_log_sigma_sq - tf.square(self.z_mean) - tf.exp(self.z_log_sigma_sq), 1)
        self.cost = tf.reduce_mean(self.reconstr_loss + self.latent_loss)
        self.optimizer = tf.train.AdamOptimizer(learning_rate=learning_rate).minimize(self.cost)

    def partial_fit(self, X):
        _, cost = self.sess.run((self.optimizer, self.cost), feed_dict={self.x: X})
        return cost

    def transform(self, X):
        return self.sess.run(self.z_mean, feed_dict={self.x: X})

    def generate(self, z_mu=None):
        if z_mu is None:
            z_mu = np.random.normal(size=(1, self.n_z))
        return self.sess.run(self.x_reconstr_mean, feed_dict={self.z: z_mu})

    def reconstruct(self, X):
        return self.sess.run(self.x_reconstr_mean, feed_dict={self.x: X})


vae = VariationalAutoencoder()
costs = []
for epoch in range(25):
    order = np.random.permutation(len(train))
    batches = np.split(order[:1400], 14)
    costs.append(float(np.mean([vae.partial_fit(train[batch]) for batch in batches])))
    if epoch % 5 == 0:
        print(f"Epoch: {epoch + 1:04d} cost= {costs[-1]:.6f}")
reconstruction_error = np.mean(np.square(vae.reconstruct(test) - test))
error_of_mean = np.mean(np.square(train.mean(0) - test))
generated = vae.generate(np.random.normal(size=(64, 6)))
latent = vae.transform(test)
vae.sess.close()
print(f"reconstruction error {reconstruction_error:.4f}")
