"""Programs about sequences and words."""

from __future__ import annotations

import numpy as np


def test_lstm_over_rows(run_script):
    assert run_script("lstm_rows")["testing_accuracy"] > 0.9


def test_bidirectional_networks_over_rows(run_script):
    names = run_script("bidirectional_rows")
    assert names["testing_accuracy"] > 0.92
    assert "static/bidirectional_rnn/fw/basic_lstm_cell/kernel:0" in names["variables"]
    assert "dynamic/bidirectional_rnn/bw/gru_cell/gates/bias:0" in names["variables"]


def test_sequences_of_many_lengths(run_script):
    names = run_script("dynamic_lengths")
    assert names["test_accuracy"] > 0.9
    assert names["difference"] == 0  # the state stays what it was at a sequence's end


def test_char_rnn_writes_what_it_read(run_script):
    names = run_script("char_rnn")
    assert names["costs"][0] > 3 > 0.15 > np.mean(names["costs"][-3:])
    assert names["written"].startswith("the quick brown fox jumps over the lazy dog.")


def test_language_model_comes_near_the_entropy_of_its_source(run_script):
    names = run_script("ptb_language_model")
    entropy = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))
    assert 11 < names["first_perplexity"] < 13
    assert np.exp(entropy) * 0.9 < names["valid_perplexity"] < np.exp(entropy) * 1.25


def test_attention_reverses_sequences(run_script):
    names = run_script("seq2seq_attention")
    assert names["symbol_accuracy"] > 0.97
    np.testing.assert_allclose(names["weights"].sum(-1), 1, rtol=1e-5)


def test_beam_search_translates(run_script):
    names = run_script("seq2seq_beam_search")
    assert names["losses"][0] > 1.5 > 0.1 > names["losses"][-1]
    assert names["greedy_accuracy"] > 0.9
    assert names["beam_accuracy"] >= names["greedy_accuracy"] - 0.02
    assert (np.diff(names["scores"], axis=2) <= 0).all()  # the best beam is the first
    inside = np.arange(names["alignments"].shape[2]) < names["lengths"][:, None, None]
    np.testing.assert_allclose(names["alignments"].sum(-1), 1, rtol=1e-4)
    assert not names["alignments"][~np.broadcast_to(inside, names["alignments"].shape)].any()
    assert names["variables"] == [
        "model/decoder/attention/attention_layer/kernel",
        "model/decoder/attention/bahdanau_attention/attention_v",
        "model/decoder/attention/bahdanau_attention/query_layer/kernel",
        "model/decoder/attention/gru_cell/candidate/bias",
        "model/decoder/attention/gru_cell/candidate/kernel",
        "model/decoder/attention/gru_cell/gates/bias",
        "model/decoder/attention/gru_cell/gates/kernel",
        "model/decoder/projection/kernel", "model/embedding",
        *(f"model/encoder/bidirectional_rnn/{side}/gru_cell/{part}/{kind}"
          for side in ("bw", "fw") for part in ("candidate", "gates")
          for kind in ("bias", "kernel")),
        "model/memory_layer/kernel"]


def test_conditional_random_field_finds_names(run_script):
    names = run_script("bilstm_crf")
    assert names["losses"][0] > 3 > 0.5 > np.mean(names["losses"][-10:])
    assert names["accuracy"] > 0.97
    assert names["agree"]  # decoding in the graph and with NumPy


def test_word_vectors_of_words_in_the_same_place_are_near(run_script):
    names = run_script("word2vec_nce")
    assert names["average_losses"][-1] < names["average_losses"][0]
    groups = [{"cat", "dog", "bird"}, {"saw", "axe", "plane"}]
    for group in groups:
        for word in group:
            assert set(names["nearest_words"][word]) & group, names["nearest_words"]


def test_text_cnn_finds_a_pair_of_words(run_script):
    names = run_script("text_cnn")
    assert names["step"] == 8 * 20
    assert names["dev_accuracy"] > 0.9
