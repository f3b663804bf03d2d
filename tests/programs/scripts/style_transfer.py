"""The image is the variable: content of one picture, Gram matrices of another (2016)."""

import numpy as np

import graphflow as tf

SIZE, STEPS = 24, 120
CONTENT_WEIGHT, STYLE_WEIGHT, TV_WEIGHT = 1.0, 3000.0, 1e-3
rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) / SIZE
content = np.stack([(rows - .5) ** 2 + (columns - .5) ** 2 < .1] * 3, -1).astype(np.float32)
style = np.stack([np.sin(40 * rows), np.sin(40 * (rows + columns)), np.cos(40 * columns)], -1)
style = (style * 0.5 + 0.5).astype(np.float32)

# Fixed random filters stand in for a trained network (Ulyanov et al.; He et al. 2016)
rng = np.random.RandomState(0)
FILTERS = [rng.normal(0, (2 / (9 * i)) ** .5, (3, 3, i, o)).astype(np.float32)
           for i, o in ((3, 12), (12, 16))]


def features(image):
    """image: [H, W, 3] → the activations of each layer."""
    layers, x = {}, tf.expand_dims(image, 0)
    for i, kernel in enumerate(FILTERS, 1):
        x = tf.nn.relu(tf.nn.conv2d(x, tf.constant(kernel), [1, 1, 1, 1], 'SAME'))
        layers[f'relu{i}'] = x
        x = tf.nn.avg_pool(x, ksize=(1, 2, 2, 1), strides=(1, 2, 2, 1), padding='SAME')
    return layers


def gram_matrix(layer):
    _, height, width, number = (d.value for d in layer.get_shape())
    flat = tf.reshape(layer, (-1, number))
    return tf.matmul(tf.transpose(flat), flat) / (height * width * number)


g = tf.Graph()
with g.as_default(), tf.Session() as sess:
    pictures = tf.placeholder('float', shape=(SIZE, SIZE, 3))
    layers = features(pictures)
    content_features = sess.run(layers['relu2'], feed_dict={pictures: content})
    style_features = {name: sess.run(gram_matrix(layer), {pictures: style})
                      for name, layer in layers.items()}

with tf.Graph().as_default():
    initial = tf.random_normal((SIZE, SIZE, 3), seed=0) * 0.1 + 0.5
    image = tf.Variable(initial, name="image")
    net = features(image)
    content_loss = CONTENT_WEIGHT * tf.nn.l2_loss(
        net['relu2'] - content_features) / content_features.size
    style_losses = []
    for name, gram in style_features.items():
        style_losses.append(2 * tf.nn.l2_loss(gram_matrix(net[name]) - gram) / gram.size)
    style_loss = STYLE_WEIGHT * tf.add_n(style_losses)
    tv_loss = TV_WEIGHT * (
        tf.reduce_sum(tf.abs(image[1:, :, :] - image[:-1, :, :]))
        + tf.reduce_sum(tf.abs(image[:, 1:, :] - image[:, :-1, :]))) / SIZE
    loss = content_loss + style_loss + tv_loss
    with tf.control_dependencies([tf.train.AdamOptimizer(0.03).minimize(loss)]):
        train_step = image.assign(tf.clip_by_value(image, 0.0, 1.0))

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        first = sess.run([loss, content_loss, style_loss])
        best_loss = float('inf')
        for _ in range(STEPS):
            train_step.eval()
            this_loss = loss.eval()
            if this_loss < best_loss:
                best_loss, best = this_loss, image.eval()
        last = sess.run([loss, content_loss, style_loss])
        print("loss, content, style:", first, "->", last)
