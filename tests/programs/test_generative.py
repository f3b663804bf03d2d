"""Programs that make examples, or change their input."""

from __future__ import annotations

import numpy as np


def test_autoencoder(run_script):
    names = run_script("autoencoder")
    assert names["error"] < 0.4 * names["error_of_mean"]
    assert names["codes"].shape == (359, 16)


def test_variational_autoencoder(run_script):
    names = run_script("variational_autoencoder")
    assert names["costs"][-1] < 0.8 * names["costs"][0]
    assert names["reconstruction_error"] < 0.8 * names["error_of_mean"]
    assert names["generated"].shape == (64, 64)
    assert names["generated"].min() >= 0 and names["generated"].max() <= 1
    # the prior holds the codes near a standard normal
    assert np.abs(names["latent"].mean(0)).max() < 0.6


def test_adversarial_network_learns_a_normal_distribution(run_script):
    names = run_script("gan")
    assert abs(names["before"].mean() - 4) > 2
    assert abs(names["after"].mean() - 4) < 0.5
    assert 0.2 < names["after"].std() < 1


def test_convolutional_adversarial_network(run_script):
    names = run_script("dcgan")
    assert names["trained"].shape == (64, 8, 8, 1)
    assert names["distance_after"] < 0.5 * names["distance_before"]


def test_style_transfer(run_script):
    names = run_script("style_transfer")
    assert names["best_loss"] < 0.3 * names["first"][0]
    assert names["last"][2] < 0.3 * names["first"][2]
    assert names["best"].min() >= 0 and names["best"].max() <= 1


def test_activation_maximization(run_script):
    names = run_script("activation_maximization")
    assert names["before"].mean() < 0.2
    assert names["after"].min() > 0.9
    assert np.mean(np.diag(names["likeness"])) > np.mean(names["likeness"]) + 0.2
