"""`ImageDataGenerator`: batches, random changes beside SciPy's, files."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

from graphflow import keras
from graphflow.keras.preprocessing.affine import affine_matrix, map_image
from graphflow.keras.preprocessing.image import ImageDataGenerator

RANDOM = np.random.RandomState(0)
IMAGES = RANDOM.rand(10, 6, 5, 3).astype(np.float32)


@pytest.mark.parametrize(("mode", "theirs"), [
    ("nearest", "nearest"), ("constant", "grid-constant"), ("reflect", "reflect"),
    ("wrap", "grid-wrap")])
@pytest.mark.parametrize("geometry", [
    (30, 0, 0, 0, 1, 1), (0, 1.5, -2, 0, 1, 1), (0, 0, 0, 20, 1, 1), (-50, 3, 1, 10, 0.7, 1.4)])
def test_affine_maps_are_scipys(mode, theirs, geometry):
    matrix = affine_matrix(*geometry, 6, 5)
    expected = np.stack([scipy.ndimage.affine_transform(
        IMAGES[0, ..., c], matrix[:2, :2], matrix[:2, 2], order=1, mode=theirs, cval=0.5)
        for c in range(3)], -1)
    np.testing.assert_allclose(map_image(IMAGES[0], matrix, mode, 0.5), expected, atol=1e-5)


def test_a_rotation_about_the_middle():
    turned = map_image(IMAGES[0, :5], affine_matrix(90, 0, 0, 0, 1, 1, 5, 5), "nearest", 0)
    np.testing.assert_allclose(turned, np.rot90(IMAGES[0, :5], -1), atol=1e-5)


def test_batches_without_changes_are_the_data_in_order():
    flow = ImageDataGenerator().flow(IMAGES, np.arange(10), batch_size=4, shuffle=False)
    assert len(flow) == 3
    batches = [next(flow) for _ in range(6)]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches[:3]]), IMAGES)
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches[3:]]), np.arange(10))


def test_shuffled_epochs_hold_each_image_once_and_seeds_repeat():
    generator = ImageDataGenerator(rotation_range=20, horizontal_flip=True)
    one, other = (generator.flow(IMAGES, np.arange(10), batch_size=3, seed=5,
                                 sample_weight=np.arange(10) / 10) for _ in range(2))
    epochs = [[next(one) for _ in range(4)] for _ in range(2)]
    for epoch in epochs:
        assert sorted(np.concatenate([y for _, y, _ in epoch])) == list(range(10))
        for _, y, weight in epoch:
            np.testing.assert_allclose(weight, y / 10)
    assert [list(y) for _, y, _ in epochs[0]] != [list(y) for _, y, _ in epochs[1]]
    for (x, _, _), (again, _, _) in zip(epochs[0], (next(other) for _ in range(4))):
        np.testing.assert_array_equal(x, again)


def test_normalisation_by_the_data():
    generator = ImageDataGenerator(featurewise_center=True, featurewise_std_normalization=True,
                                   rescale=None)
    with pytest.raises(ValueError, match=r"generator.fit\(images\)"):
        generator.standardize(IMAGES[0])
    generator.fit(IMAGES)
    mean, std = IMAGES.mean((0, 1, 2)), IMAGES.std((0, 1, 2))
    np.testing.assert_allclose(generator.standardize(IMAGES[0]), (IMAGES[0] - mean) / std,
                               rtol=1e-3, atol=1e-4)
    white = ImageDataGenerator(zca_whitening=True, zca_epsilon=1e-3)
    white.fit(RANDOM.rand(200, 2, 2, 1))
    flat = np.stack([white.standardize(i) for i in RANDOM.rand(2000, 2, 2, 1)]).reshape(2000, -1)
    np.testing.assert_allclose(np.cov(flat.T), np.eye(4), atol=0.3)


def test_flips_channel_shifts_brightness_and_samples():
    generator = ImageDataGenerator(samplewise_center=True, samplewise_std_normalization=True)
    found = generator.standardize(IMAGES[1])
    assert abs(found.mean()) < 1e-6 and abs(found.std() - 1) < 1e-3
    apply = ImageDataGenerator().apply_transform
    np.testing.assert_array_equal(apply(IMAGES[0], {"flip_horizontal": True}), IMAGES[0][:, ::-1])
    np.testing.assert_array_equal(apply(IMAGES[0], {"flip_vertical": True}), IMAGES[0][::-1])
    shifted = apply(IMAGES[0], {"channel_shift_intensity": 0.2})
    np.testing.assert_allclose(shifted, np.clip(IMAGES[0] + 0.2, IMAGES[0].min(), IMAGES[0].max()))
    first = ImageDataGenerator(data_format="channels_first").apply_transform(
        IMAGES[0].transpose(2, 0, 1), {"theta": 30})
    np.testing.assert_array_equal(first.transpose(1, 2, 0), apply(IMAGES[0], {"theta": 30}))


def test_training_and_validation_parts():
    generator = ImageDataGenerator(validation_split=0.3)
    parts = [generator.flow(IMAGES, np.arange(10), shuffle=False, subset=s)
             for s in ("training", "validation")]
    assert [list(next(p)[1]) for p in parts] == [list(range(3, 10)), [0, 1, 2]]


def test_a_model_is_trained_from_folders(tmp_path):
    pytest.importorskip("PIL")
    from graphflow.keras.preprocessing.image import array_to_img, img_to_array, load_img

    for name, level in (("bright", 200), ("dark", 30)):
        (tmp_path / name).mkdir()
        for k in range(6):
            pixels = np.clip(level + RANDOM.randint(-20, 20, (9, 9, 3)), 0, 255).astype(np.uint8)
            array_to_img(pixels, scale=False).save(tmp_path / name / f"{k}.png")
    flow = ImageDataGenerator(rescale=1 / 255, horizontal_flip=True).flow_from_directory(
        tmp_path, target_size=(8, 8), batch_size=4, class_mode="binary", seed=1)
    assert flow.class_indices == {"bright": 0, "dark": 1} and flow.samples == 12
    model = keras.models.Sequential([keras.layers.Flatten(input_shape=(8, 8, 3)),
                                     keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(lr=0.05), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit_generator(flow, steps_per_epoch=3, epochs=40, verbose=0)
    assert history.history["accuracy"][-1] > 0.9
    image = load_img(tmp_path / "dark" / "0.png", color_mode="grayscale", target_size=(4, 6))
    assert img_to_array(image).shape == (4, 6, 1)


def test_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="fill_mode must be one of"):
        ImageDataGenerator(fill_mode="mirror")
    with pytest.raises(ValueError, match="four axes"):
        ImageDataGenerator().flow(IMAGES[0])
    with pytest.raises(ValueError, match="x has 10 images, y 3 entries"):
        ImageDataGenerator().flow(IMAGES, [1, 2, 3])
    with pytest.raises(Exception, match="there is no folder"):
        ImageDataGenerator().flow_from_directory(tmp_path / "absent")
