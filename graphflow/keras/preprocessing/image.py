"""`keras.preprocessing.image`: batches of images, changed at random; images in files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from graphflow.errors import AttributeValueError, NotFoundError, ShapeError
from graphflow.keras.preprocessing.affine import FILL_MODES, affine_matrix, map_image
from graphflow.keras.preprocessing.batches import (
    DirectoryIterator,
    Iterator,
    NumpyArrayIterator,
)
from graphflow.keras.preprocessing.pictures import array_to_img, img_to_array, load_img, save_img

__all__ = ["DirectoryIterator", "ImageDataGenerator", "Iterator", "NumpyArrayIterator",
           "array_to_img", "img_to_array", "load_img", "save_img"]


class ImageDataGenerator:
    """Batches of images with random changes, in the form of Keras 2.

    featurewise_center, featurewise_std_normalization, zca_whitening: by figures of the data, which
      `fit` finds. samplewise_…: by those of each image.
    rotation_range: in degrees; width_shift_range, height_shift_range: a part of the size if less
      than 1, else pixels, or a list of shifts; shear_range: in degrees; zoom_range: a part, or
      (lower, upper); channel_shift_range: in units of the values; brightness_range: factors,
      (lower, upper).
    fill_mode: what lies outside: nearest, constant (`cval`), reflect or wrap.
    rescale: a factor, after `preprocessing_function`, a function of one image.
    validation_split: the part of the data that `subset="validation"` gives.
    Raises AttributeValueError for values that make no sense.
    """

    def __init__(
        self, featurewise_center: bool = False, samplewise_center: bool = False,
        featurewise_std_normalization: bool = False, samplewise_std_normalization: bool = False,
        zca_whitening: bool = False, zca_epsilon: float = 1e-6, rotation_range: float = 0,
        width_shift_range: Any = 0.0, height_shift_range: Any = 0.0, brightness_range: Any = None,
        shear_range: float = 0.0, zoom_range: Any = 0.0, channel_shift_range: float = 0.0,
        fill_mode: str = "nearest", cval: float = 0.0, horizontal_flip: bool = False,
        vertical_flip: bool = False, rescale: float | None = None,
        preprocessing_function: Callable[[np.ndarray], np.ndarray] | None = None,
        data_format: str | None = None, validation_split: float = 0.0, dtype: str = "float32",
    ) -> None:
        if fill_mode not in FILL_MODES:
            raise AttributeValueError(
                f"ImageDataGenerator: fill_mode must be one of {', '.join(FILL_MODES)}, got "
                f"{fill_mode!r}.")
        if data_format not in (None, "channels_last", "channels_first"):
            raise AttributeValueError(
                f"ImageDataGenerator: data_format must be 'channels_last' or 'channels_first', "
                f"got {data_format!r}.")
        if validation_split and not 0 < validation_split < 1:
            raise AttributeValueError(
                f"ImageDataGenerator: validation_split must lie between 0 and 1, got "
                f"{validation_split}.")
        self.featurewise_center = featurewise_center or featurewise_std_normalization or (
            zca_whitening)
        self.samplewise_center = samplewise_center or samplewise_std_normalization
        self.featurewise_std_normalization = featurewise_std_normalization
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range, self.channel_shift_range = brightness_range, channel_shift_range
        self.zoom_range = _zoom(zoom_range)
        self.fill_mode, self.cval = fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.data_format = data_format or "channels_last"
        self.dtype = dtype
        self._validation_split = validation_split
        self.mean: np.ndarray | None = None
        self.std: np.ndarray | None = None
        self.principal_components: np.ndarray | None = None

    # ---- batches ----------------------------------------------------------------------------

    def flow(
        self, x: Any, y: Any = None, batch_size: int = 32, shuffle: bool = True,
        sample_weight: Any = None, seed: int | None = None, save_to_dir: str | None = None,
        save_prefix: str = "", save_format: str = "png", subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Batches of the images `x` [n, …] with their targets, without an end."""
        return NumpyArrayIterator(
            x, y, self, batch_size, shuffle, sample_weight, seed, self._part(subset),
            (save_to_dir, save_prefix, save_format))

    def flow_from_directory(
        self, directory: Any, target_size: tuple[int, int] = (256, 256), color_mode: str = "rgb",
        classes: Iterable[str] | None = None, class_mode: str | None = "categorical",
        batch_size: int = 32, shuffle: bool = True, seed: int | None = None,
        save_to_dir: str | None = None, save_prefix: str = "", save_format: str = "png",
        follow_links: bool = False, subset: str | None = None, interpolation: str = "nearest",
    ) -> DirectoryIterator:
        """Batches of the images in the subfolders of a folder, one for each class.

        class_mode: categorical, binary, sparse, input, or None for images alone.
        Raises NotFoundError if there is no such folder.
        """
        if not os.path.isdir(directory):
            raise NotFoundError(
                None, None, f"flow_from_directory: there is no folder {directory}.")
        return DirectoryIterator(
            Path(directory), self, target_size, color_mode, classes, class_mode, batch_size,
            shuffle, seed, self._part(subset), interpolation, follow_links,
            (save_to_dir, save_prefix, save_format))

    def _part(self, subset: str | None) -> tuple[float, float]:
        """The part of the data that a subset is."""
        if subset is None:
            return 0.0, 1.0
        if subset not in ("training", "validation"):
            raise AttributeValueError(
                f"ImageDataGenerator: subset must be 'training' or 'validation', got {subset!r}.")
        split = self._validation_split
        return (0.0, split) if subset == "validation" else (split, 1.0)

    # ---- one image --------------------------------------------------------------------------

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """One image, normalised as the generator says. Raises AttributeValueError before `fit`."""
        if self.preprocessing_function is not None:
            x = self.preprocessing_function(x)
        x = np.asarray(x, self.dtype)
        if self.rescale is not None:
            x = x * np.asarray(self.rescale, self.dtype)
        if self.samplewise_center:
            x = x - np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x = x / (np.std(x, keepdims=True) + 1e-6)
        if self.featurewise_center:
            x = x - self._fitted(self.mean)
        if self.featurewise_std_normalization:
            x = x / (self._fitted(self.std) + 1e-6)
        if self.zca_whitening:
            flat = x.reshape(-1) @ self._fitted(self.principal_components)
            x = flat.reshape(x.shape)
        return np.asarray(x, self.dtype)

    def _fitted(self, value: np.ndarray | None) -> np.ndarray:
        if value is None:
            raise AttributeValueError(
                "ImageDataGenerator: featurewise normalisation needs figures of the data: call "
                "generator.fit(images) first.")
        return value

    def get_random_transform(
        self, img_shape: tuple[int, ...], seed: int | None = None
    ) -> dict[str, Any]:
        """The parameters of a random change, for `apply_transform`."""
        draw: Any = np.random.RandomState(seed) if seed is not None else np.random
        rows, columns = img_shape[1:] if self.data_format == "channels_first" else img_shape[:2]
        turn = self.rotation_range
        slant = self.shear_range
        low, high = self.zoom_range
        zx, zy = draw.uniform(low, high, 2) if (low, high) != (1, 1) else (1.0, 1.0)
        return {
            "theta": draw.uniform(-turn, turn) if turn else 0.0,
            "tx": _shift(draw, self.height_shift_range, rows),
            "ty": _shift(draw, self.width_shift_range, columns),
            "shear": draw.uniform(-slant, slant) if slant else 0.0,
            "zx": float(zx), "zy": float(zy),
            "flip_horizontal": bool(draw.random_sample() < 0.5) and self.horizontal_flip,
            "flip_vertical": bool(draw.random_sample() < 0.5) and self.vertical_flip,
            "channel_shift_intensity": draw.uniform(
                -self.channel_shift_range, self.channel_shift_range)
            if self.channel_shift_range else None,
            "brightness": draw.uniform(*self.brightness_range)
            if self.brightness_range is not None else None,
        }

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        """One image, changed as the parameters say; those that are missing change nothing."""
        first = self.data_format == "channels_first"
        image = np.moveaxis(np.asarray(x), 0, -1) if first else np.asarray(x)
        if image.ndim != 3:
            raise ShapeError(
                f"ImageDataGenerator: an image has three axes, got shape {list(image.shape)}.")
        given = transform_parameters.get
        geometry = (given("theta", 0), given("tx", 0), given("ty", 0), given("shear", 0),
                    given("zx", 1), given("zy", 1))
        if geometry != (0, 0, 0, 0, 1, 1):
            image = map_image(image, affine_matrix(*geometry, *image.shape[:2]), self.fill_mode,
                              self.cval)
        if given("channel_shift_intensity") is not None:
            moved = image + given("channel_shift_intensity")
            image = np.clip(moved, image.min(), image.max()).astype(image.dtype)
        if given("flip_horizontal"):
            image = image[:, ::-1]
        if given("flip_vertical"):
            image = image[::-1]
        if given("brightness") is not None:
            image = np.clip(image * given("brightness"), 0, 255).astype(image.dtype)
        return np.moveaxis(image, -1, 0) if first else np.ascontiguousarray(image)

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        """One image, changed at random."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    # ---- figures of the data ----------------------------------------------------------------

    def fit(self, x: Any, augment: bool = False, rounds: int = 1, seed: int | None = None) -> None:
        """Finds means, deviations and principal components of the images `x` [n, …].

        augment: of `rounds` random changes of each image.
        """
        x = np.array(x, self.dtype)
        if x.ndim != 4:
            raise ShapeError(
                f"ImageDataGenerator.fit: images have four axes, got {list(x.shape)}.")
        if seed is not None:
            np.random.seed(seed)
        if augment:
            x = np.concatenate([np.stack([self.random_transform(i) for i in x])
                                for _ in range(rounds)])
        axes = (0, 2, 3) if self.data_format == "channels_first" else (0, 1, 2)
        shape = [1, 1, 1]
        shape[0 if self.data_format == "channels_first" else 2] = -1
        if self.featurewise_center:
            self.mean = np.mean(x, axes).reshape(shape)
            x = x - self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axes).reshape(shape)
            x = x / (self.std + 1e-6)
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            u, s, _ = np.linalg.svd(flat.T @ flat / len(flat))
            self.principal_components = (u / np.sqrt(s + self.zca_epsilon)) @ u.T


def _zoom(zoom_range: Any) -> tuple[float, float]:
    if np.isscalar(zoom_range):
        return 1 - float(zoom_range), 1 + float(zoom_range)  # type: ignore[arg-type]
    if len(zoom_range) != 2:
        raise AttributeValueError(
            f"ImageDataGenerator: zoom_range must be a number or (lower, upper), got "
            f"{zoom_range!r}.")
    return float(zoom_range[0]), float(zoom_range[1])


def _shift(draw: Any, shift_range: Any, size: int) -> float:
    """A random shift in pixels."""
    if isinstance(shift_range, (list, tuple, np.ndarray)):
        return float(draw.choice(np.asarray(shift_range)) * draw.choice([-1, 1]))
    most = float(shift_range)
    if not most:
        return 0.0
    found = draw.uniform(-most, most)
    return float(found * size if abs(most) < 1 else found)
