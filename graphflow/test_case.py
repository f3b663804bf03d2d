"""`tf.test.TestCase`: unittest's, with a session, and comparisons of arrays."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import unittest
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from graphflow.defaults import get_default_session
from graphflow.errors import OpError
from graphflow.graph import Graph, get_default_graph, reset_default_graph
from graphflow.session import Session
from graphflow.tensor import Tensor, dereferenced


class TestCase(unittest.TestCase):
    """Each test begins with an empty default graph, and the same random numbers of NumPy."""

    __test__ = False  # not to be collected itself; subclasses set it again

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        cls.__test__ = True

    def setUp(self) -> None:
        """Clears the default graph."""
        super().setUp()
        random.seed(87654321)
        np.random.seed(87654321)
        reset_default_graph()
        get_default_graph().seed = 87654321
        self._folder: str | None = None

    def get_temp_dir(self) -> str:
        """A folder of this test's own."""
        if self._folder is None:
            self._folder = tempfile.mkdtemp()
        return self._folder

    @contextlib.contextmanager
    def session(
        self, graph: Graph | None = None, config: Any = None, use_gpu: bool = False,
        force_gpu: bool = False,
    ) -> Iterator[Session]:
        """A session of the default graph (or another), default inside the block."""
        with Session(graph=graph, config=config) as sess:
            yield sess

    cached_session = session

    def test_session(self, graph: Graph | None = None, config: Any = None,
                     use_gpu: bool = False, force_gpu: bool = False) -> Any:
        """The older name of `session`; unittest takes it for a test, and is told that it is none.
        """
        if self.id().endswith(".test_session"):
            self.skipTest("not a test")
        return self.session(graph, config, use_gpu, force_gpu)

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors, in the default session."""
        return get_default_session().run(tensors)

    def _array(self, value: Any) -> np.ndarray:
        value = dereferenced(value)
        return np.asarray(self.evaluate(value) if isinstance(value, Tensor) else value)

    # ---- comparisons ----------------------------------------------------------------------------

    def assertAllClose(self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6,
                       msg: Any = None) -> None:
        """Nests of arrays that differ by at most atol + rtol · |b|."""
        if isinstance(a, Mapping):
            self.assertEqual(set(a), set(b))
            for key in a:
                self.assertAllClose(a[key], b[key], rtol, atol, msg)
            return
        np.testing.assert_allclose(self._array(a), self._array(b), rtol, atol,
                                   err_msg=str(msg or ""))

    def assertAllCloseAccordingToType(
        self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, float_rtol: float = 1e-6,
        float_atol: float = 1e-6, half_rtol: float = 1e-3, half_atol: float = 1e-3,
        bfloat16_rtol: float = 1e-2, bfloat16_atol: float = 1e-2, msg: Any = None,
    ) -> None:
        """As assertAllClose, less strict for smaller types."""
        types = {self._array(a).dtype.name, self._array(b).dtype.name}
        for name, r, t in (("float32", float_rtol, float_atol), ("float16", half_rtol, half_atol),
                           ("bfloat16", bfloat16_rtol, bfloat16_atol)):
            if name in types:
                rtol, atol = max(rtol, r), max(atol, t)
        self.assertAllClose(self._array(a).astype(np.float64), self._array(b).astype(np.float64),
                            rtol, atol, msg)

    def assertNotAllClose(self, a: Any, b: Any, **kwargs: Any) -> None:
        """Arrays that are not close."""
        try:
            self.assertAllClose(a, b, **kwargs)
        except AssertionError:
            return
        raise AssertionError("The two values are close at all elements.")

    def assertAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        """Arrays with the same shape and elements."""
        x, y = self._array(a), self._array(b)
        self.assertEqual(x.shape, y.shape, msg)
        np.testing.assert_array_equal(x, y, err_msg=str(msg or ""))

    def assertNear(self, f1: float, f2: float, err: float, msg: Any = None) -> None:
        """Two numbers that differ by at most `err`."""
        self.assertTrue(f1 == f2 or abs(f1 - f2) <= err,
                        f"{f1!r} != {f2!r} +/- {err!r}" + (f" ({msg})" if msg else ""))

    def assertArrayNear(self, farray1: Any, farray2: Any, err: float, msg: Any = None) -> None:
        """Lists of numbers that differ by at most `err` each."""
        self.assertEqual(len(farray1), len(farray2), msg)
        for f1, f2 in zip(farray1, farray2):
            self.assertNear(float(f1), float(f2), err, msg)

    def assertAllGreater(self, a: Any, comparison_target: Any) -> None:
        """All elements above a number."""
        self.assertGreater(self._array(a).min(), comparison_target)

    def assertAllLess(self, a: Any, comparison_target: Any) -> None:
        """All elements below a number."""
        self.assertLess(self._array(a).max(), comparison_target)

    def assertAllInRange(self, target: Any, lower_bound: Any, upper_bound: Any,
                         open_lower_bound: bool = False, open_upper_bound: bool = False) -> None:
        """All elements between two numbers."""
        x = self._array(target)
        low = x > lower_bound if open_lower_bound else x >= lower_bound
        high = x < upper_bound if open_upper_bound else x <= upper_bound
        self.assertTrue(bool((low & high).all()), f"out of range: {x[~(low & high)]}")

    def assertShapeEqual(self, np_array: np.ndarray, tf_tensor: Any, msg: Any = None) -> None:
        """The static shape of a tensor is an array's."""
        self.assertEqual(list(np_array.shape), tf_tensor.get_shape().as_list(), msg)

    def assertDTypeEqual(self, target: Any, expected_dtype: Any) -> None:
        """The type of an array."""
        self.assertEqual(self._array(target).dtype, np.dtype(expected_dtype))

    def assertProtoEquals(self, expected_message_maybe_ascii: Any, message: Any,
                          msg: Any = None) -> None:
        """Two records with the same bytes."""
        self.assertEqual(expected_message_maybe_ascii.SerializeToString(),
                         message.SerializeToString(), msg)

    def assertRaisesOpError(self, expected_err_re_or_predicate: Any) -> Any:
        """The block raises an error of `gf.errors` whose message matches."""
        return self.assertRaisesRegex(OpError, expected_err_re_or_predicate)

    def assertRaisesWithPredicateMatch(self, exception_type: Any, expected: Any) -> Any:
        """The block raises an error whose message matches a regex, or that a function accepts."""
        if isinstance(expected, str):
            return self.assertRaisesRegex(exception_type, expected)
        return _accepted(exception_type, expected)


@contextlib.contextmanager
def _accepted(exception_type: Any, predicate: Any) -> Iterator[None]:
    try:
        yield
    except exception_type as error:
        if not predicate(error):
            raise AssertionError(f"Exception of type {type(error)}: {error}") from error
    else:
        raise AssertionError(f"{exception_type} not raised")


def main(argv: list[str] | None = None) -> None:
    """Runs the tests of the program's file, as `unittest.main`."""
    unittest.main(argv=argv)


def get_temp_dir() -> str:
    """A folder for tests."""
    return os.environ.get("TEST_TMPDIR") or tempfile.gettempdir()
