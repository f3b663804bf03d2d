"""A deep convolutional GAN on small digits: transposed convolutions, batch norm (2017)."""

import numpy as np

import graphflow as tf

tf.set_random_seed(0)
rng = np.random.RandomState(0)
digits = tf.data.digits_dataset(size=8)
real_images = digits.train_images[digits.train_labels == 0] * 2 - 1
batch_size, noise_dim = 32, 8

noise_input = tf.placeholder(tf.float32, shape=[None, noise_dim])
real_image_input = tf.placeholder(tf.float32, shape=[None, 8, 8, 1])
is_training = tf.placeholder(tf.bool)


def leakyrelu(x, alpha=0.2):
    return 0.5 * (1 + alpha) * x + 0.5 * (1 - alpha) * abs(x)


# Input: noise, output: image. With batch normalization, the phase must be known.
def generator(x, reuse=False):
    with tf.variable_scope('Generator', reuse=reuse):
        x = tf.layers.dense(x, units=2 * 2 * 32)
        x = tf.layers.batch_normalization(x, training=is_training)
        x = tf.nn.relu(x)
        x = tf.reshape(x, shape=[-1, 2, 2, 32])
        x = tf.layers.conv2d_transpose(x, 16, 5, strides=2, padding='same')
        x = tf.layers.batch_normalization(x, training=is_training)
        x = tf.nn.relu(x)
        x = tf.layers.conv2d_transpose(x, 1, 5, strides=2, padding='same')
        return tf.nn.tanh(x)


# Input: image, output: prediction real/fake
def discriminator(x, reuse=False):
    with tf.variable_scope('Discriminator', reuse=reuse):
        x = tf.layers.conv2d(x, 16, 3, strides=2, padding='same')
        x = leakyrelu(x)
        x = tf.layers.conv2d(x, 32, 3, strides=2, padding='same')
        x = leakyrelu(tf.layers.batch_normalization(x, training=is_training))
        x = tf.reshape(x, shape=[-1, 2 * 2 * 32])
        x = leakyrelu(tf.layers.dense(x, 32))
        return tf.layers.dense(x, 2)


gen_sample = generator(noise_input)
disc_real = discriminator(real_image_input)
disc_fake = discriminator(gen_sample, reuse=True)
stacked_gan = discriminator(gen_sample, reuse=True)

disc_loss_real = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
    logits=disc_real, labels=tf.ones([batch_size], dtype=tf.int32)))
disc_loss_fake = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
    logits=disc_fake, labels=tf.zeros([batch_size], dtype=tf.int32)))
disc_loss = disc_loss_real + disc_loss_fake
gen_loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(
    logits=stacked_gan, labels=tf.ones([batch_size], dtype=tf.int32)))

gen_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope='Generator')
disc_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope='Discriminator')
gen_update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS, scope='Generator')
disc_update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS, scope='Discriminator')
with tf.control_dependencies(gen_update_ops):
    train_gen = tf.train.AdamOptimizer(0.002, beta1=0.5).minimize(gen_loss, var_list=gen_vars)
with tf.control_dependencies(disc_update_ops):
    train_disc = tf.train.AdamOptimizer(0.002, beta1=0.5).minimize(
        disc_loss, var_list=disc_vars)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    test_noise = rng.uniform(-1., 1., size=[64, noise_dim])
    untrained = sess.run(gen_sample, {noise_input: test_noise, is_training: True})
    for i in range(1, 151):
        batch_x = real_images[rng.choice(len(real_images), batch_size)]
        z = rng.uniform(-1., 1., size=[batch_size, noise_dim])
        _, dl = sess.run([train_disc, disc_loss], feed_dict={
            real_image_input: batch_x, noise_input: z, is_training: True})
        z = rng.uniform(-1., 1., size=[batch_size, noise_dim])
        _, gl = sess.run([train_gen, gen_loss], feed_dict={noise_input: z, is_training: True})
        if i % 50 == 0:
            print(f'Step {i}: Generator Loss: {gl:f}, Discriminator Loss: {dl:f}')
    trained = sess.run(gen_sample, {noise_input: test_noise, is_training: True})

mean_image = real_images.mean(0)
distance_before = float(np.mean(np.abs(untrained.mean(0) - mean_image)))
distance_after = float(np.mean(np.abs(trained.mean(0) - mean_image)))
print(f"distance of the mean images {distance_before:.3f} -> {distance_after:.3f}")
