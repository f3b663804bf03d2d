"""Iris-like flowers by a premade and by an own Estimator, trained, evaluated, predicted (2018)."""

import numpy as np

import graphflow as tf

tf.logging.set_verbosity(tf.logging.ERROR)
SPECIES = ["Setosa", "Versicolor", "Virginica"]
KEYS = ["SepalLength", "SepalWidth", "PetalLength", "PetalWidth"]
# Means and deviations of Fisher's iris measurements (1936), from which flowers are drawn.
MEANS = [[5.01, 3.43, 1.46, 0.25], [5.94, 2.77, 4.26, 1.33], [6.59, 2.97, 5.55, 2.03]]
DEVIATIONS = [[0.35, 0.38, 0.17, 0.11], [0.52, 0.31, 0.47, 0.20], [0.64, 0.32, 0.55, 0.27]]


def flowers(count, seed):
    rng = np.random.RandomState(seed)
    species = rng.randint(3, size=count)
    values = rng.normal(np.array(MEANS)[species], np.array(DEVIATIONS)[species])
    return {k: values[:, i].astype(np.float32) for i, k in enumerate(KEYS)}, species


train_x, train_y = flowers(120, 1)
test_x, test_y = flowers(60, 2)


def train_input_fn(features, labels, batch_size):
    dataset = tf.data.Dataset.from_tensor_slices((dict(features), labels))
    return dataset.shuffle(1000, seed=3).repeat().batch(batch_size)


my_feature_columns = [tf.feature_column.numeric_column(key=key) for key in train_x]
config = tf.estimator.RunConfig(tf_random_seed=5)
classifier = tf.estimator.DNNClassifier(
    feature_columns=my_feature_columns, hidden_units=[10, 10], n_classes=3, config=config)
classifier.train(input_fn=lambda: train_input_fn(train_x, train_y, 50), steps=500)
eval_input_fn = tf.estimator.inputs.numpy_input_fn(
    x=test_x, y=test_y, num_epochs=1, shuffle=False)
eval_result = classifier.evaluate(input_fn=eval_input_fn)
print("Test set accuracy: {accuracy:0.3f}".format(**eval_result))

expected = ["Setosa", "Versicolor", "Virginica"]
predict_x = {
    "SepalLength": np.array([5.1, 5.9, 6.9], np.float32),
    "SepalWidth": np.array([3.3, 3.0, 3.1], np.float32),
    "PetalLength": np.array([1.7, 4.2, 5.4], np.float32),
    "PetalWidth": np.array([0.5, 1.5, 2.1], np.float32)}
predictions = list(classifier.predict(input_fn=tf.estimator.inputs.numpy_input_fn(
    predict_x, shuffle=False)))
names = [SPECIES[p["class_ids"][0]] for p in predictions]
for prediction, name in zip(predictions, names):
    print(f'Prediction is "{name}" ({100 * prediction["probabilities"].max():.1f}%)')


def my_model(features, labels, mode, params):
    net = tf.feature_column.input_layer(features, params["feature_columns"])
    for units in params["hidden_units"]:
        net = tf.layers.dense(net, units=units, activation=tf.nn.relu)
    logits = tf.layers.dense(net, params["n_classes"], activation=None)
    predicted_classes = tf.argmax(logits, 1)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions={
            "class_ids": predicted_classes[:, tf.newaxis],
            "probabilities": tf.nn.softmax(logits), "logits": logits})
    loss = tf.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits)
    accuracy = tf.metrics.accuracy(labels=labels, predictions=predicted_classes, name="acc_op")
    tf.summary.scalar("accuracy", accuracy[1])
    if mode == tf.estimator.ModeKeys.EVAL:
        return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops={"accuracy": accuracy})
    optimizer = tf.train.AdagradOptimizer(learning_rate=0.1)
    train_op = optimizer.minimize(loss, global_step=tf.train.get_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)


own = tf.estimator.Estimator(model_fn=my_model, config=config, params={
    "feature_columns": my_feature_columns, "hidden_units": [10, 10], "n_classes": 3})
own.train(input_fn=lambda: train_input_fn(train_x, train_y, 50), steps=500)
own_result = own.evaluate(input_fn=eval_input_fn)
print("Test set accuracy: {accuracy:0.3f}".format(**own_result))
