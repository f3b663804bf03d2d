"""A generative adversarial network learns a normal distribution (2016)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(1)
rng = np.random.RandomState(1)
MEAN, STDDEV, BATCH = 4.0, 0.5, 256

Z = tf.placeholder(tf.float32, shape=[None, 4], name='Z')
X = tf.placeholder(tf.float32, shape=[None, 1], name='X')


def generator(z):
    with tf.variable_scope('G'):
        h = tf.layers.dense(z, 16, tf.nn.softplus, name='g0')
        return tf.layers.dense(h, 1, name='g1')


def discriminator(x, reuse=False):
    with tf.variable_scope('D', reuse=reuse):
        h = tf.layers.dense(x, 32, tf.nn.leaky_relu, name='d0')
        # Minibatch spread: the deviation of the batch beside each sample
        spread = tf.sqrt(tf.nn.moments(x, [0], keep_dims=True)[1] + 1e-6)
        h = tf.concat([h, tf.tile(spread, [tf.shape(x)[0], 1])], 1)
        h = tf.layers.dense(h, 32, tf.nn.leaky_relu, name='d1')
        return tf.layers.dense(h, 1, name='d2')


G_sample = generator(Z)
D_logit_real = discriminator(X)
D_logit_fake = discriminator(G_sample, reuse=True)

D_loss_real = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(
    logits=D_logit_real, labels=tf.ones_like(D_logit_real)))
D_loss_fake = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(
    logits=D_logit_fake, labels=tf.zeros_like(D_logit_fake)))
D_loss = D_loss_real + D_loss_fake
G_loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(
    logits=D_logit_fake, labels=tf.ones_like(D_logit_fake)))

theta_D = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope='D')
theta_G = [var for var in tf.trainable_variables() if var.name.startswith('G')]
D_solver = tf.train.AdamOptimizer(0.005, beta1=0.5).minimize(D_loss, var_list=theta_D)
G_solver = tf.train.AdamOptimizer(0.002, beta1=0.5).minimize(G_loss, var_list=theta_G)


def sample_Z(m):
    return rng.uniform(-1., 1., size=[m, 4])


sess = tf.Session()
sess.run(tf.global_variables_initializer())
before = sess.run(G_sample, {Z: sample_Z(2000)})
for it in range(1200):
    real = rng.normal(MEAN, STDDEV, (BATCH, 1))
    _, D_loss_curr = sess.run([D_solver, D_loss], feed_dict={X: real, Z: sample_Z(BATCH)})
    _, G_loss_curr = sess.run([G_solver, G_loss], feed_dict={Z: sample_Z(BATCH)})
    if it % 500 == 0:
        print(f'Iter: {it}  D loss: {D_loss_curr:.4}  G_loss: {G_loss_curr:.4}')
after = sess.run(G_sample, {Z: sample_Z(2000)})
sess.close()
print(f"mean {before.mean():.2f} -> {after.mean():.2f}, deviation {after.std():.2f}")
