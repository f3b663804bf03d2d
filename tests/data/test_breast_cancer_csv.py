"""The data file of the logistic-regression example, compared with scikit-learn's copy."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "examples" / "data" / "breast_cancer.csv.gz"


def test_rows_columns_and_classes() -> None:
    with gzip.open(FILE, "rt", encoding="ascii", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert len(header) == 31 and header[-1] == "label" and len(set(header)) == 31
    assert len(rows) == 569 and {len(row) for row in rows} == {31}
    labels = [row[-1] for row in rows]
    assert (labels.count("0"), labels.count("1")) == (212, 357)


def test_every_value_is_scikit_learns() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn has the original")
    original = datasets.load_breast_cancer()
    table = np.loadtxt(FILE, delimiter=",", skiprows=1)
    np.testing.assert_array_equal(table[:, :-1], original.data)
    np.testing.assert_array_equal(table[:, -1], original.target)


def test_file_carries_no_time_stamp() -> None:
    assert FILE.read_bytes()[4:8] == bytes(4)
