"""Bilinear resizing of image batches, in NumPy."""

from __future__ import annotations

import numpy as np

from graphflow.errors import DatasetError


def resize_bilinear(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize [N, H, W, C] to [N, height, width, C] by bilinear interpolation.

    Pixel i stands for the square around its centre i + 0.5 (half-pixel centres), so output row i
    reads the input at (i + 0.5) * H / height - 0.5, and positions beyond the outermost centres
    take the edge value. This is tf.image.resize(..., "bilinear") of TensorFlow 2 without
    antialiasing, and scipy.ndimage.zoom(order=1, mode="nearest", grid_mode=True).

    Floating images keep their dtype; others become float32.
    Raises DatasetError if images is not of rank 4, has no pixels, or a size is not positive.
    """
    if images.ndim != 4 or 0 in images.shape[1:3]:
        raise DatasetError(
            f"resize_bilinear: expected images [N, H, W, C] with H and W at least 1, "
            f"got {list(images.shape)}."
        )
    if height < 1 or width < 1:
        raise DatasetError(
            f"resize_bilinear: the new size must be at least 1 x 1, got {height} x {width}."
        )
    if images.dtype.kind != "f":
        images = images.astype(np.float32)
    return _interpolate(_interpolate(images, 1, height), 2, width)


def _interpolate(images: np.ndarray, axis: int, size: int) -> np.ndarray:
    """Linear interpolation along one axis: bilinear is one axis after the other.

    Gathers and adds rather than multiplying by a weight matrix: no BLAS takes part, so the
    result has the same bits on every machine.
    """
    old_size = images.shape[axis]
    if old_size == size:
        return images
    position = (np.arange(size) + 0.5) * (old_size / size) - 0.5
    position = np.clip(position, 0, old_size - 1)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, old_size - 1)
    along_axis = [1] * images.ndim
    along_axis[axis] = size
    share = (position - below).astype(images.dtype).reshape(along_axis)
    low = images.take(below, axis)
    return low + (images.take(above, axis) - low) * share
