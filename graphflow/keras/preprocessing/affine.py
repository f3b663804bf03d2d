"""Affine maps of images in NumPy: rotation, shift, shear and zoom with linear interpolation."""

from __future__ import annotations

import numpy as np

from graphflow.errors import AttributeValueError

FILL_MODES = ("nearest", "constant", "reflect", "wrap")


def affine_matrix(
    theta: float, tx: float, ty: float, shear: float, zx: float, zy: float,
    height: int, width: int,
) -> np.ndarray:
    """The map from places of the result to places of the image, about the image's middle.

    theta, shear: in degrees; tx, ty: in rows and columns; zx, zy: factors. → [3, 3] float64,
    for column vectors (row, column, 1).
    """
    angle, slant = np.deg2rad(theta), np.deg2rad(shear)
    rotation = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    shift = [[1, 0, tx], [0, 1, ty], [0, 0, 1]]
    slanted = [[1, -np.sin(slant), 0], [0, np.cos(slant), 0], [0, 0, 1]]
    zoom = [[zx, 0, 0], [0, zy, 0], [0, 0, 1]]
    middle = np.array([height / 2 - 0.5, width / 2 - 0.5])
    there, back = np.eye(3), np.eye(3)
    there[:2, 2], back[:2, 2] = middle, -middle
    return np.asarray(there @ np.array(rotation) @ np.array(shift) @ np.array(slanted)
                      @ np.array(zoom) @ back)


def map_image(
    image: np.ndarray, matrix: np.ndarray, fill_mode: str, cval: float
) -> np.ndarray:
    """The image [rows, columns, channels] with each element taken from where `matrix` says.

    Between pixels values are interpolated linearly; fill_mode says what lies outside.
    Raises AttributeValueError for another fill_mode than those of `FILL_MODES`.
    """
    if fill_mode not in FILL_MODES:
        raise AttributeValueError(
            f"fill_mode must be one of {', '.join(FILL_MODES)}, got {fill_mode!r}.")
    rows, columns = image.shape[:2]
    at = np.stack([*np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"),
                   np.ones((rows, columns))])
    y, x = np.tensordot(matrix[:2], at, 1)
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    down, right = (y - top)[..., None], (x - left)[..., None]

    def pixels(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        found = image[_inside(row, rows, fill_mode), _inside(column, columns, fill_mode)]
        if fill_mode == "constant":
            outside = (row < 0) | (row >= rows) | (column < 0) | (column >= columns)
            found = np.where(outside[..., None], cval, found)
        return found

    upper = pixels(top, left) * (1 - right) + pixels(top, left + 1) * right
    lower = pixels(top + 1, left) * (1 - right) + pixels(top + 1, left + 1) * right
    return (upper * (1 - down) + lower * down).astype(image.dtype)


def _inside(index: np.ndarray, size: int, fill_mode: str) -> np.ndarray:
    if fill_mode == "wrap":
        return np.mod(index, size)
    if fill_mode == "reflect":
        index = np.mod(index, 2 * size)
        return np.where(index < size, index, 2 * size - 1 - index)
    return np.clip(index, 0, size - 1)
