"""Programs that act, that learn on graphs, that compute; many devices; Keras models."""

from __future__ import annotations

import numpy as np
import pytest


def test_policy_gradient_holds_the_pole(run_script):
    rewards = run_script("policy_gradient")["total_reward"]
    assert np.mean(rewards[:20]) < 40
    assert np.mean(rewards[-20:]) > 60


def test_deep_q_network_finds_the_way_round_the_hole(run_script):
    names = run_script("deep_q_network")
    assert len(names["path"]) == 8  # the shortest one
    assert (2, 2) not in names["path"]
    assert names["values"][4, 3] == pytest.approx(1.0, abs=0.15)


def test_graph_convolution_with_few_labels(run_script):
    names = run_script("graph_convolution")
    assert names["train_loss"] < 0.5 * names["first_loss"]
    assert names["test_accuracy"] > 0.9


def test_residual_network_on_cifar10_files(run_script):
    names = run_script("cifar10_resnet")
    assert names["train_images"].shape == (640, 16, 16, 3)
    assert names["test_accuracy"] > 0.9
    assert names["step"] == 70


def test_towers_share_weights(run_script):
    names = run_script("towers")
    assert names["variable_names"] == [
        "local1/weights", "local1/biases", "softmax_linear/weights", "softmax_linear/biases"]
    assert names["gradient_difference"] < 1e-6
    assert names["precision"] > 0.93
    assert names["loss_names"] == ["local1/weight_loss", "cross_entropy"]


def test_power_iteration(run_script):
    names = run_script("power_iteration")
    values, vectors = np.linalg.eigh(names["matrix"])
    assert names["value"] == pytest.approx(values[-1], rel=1e-10)
    np.testing.assert_allclose(names["three"], values[::-1][:3], rtol=1e-6)
    first = vectors[:, -1]
    np.testing.assert_allclose(names["slope"], np.outer(first, first), atol=1e-6)


def test_waves_follow_the_difference_equation(run_script):
    names = run_script("pde_waves")
    u, ut = names["u_init"].astype(np.float64), np.zeros((48, 48))
    for _ in range(400):
        wide = np.pad(u, 1)
        laplace = sum(
            weight * wide[1 + i:49 + i, 1 + j:49 + j]
            for i, j, weight in ((0, 0, -6), (0, 1, 1), (1, 0, 1), (0, -1, 1), (-1, 0, 1),
                                 (1, 1, .5), (1, -1, .5), (-1, 1, .5), (-1, -1, .5)))
        u, ut = u + 0.03 * ut, ut + 0.03 * (laplace - 0.04 * ut)
    np.testing.assert_allclose(names["pond"], u, atol=1e-4)
    np.testing.assert_allclose(names["speed"], ut, atol=1e-4)


def test_boltzmann_machine(run_script):
    names = run_script("restricted_boltzmann_machine")
    assert names["errors"][-1] < 0.4 * names["errors"][0]
    assert names["energy_digits"] < names["energy_noise"] - 5


def test_siamese_network(run_script):
    assert run_script("siamese_network")["neighbour_accuracy"] > 0.93


def test_support_vector_machines(run_script):
    names = run_script("linear_svm")
    assert names["linear_accuracy"] > 0.97
    assert names["ring_accuracy"] > 0.97


def test_keras_model_of_two_inputs_and_outputs(run_script):
    names = run_script("keras_functional")
    assert names["scores"]["digit_accuracy"] > 0.9
    assert names["scores"]["greater_accuracy"] > 0.75
    assert names["best"]["loss"] == pytest.approx(min(names["history"].history["val_loss"]))
    assert names["digit"].shape == (300, 10) and names["greater"].shape == (300, 1)
    assert len(names["rates"]) == len(names["history"].history["loss"])


def test_keras_sequences_of_words(run_script):
    names = run_script("keras_imdb_style")
    assert set(names["history"].history) == {"loss", "acc", "val_loss", "val_acc"}
    assert names["results"][1] > 0.85
    assert names["results"][1] == pytest.approx(
        np.mean(names["classes"][:, 0] == names["labels"][1200:]))
