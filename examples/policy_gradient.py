"""REINFORCE on a cart with a pole, whose equations of motion are written out (2016)."""

import math

import numpy as np

import graphflow as tf

tf.set_random_seed(1)
rng = np.random.RandomState(1)


class CartPole:
    """The cart and pole of Barto, Sutton & Anderson (1983): reward 1 a step, 100 steps at most."""

    def reset(self):
        self.state, self.steps = rng.uniform(-0.05, 0.05, 4), 0
        return self.state

    def step(self, action):
        x, x_dot, theta, theta_dot = self.state
        force = 10.0 if action == 1 else -10.0
        temp = (force + 0.05 * theta_dot ** 2 * math.sin(theta)) / 1.1
        theta_acc = (9.8 * math.sin(theta) - math.cos(theta) * temp) / (
            0.5 * (4.0 / 3.0 - 0.1 * math.cos(theta) ** 2 / 1.1))
        x_acc = temp - 0.05 * theta_acc * math.cos(theta) / 1.1
        self.state = np.array([x + 0.02 * x_dot, x_dot + 0.02 * x_acc,
                               theta + 0.02 * theta_dot, theta_dot + 0.02 * theta_acc])
        self.steps += 1
        fallen = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 12 * math.pi / 180
        return self.state, 1.0, bool(fallen or self.steps >= 100), {}


def discount_rewards(r, gamma=0.98):
    """Take 1D float array of rewards and compute discounted reward."""
    discounted_r, running_add = np.zeros_like(r), 0
    for t in reversed(range(0, r.size)):
        running_add = running_add * gamma + r[t]
        discounted_r[t] = running_add
    return discounted_r


class Agent:
    def __init__(self, lr, s_size, a_size, h_size):
        # The feed-forward part of the agent: a state gives probabilities of actions
        self.state_in = tf.placeholder(shape=[None, s_size], dtype=tf.float32)
        hidden = tf.layers.dense(self.state_in, h_size, activation=tf.nn.relu)
        self.output = tf.nn.softmax(tf.layers.dense(hidden, a_size, use_bias=False))

        # The training procedure: the log-probability of what was done, times the reward
        self.reward_holder = tf.placeholder(shape=[None], dtype=tf.float32)
        self.action_holder = tf.placeholder(shape=[None], dtype=tf.int32)
        self.indexes = tf.range(0, tf.shape(self.output)[0]) * tf.shape(self.output)[1] \
            + self.action_holder
        self.responsible_outputs = tf.gather(tf.reshape(self.output, [-1]), self.indexes)
        self.loss = -tf.reduce_mean(tf.log(self.responsible_outputs) * self.reward_holder)

        tvars = tf.trainable_variables()
        self.gradient_holders = []
        for idx, _ in enumerate(tvars):
            placeholder = tf.placeholder(tf.float32, name=str(idx) + '_holder')
            self.gradient_holders.append(placeholder)
        self.gradients = tf.gradients(self.loss, tvars)
        optimizer = tf.train.AdamOptimizer(learning_rate=lr)
        self.update_batch = optimizer.apply_gradients(zip(self.gradient_holders, tvars))


env, update_frequency, total_episodes = CartPole(), 5, 240
myAgent = Agent(lr=2e-2, s_size=4, a_size=2, h_size=12)
total_reward = []
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    grad_buffer = sess.run(tf.trainable_variables())
    for ix, grad in enumerate(grad_buffer):
        grad_buffer[ix] = grad * 0
    for i in range(total_episodes):
        s, done, ep_history = env.reset(), False, []
        while not done:
            # Choose an action according to the network's probabilities
            a_dist = sess.run(myAgent.output, feed_dict={myAgent.state_in: [s]})
            a = int(rng.rand() > a_dist[0][0])
            s1, r, done, _ = env.step(a)
            ep_history.append((s, a, r))
            s = s1
        rewards = discount_rewards(np.array([h[2] for h in ep_history]))
        rewards = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
        feed_dict = {myAgent.reward_holder: rewards,
                     myAgent.action_holder: [h[1] for h in ep_history],
                     myAgent.state_in: np.vstack([h[0] for h in ep_history])}
        grads = sess.run(myAgent.gradients, feed_dict=feed_dict)
        for idx, grad in enumerate(grads):
            grad_buffer[idx] += grad
        if (i + 1) % update_frequency == 0:
            feed_dict = dict(zip(myAgent.gradient_holders, grad_buffer))
            sess.run(myAgent.update_batch, feed_dict=feed_dict)
            for ix, grad in enumerate(grad_buffer):
                grad_buffer[ix] = grad * 0
        total_reward.append(len(ep_history))
        if i % 60 == 59:
            print(np.mean(total_reward[-60:]))
