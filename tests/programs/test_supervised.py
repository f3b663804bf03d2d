"""Programs that learn from labelled examples."""

from __future__ import annotations

import numpy as np
import pytest


def test_linear_regression_finds_the_least_squares_line(run_script):
    names = run_script("linear_regression")
    slope, intercept = np.polyfit(names["train_X"], names["train_Y"], 1)
    best = np.mean(np.square(
        slope * names["train_X"] + intercept - names["train_Y"])) / 2
    assert names["training_cost"] == pytest.approx(best, rel=0.3)
    assert names["testing_cost"] < 0.2


def test_softmax_regression_reads_digits(run_script):
    names = run_script("softmax_regression")
    assert names["accuracy_value"] > 0.93
    assert names["loss_value"] < 0.3


def test_perceptron_of_dictionaries(run_script):
    names = run_script("mlp_dicts")
    assert names["average_costs"][-1] < 0.1 < names["average_costs"][0]
    assert names["accuracy_value"] > 0.94


def test_convolutional_network_of_raw_ops(run_script):
    assert run_script("cnn_raw_ops")["testing_accuracy"] > 0.93


def test_layers_with_batch_norm_and_averaged_weights(run_script):
    names = run_script("cnn_layers_batch_norm")
    assert names["step"] == 5 * 23
    assert names["accuracy_raw"] > 0.94
    assert names["accuracy_averaged"] > 0.94
    assert np.abs(names["moving_mean"]).max() > 0.01


def test_training_goes_on_from_a_checkpoint(run_script):
    names = run_script("save_and_restore")
    assert names["restored_cost"] == names["first_cost"]
    assert names["second_cost"] < names["first_cost"]
    assert names["second_accuracy"] > 0.93
    assert names["steps"] == (4 + 12) * 14


def test_nearest_neighbour(run_script):
    names = run_script("nearest_neighbor")
    assert names["accuracy"] > 0.96
    assert names["majority_accuracy"] > 0.96


def test_kmeans_finds_the_four_centres(run_script):
    names = run_script("kmeans")
    np.testing.assert_allclose(names["centers"], [[0, 0], [5, 5], [0, 5], [5, 0]], atol=0.15)
    assert np.mean(names["assignments"] == names["origin"]) > 0.99
    assert 2 <= names["iters"] < 20


def test_matrix_factorization_fills_in_held_out_ratings(run_script):
    names = run_script("matrix_factorization")
    assert names["first_error"] > 1.5
    assert names["last_error"] < 0.25
