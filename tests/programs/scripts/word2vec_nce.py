"""word2vec by skip-grams with noise-contrastive estimation (2016)."""

import collections
import random

import numpy as np

import graphflow as tf

random.seed(0)
np.random.seed(0)

# Words that stand in each other's place: an animal eats its food, a tool works its material
sentences = []
for _ in range(900):
    if random.random() < 0.5:
        sentences.append(["the", random.choice(["cat", "dog", "bird"]), "eats",
                          random.choice(["fish", "meat", "seed"])])
    else:
        sentences.append(["a", random.choice(["saw", "axe", "plane"]), "cuts",
                          random.choice(["oak", "pine", "beech"])])
words = [w for s in sentences for w in s]
count = collections.Counter(words).most_common()
dictionary = {word: i for i, (word, _) in enumerate(count)}
reverse_dictionary = {i: word for word, i in dictionary.items()}
vocabulary_size = len(dictionary)
data = [dictionary[w] for w in words]

data_index = 0


def generate_batch(batch_size, num_skips, skip_window):
    global data_index
    batch = np.ndarray(shape=(batch_size), dtype=np.int32)
    labels = np.ndarray(shape=(batch_size, 1), dtype=np.int32)
    span = 2 * skip_window + 1
    buffer = collections.deque(maxlen=span)
    if data_index + span > len(data):
        data_index = 0
    buffer.extend(data[data_index:data_index + span])
    data_index += span
    for i in range(batch_size // num_skips):
        context_words = [w for w in range(span) if w != skip_window]
        for j, context_word in enumerate(random.sample(context_words, num_skips)):
            batch[i * num_skips + j] = buffer[skip_window]
            labels[i * num_skips + j, 0] = buffer[context_word]
        if data_index == len(data):
            buffer.extend(data[0:span])
            data_index = span
        else:
            buffer.append(data[data_index])
            data_index += 1
    return batch, labels


batch_size, embedding_size, skip_window, num_skips, num_sampled = 128, 16, 1, 2, 6
train_inputs = tf.placeholder(tf.int32, shape=[batch_size])
train_labels = tf.placeholder(tf.int32, shape=[batch_size, 1])
with tf.device('/cpu:0'):
    embeddings = tf.Variable(
        tf.random_uniform([vocabulary_size, embedding_size], -1.0, 1.0, seed=1))
    embed = tf.nn.embedding_lookup(embeddings, train_inputs)
    nce_weights = tf.Variable(tf.truncated_normal(
        [vocabulary_size, embedding_size], stddev=1.0 / np.sqrt(embedding_size), seed=2))
    nce_biases = tf.Variable(tf.zeros([vocabulary_size]))

loss = tf.reduce_mean(tf.nn.nce_loss(
    weights=nce_weights, biases=nce_biases, labels=train_labels, inputs=embed,
    num_sampled=num_sampled, num_classes=vocabulary_size))
optimizer = tf.train.GradientDescentOptimizer(1.0).minimize(loss)

# Compute the cosine similarity between all words
norm = tf.sqrt(tf.reduce_sum(tf.square(embeddings), 1, keep_dims=True))
normalized_embeddings = embeddings / norm
similarity = tf.matmul(normalized_embeddings, normalized_embeddings, transpose_b=True)

average_losses, average_loss = [], 0
with tf.Session() as session:
    tf.global_variables_initializer().run()
    for step in range(1, 1501):
        batch_inputs, batch_labels = generate_batch(batch_size, num_skips, skip_window)
        feed_dict = {train_inputs: batch_inputs, train_labels: batch_labels}
        _, loss_val = session.run([optimizer, loss], feed_dict=feed_dict)
        average_loss += loss_val
        if step % 500 == 0:
            average_losses.append(average_loss / 500)
            average_loss = 0
    sim = similarity.eval()
    nearest_words = {
        word: [reverse_dictionary[k] for k in (-sim[i]).argsort()[1:3]]
        for word, i in dictionary.items()}
    print("average losses", average_losses)
    print({w: nearest_words[w] for w in ("cat", "oak")})
