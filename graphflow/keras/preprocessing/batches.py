"""Batches of images: from arrays, or from the folders of their classes."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphflow.errors import AttributeValueError, NotFoundError, ShapeError
from graphflow.keras.preprocessing.pictures import array_to_img, img_to_array, load_img
from graphflow.keras.utils.data_sequence import Sequence as Batches

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".gif")
_CLASS_MODES = ("categorical", "binary", "sparse", "input", None)


class Iterator(Batches):
    """Batches by number, and one after the other without an end by `next`.

    n: how many samples. A new order is drawn at the end of each epoch.
    """

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None) -> None:
        if n < 1 or batch_size < 1:
            raise AttributeValueError(
                f"Batches of images need images and a batch size of at least 1, got {n} images "
                f"and {batch_size}.")
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = self.total_batches_seen = 0
        self._draw = np.random.RandomState(seed)
        self.index_array = self._order()

    def _order(self) -> np.ndarray:
        return self._draw.permutation(self.n) if self.shuffle else np.arange(self.n)

    def __len__(self) -> int:
        return (self.n + self.batch_size - 1) // self.batch_size

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} batches, asked for number {index}.")
        self.total_batches_seen += 1
        return self._batch(self.index_array[index * self.batch_size:(index + 1) * self.batch_size])

    def on_epoch_end(self) -> None:
        """Draws a new order."""
        self.index_array = self._order()

    def reset(self) -> None:
        """The next batch is the first one."""
        self.batch_index = 0

    def __iter__(self) -> Iterator:
        return self

    def __next__(self) -> Any:
        found = self[self.batch_index]
        self.batch_index += 1
        if self.batch_index == len(self):
            self.batch_index = 0
            self.on_epoch_end()
        return found

    def next(self) -> Any:
        """The next batch."""
        return self.__next__()

    @abstractmethod
    def _batch(self, numbers: np.ndarray) -> Any:
        """The samples with these numbers."""

    def _changed(self, image: np.ndarray, generator: Any) -> np.ndarray:
        """An image, changed at random by the iterator's own draws, and normalised."""
        parameters = generator.get_random_transform(image.shape, self._draw.randint(2**31))
        return np.asarray(generator.standardize(generator.apply_transform(image, parameters)))

    def _save(self, images: np.ndarray, generator: Any, where: tuple[Any, str, str]) -> None:
        folder, prefix, form = where
        for number, image in enumerate(images if folder else ()):
            name = f"{prefix}_{self.total_batches_seen}_{number}.{form}"
            array_to_img(image, generator.data_format).save(os.path.join(folder, name))


class NumpyArrayIterator(Iterator):
    """Batches of arrays: images, or (images, targets), or with weights. See `flow`."""

    def __init__(
        self, x: Any, y: Any, image_data_generator: Any, batch_size: int = 32,
        shuffle: bool = False, sample_weight: Any = None, seed: int | None = None,
        part: tuple[float, float] = (0.0, 1.0), save: tuple[Any, str, str] = (None, "", "png"),
    ) -> None:
        self._beside: list[np.ndarray] = []
        if isinstance(x, (list, tuple)) and len(x) == 2 and isinstance(x[1], (list, tuple)):
            x, self._beside = x[0], [np.asarray(b) for b in x[1]]
        x = np.asarray(x, image_data_generator.dtype)
        if x.ndim != 4:
            raise ShapeError(
                f"flow: images have four axes (n, and three of an image), got {list(x.shape)}.")
        own = slice(int(len(x) * part[0]), int(len(x) * part[1]))
        given = {"y": y, "sample_weight": sample_weight}
        for name, values in given.items():
            if values is not None and len(values) != len(x):
                raise ShapeError(f"flow: x has {len(x)} images, {name} {len(values)} entries.")
        self.x = x[own]
        self._beside = [b[own] for b in self._beside]
        self.y = None if y is None else np.asarray(y)[own]
        self.sample_weight = None if sample_weight is None else np.asarray(sample_weight)[own]
        self.image_data_generator, self._where = image_data_generator, save
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _batch(self, numbers: np.ndarray) -> Any:
        images = np.stack([self._changed(self.x[i], self.image_data_generator) for i in numbers])
        self._save(images, self.image_data_generator, self._where)
        inputs: Any = [images, *(b[numbers] for b in self._beside)] if self._beside else images
        if self.y is None:
            return inputs
        if self.sample_weight is None:
            return inputs, self.y[numbers]
        return inputs, self.y[numbers], self.sample_weight[numbers]


class DirectoryIterator(Iterator):
    """Batches of image files, whose classes are the folders. See `flow_from_directory`.

    Attributes:
      class_indices: name of a class → its number.
      classes: the number of each file's class.
      filenames: in order, below the folder.
    """

    def __init__(
        self, directory: Path, image_data_generator: Any, target_size: tuple[int, int],
        color_mode: str, classes: Iterable[str] | None, class_mode: str | None, batch_size: int,
        shuffle: bool, seed: int | None, part: tuple[float, float], interpolation: str,
        follow_links: bool, save: tuple[Any, str, str],
    ) -> None:
        if class_mode not in _CLASS_MODES:
            raise AttributeValueError(
                f"flow_from_directory: class_mode must be one of "
                f"{', '.join(map(repr, _CLASS_MODES))}, got {class_mode!r}.")
        self.directory, self.image_data_generator = directory, image_data_generator
        self.target_size, self.color_mode = target_size, color_mode
        self.class_mode, self.interpolation, self._where = class_mode, interpolation, save
        names = list(classes) if classes is not None else sorted(
            p.name for p in directory.iterdir() if p.is_dir())
        self.class_indices = {name: number for number, name in enumerate(names)}
        self.num_classes = len(names)
        found: list[tuple[str, int]] = []
        for name, number in self.class_indices.items():
            files = _images_in(directory / name, follow_links)
            own = files[int(len(files) * part[0]):int(len(files) * part[1])]
            found += [(os.path.relpath(f, directory), number) for f in own]
        if not found:
            raise NotFoundError(None, None, f"flow_from_directory: no folder below {directory} "
                                f"holds images ({', '.join(_SUFFIXES)}).")
        self.filenames = [name for name, _ in found]
        self.classes = np.array([number for _, number in found], np.int32)
        self.samples = len(found)
        print(f"Found {self.samples} images belonging to {self.num_classes} classes.")
        super().__init__(self.samples, batch_size, shuffle, seed)

    @property
    def filepaths(self) -> list[str]:
        """The paths of the files."""
        return [str(self.directory / name) for name in self.filenames]

    @property
    def labels(self) -> np.ndarray:
        """The number of each file's class."""
        return self.classes

    def _batch(self, numbers: np.ndarray) -> Any:
        generator = self.image_data_generator
        images = np.stack([self._changed(img_to_array(load_img(
            self.directory / self.filenames[i], False, self.color_mode, self.target_size,
            self.interpolation), generator.data_format, generator.dtype), generator)
            for i in numbers])
        self._save(images, generator, self._where)
        targets = self.classes[numbers]
        if self.class_mode is None:
            return images
        if self.class_mode == "input":
            return images, images.copy()
        if self.class_mode == "categorical":
            return images, np.eye(self.num_classes, dtype=generator.dtype)[targets]
        return images, targets.astype(generator.dtype)


def _images_in(folder: Path, follow_links: bool) -> Sequence[str]:
    return sorted(
        os.path.join(place, name)
        for place, _, names in os.walk(folder, followlinks=follow_links) for name in names
        if name.lower().endswith(_SUFFIXES))
