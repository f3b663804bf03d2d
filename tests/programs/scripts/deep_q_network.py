"""Deep Q-learning with a replay memory and a target network, on a grid with a hole (2017)."""

import random
from collections import deque

import numpy as np

import graphflow as tf

random.seed(0)
tf.set_random_seed(0)
SIZE, GAMMA, BATCH = 5, 0.9, 32


class Grid:
    """A 5×5 grid: from the lower left to the upper right corner; the middle is a hole."""

    moves = [(0, 1), (0, -1), (1, 0), (-1, 0)]

    def reset(self):
        self.x = self.y = self.t = 0
        return self.observe()

    def observe(self):
        state = np.zeros(SIZE * SIZE, np.float32)
        state[self.x * SIZE + self.y] = 1
        return state

    def step(self, action):
        dx, dy = self.moves[action]
        self.x = min(max(self.x + dx, 0), SIZE - 1)
        self.y = min(max(self.y + dy, 0), SIZE - 1)
        self.t += 1
        if (self.x, self.y) == (SIZE - 1, SIZE - 1):
            return self.observe(), 1.0, True
        if (self.x, self.y) == (2, 2):
            return self.observe(), -1.0, True
        return self.observe(), -0.01, self.t >= 40


class DQN:
    def __init__(self, session, name):
        self.session, self.name = session, name
        with tf.variable_scope(name):
            self._X = tf.placeholder(tf.float32, [None, SIZE * SIZE], name="input_x")
            net = tf.layers.dense(self._X, 32, activation=tf.nn.relu)
            self._Qpred = tf.layers.dense(net, 4)
            self._Y = tf.placeholder(tf.float32, shape=[None, 4])
            self._loss = tf.losses.mean_squared_error(self._Y, self._Qpred)
            self._train = tf.train.AdamOptimizer(learning_rate=5e-3).minimize(self._loss)

    def predict(self, states):
        return self.session.run(self._Qpred, feed_dict={self._X: np.reshape(states, [-1, 25])})

    def update(self, states, targets):
        return self.session.run([self._loss, self._train],
                                feed_dict={self._X: states, self._Y: targets})


def replay_train(main, target, batch):
    states = np.vstack([x[0] for x in batch])
    actions = np.array([x[1] for x in batch])
    rewards = np.array([x[2] for x in batch])
    next_states = np.vstack([x[3] for x in batch])
    done = np.array([x[4] for x in batch])
    Q_target = rewards + GAMMA * np.max(target.predict(next_states), axis=1) * ~done
    y = main.predict(states)
    y[np.arange(len(states)), actions] = Q_target
    return main.update(states, y)


def get_copy_var_ops(*, dest_scope_name, src_scope_name):
    op_holder = []
    src_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope=src_scope_name)
    dest_vars = tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope=dest_scope_name)
    for src_var, dest_var in zip(src_vars, dest_vars):
        op_holder.append(dest_var.assign(src_var.value()))
    return op_holder


env, replay_buffer, losses = Grid(), deque(maxlen=2000), []
with tf.Session() as sess:
    mainDQN, targetDQN = DQN(sess, "main"), DQN(sess, "target")
    sess.run(tf.global_variables_initializer())
    copy_ops = get_copy_var_ops(dest_scope_name="target", src_scope_name="main")
    sess.run(copy_ops)
    for episode in range(150):
        e, done, state = max(0.1, 1. - episode / 100), False, env.reset()
        while not done:
            action = random.randrange(4) if random.random() < e else int(
                np.argmax(mainDQN.predict(state)))
            next_state, reward, done = env.step(action)
            replay_buffer.append((state, action, reward, next_state, done))
            state = next_state
        if len(replay_buffer) > 100:
            for _ in range(20):
                loss, _ = replay_train(
                    mainDQN, targetDQN, random.sample(replay_buffer, BATCH))
                losses.append(loss)
        if episode % 2 == 0:
            sess.run(copy_ops)
    # One episode without chance
    state, done, total, path = env.reset(), False, 0.0, []
    while not done:
        state, reward, done = env.step(int(np.argmax(mainDQN.predict(state))))
        total += reward
        path.append((env.x, env.y))
    values = targetDQN.predict(np.eye(SIZE * SIZE)).max(1).reshape(SIZE, SIZE)
print("return", total, "in", len(path), "moves")
