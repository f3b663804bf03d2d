"""`graphflow run`: arrays in files become outputs, printed or in files."""

from __future__ import annotations

import json

import numpy as np
import pytest

WEIGHTS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
X = np.array([[1.0, 2.0, -1.0, 0.5], [0.0, 1.0, 0.0, 0.0]], np.float32)
Y = X @ WEIGHTS


def test_npy_in_values_printed(graphflow, model):
    np.save("x.npy", X)
    output = graphflow("run", model, "-s", "serve", "-i", "x=x.npy").output
    assert "y  float32 [2, 3]" in output and "label  int64 [2]" in output
    assert f"[{Y.argmax(1)[0]} {Y.argmax(1)[1]}]" in output


def test_json(graphflow, model):
    np.save("x.npy", X)
    found = json.loads(graphflow("run", model, "-s", "serve", "-i", "x.npy", "--json").output)
    np.testing.assert_allclose(found["y"]["value"], Y, rtol=1e-6)
    assert found["label"] == {"dtype": "int64", "shape": [2], "value": Y.argmax(1).tolist()}


def test_npz_in_npz_out(graphflow, model, tmp_path):
    np.savez("in.npz", x=X)
    graphflow("run", model, "-s", "serve", "-i", "in.npz", "-o", "out.npz")
    with np.load(tmp_path / "out.npz") as found:
        assert sorted(found.files) == ["label", "y"]
        np.testing.assert_allclose(found["y"], Y, rtol=1e-6)


def test_an_array_of_an_npz_with_another_name(graphflow, model, tmp_path):
    np.savez("in.npz", arr_0=X)
    graphflow("run", model, "-s", "serve", "-i", "x=in.npz", "--select", "y", "-o", "out.npy")
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), Y, rtol=1e-6)


@pytest.mark.parametrize("title", ["", "sepal length,sepal width,petal length,petal width\n"])
def test_csv_in_csv_out(graphflow, model, tmp_path, title):
    rows = "\n".join(",".join(map(str, row)) for row in X.tolist())
    (tmp_path / "x.csv").write_text(title + rows + "\n")
    graphflow("run", model, "-s", "serve", "-i", "x.csv", "--select", "y", "-o", "y.csv")
    np.testing.assert_allclose(np.loadtxt("y.csv", delimiter=","), Y, rtol=1e-6)
    graphflow("run", model, "-s", "serve", "-i", "x.csv", "--select", "label", "-o", "label.csv")
    assert (tmp_path / "label.csv").read_text().split() == [str(n) for n in Y.argmax(1)]


def test_numbers(graphflow, model, tmp_path):
    (tmp_path / "a.csv").write_text("1.5\n")
    np.save("b.npy", np.float64(2.25))
    found = json.loads(graphflow("run", model, "-s", "add", "-i", "a=a.csv", "-i", "b=b.npy",
                                 "--json").output)
    assert found["sum"]["value"] == 3.75


def test_a_training_step_leaves_the_file_alone(graphflow, model):
    np.savez("in.npz", x=X, labels=np.array([0, 1], np.int32))
    losses = [json.loads(graphflow("run", model, "-s", "train", "-i", "in.npz",
                                   "--json").output)["loss"]["value"] for _ in range(2)]
    assert losses[0] == losses[1]
    e = np.exp(Y - Y.max(1, keepdims=True))
    expected = -np.log((e / e.sum(1, keepdims=True))[[0, 1], [0, 1]]).mean()
    assert losses[0] == pytest.approx(expected, rel=1e-5)


def test_the_reference(graphflow, model):
    np.save("x.npy", X)
    found = json.loads(graphflow("run", model, "-s", "serve", "-i", "x.npy", "--device",
                                 "reference", "--json").output)
    np.testing.assert_allclose(found["y"]["value"], Y, rtol=1e-6)


@pytest.mark.parametrize("arguments, complaint", [
    ([], "The file has 3 signatures: choose one of 'add', 'serve', 'train' with --signature."),
    (["-s", "Serve"], "There is no signature 'Serve'; the file has 'add', 'serve', 'train'."),
    (["-s", "serve"], "missing 'x'"),
    (["-s", "serve", "-i", "z=x.npy"], "There is no input 'z'; inputs are 'x'."),
    (["-s", "add", "-i", "x.npy"], "for which input? Write --input NAME=x.npy"),
    (["-s", "serve", "-i", "x=gone.npy"], "gone.npy: No such file or directory"),
    (["-s", "serve", "-i", "x=bad.npy"], "bad.npy: it is no file of NumPy arrays"),
    (["-s", "serve", "-i", "x=pickled.npy"], "pickled.npy: it is no file of NumPy arrays"),
    (["-s", "serve", "-i", "x=bad.csv"], "bad.csv: "),
    (["-s", "serve", "-i", "x=empty.csv"], "empty.csv: it has no row of numbers."),
    (["-s", "serve", "-i", "x=titles.csv"], "titles.csv: it has no row of numbers."),
    (["-s", "serve", "-i", "x=x.txt"], "x.txt: files of inputs end in .npz, .npy, .csv."),
    (["-s", "serve", "-i", "wide.npy"], "[2, 5]"),
    (["-s", "serve", "-i", "other.npz"], "'q' is no input; inputs are 'x'."),
    (["-s", "serve", "-i", "x.npy", "-o", "y.npy"], "2 outputs (y, label) go to an .npz file"),
    (["-s", "serve", "-i", "x.npy", "-o", "y.txt"], "files of outputs end in"),
    (["-s", "serve", "-i", "x.npy", "--select", "z"], "There is no output 'z'"),
])
def test_mistakes(graphflow, model, tmp_path, arguments, complaint):
    np.save("x.npy", X)
    np.save("wide.npy", np.zeros((2, 5)))
    np.save("pickled.npy", np.array([{}], object))
    np.savez("other.npz", q=X)
    (tmp_path / "bad.npy").write_bytes(b"nothing")
    (tmp_path / "bad.csv").write_text("1,2,3,4\n1,two,3,4\n")
    (tmp_path / "empty.csv").write_text("\n")
    (tmp_path / "titles.csv").write_text("a,b,c,d\n")
    (tmp_path / "x.txt").write_text("1")
    result = graphflow("run", model, *arguments, exit_code=1)
    assert complaint in result.output
    assert result.output.startswith("Error: ")


def test_files_that_are_no_models(graphflow, tmp_path):
    (tmp_path / "bad.gflow").write_bytes(b"not a zip")
    assert "bad.gflow" in graphflow("run", "bad.gflow", exit_code=1).output
    assert "does not exist" in graphflow("run", "gone.gflow", exit_code=2).output
