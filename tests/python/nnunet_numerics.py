"""What nnunetv2 makes of small random arrays, for tests/nnunet_random.rs.

nnunet_numerics.py OUT.npz SEED ROUNDS LARGEST: each round draws one case of each kind, with sides of up to
LARGEST voxels. Needs nnunetv2 2.8.1 (with scipy 1.17, scikit-image 0.26, batchgenerators 0.25.5).

The committed tests/fixtures/nnunet_numerics.npz: SEED 7, ROUNDS 6, LARGEST 11.
"""
import functools
import json
import sys
from types import SimpleNamespace

import numpy as np
import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.inference.sliding_window_prediction import compute_gaussian, compute_steps_for_sliding_window
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape, resample_data_or_seg_to_shape
from nnunetv2.utilities.label_handling.label_handling import LabelManager, convert_labelmap_to_one_hot
from scipy import ndimage

out, seed, rounds, largest = sys.argv[1], *map(int, sys.argv[2:5])
rng = np.random.default_rng(seed)
arrays, cases = {}, []
torch.set_num_threads(1)


def keep(array, kind=None):
    name = f"a{len(arrays)}"
    arrays[name] = np.ascontiguousarray(array if kind is None else array.astype(kind))
    return name


def sides(low=1):
    return [int(n) for n in rng.integers(low, largest + 1, 3)]


def spacing():
    """Even, thick along one axis, along two, or just not thick enough."""
    mm = rng.uniform(0.6, 1.5, 3)
    draw = rng.integers(5)
    if draw < 2:
        mm[rng.integers(3)] *= 5
    elif draw == 2:
        mm[:] = 5.0
        mm[rng.integers(3)] = 1.0
    elif draw == 3:
        mm = np.array([3.0, 1.0, 1.0])
    return [float(n) for n in mm]


def resample(is_seg):
    size, to, mm = sides(), sides(), [spacing(), spacing()]
    order = int(rng.choice([0, 1] if is_seg else [0, 1, 3, 3]))
    order_z = 0 if is_seg else int(rng.choice([0, 0, 1, 3]))
    force = [None, None, True, False][rng.integers(4)]
    if is_seg:
        data = (rng.integers(-1, 4, size) * (rng.random(size) < 0.7)).astype(np.int8)
    else:
        data = (rng.standard_normal(size) * 100).astype(np.float32)
    done = resample_data_or_seg_to_shape(
        data[None], to, mm[0], mm[1], is_seg=is_seg, order=order, order_z=order_z, force_separate_z=force)[0]
    return dict(kind="labels" if is_seg else "image", data=keep(data), to=to, mm=mm, order=order, order_z=order_z,
                force=force, done=keep(done))


def preprocess(previous):
    size, mm = sides(3), spacing()
    forward = [int(n) for n in rng.permutation(3)]
    channels = int(rng.integers(1, 4))
    schemes = rng.choice(["CTNormalization", "ZScoreNormalization", "RescaleTo01Normalization", "NoNormalization",
                          "RGBTo01Normalization", "ZScoreNormalization"], channels).tolist()
    masked = [bool(rng.integers(2)) if scheme == "ZScoreNormalization" else False for scheme in schemes]
    data = rng.integers(0, 200, (channels, *size)).astype(np.float32)
    low = [int(rng.integers(0, n - 1)) for n in size]
    box = tuple(slice(a, int(rng.integers(a + 1, n)) + 1) for a, n in zip(low, size))
    inside = np.zeros(size, bool)
    inside[box] = rng.random(inside[box].shape) < 0.8
    data *= inside | (rng.random(size) < 0.02)
    two_d = bool(rng.integers(3) == 0)
    current = [mm[n] for n in forward]
    target = [current[0], *np.multiply(current[1:], rng.uniform(0.5, 1.9, 2)).tolist()] if two_d else \
        np.multiply(current, rng.uniform(0.5, 1.9, 3)).tolist()
    intensity = dict(mean=80.3, std=33.7, percentile_00_5=20.2, percentile_99_5=180.9)
    labels = LabelManager({"background": 0, "a": 1, "b": 2, "c": 3}, None)
    plans = SimpleNamespace(transpose_forward=forward, get_label_manager=lambda _: labels,
                            foreground_intensity_properties_per_channel={str(c): intensity for c in range(channels)})
    configuration = SimpleNamespace(
        spacing=target[1:] if two_d else target, normalization_schemes=schemes, use_mask_for_norm=masked,
        resampling_fn_data=functools.partial(resample_data_or_seg_to_shape, is_seg=False, order=3, order_z=0,
                                             force_separate_z=None),
        resampling_fn_seg=functools.partial(resample_data_or_seg_to_shape, is_seg=True, order=1, order_z=0,
                                            force_separate_z=None))
    seg = (rng.integers(0, 4, size) * (rng.random(size) < 0.6)).astype(np.int16) if previous else None
    if min(compute_new_shape([n.stop - n.start for n in (box[i] for i in forward)], current, target)) < 1:
        return None
    done, done_seg, properties = DefaultPreprocessor(verbose=False).run_case_npy(
        data, None if seg is None else seg[None], {"spacing": mm}, plans, configuration, {})
    if previous:
        done = np.vstack((done, convert_labelmap_to_one_hot(done_seg[0], labels.foreground_labels, done.dtype)))
    return dict(kind="preprocess", data=keep(data), mm=mm, forward=forward, spacing=configuration.spacing,
                schemes=schemes, masked=masked, intensity=intensity, previous=None if seg is None else keep(seg),
                box=[list(map(int, pair)) for pair in properties["bbox_used_for_cropping"]], done=keep(done, np.float32))


def export(regions):
    size, cropped = sides(), sides()
    forward = [int(n) for n in rng.permutation(3)]
    backward = [forward.index(n) for n in range(3)]
    low = [int(n) for n in rng.integers(0, 3, 3)]
    full = [a + n + int(rng.integers(0, 3)) for a, n in zip(low, cropped)]
    mm, target = spacing(), spacing()
    if regions:
        labels = LabelManager({"background": 0, "whole": [1, 2, 3], "core": [2, 3], "rim": 3}, [1, 2, 3])
        classes = 3
    else:
        classes = int(rng.integers(2, 6))
        labels = LabelManager({"background": 0, **{f"l{n}": n for n in range(1, classes)}}, None)
    logits = (rng.standard_normal((classes, *size)) * 3).astype(np.float16)
    plans = SimpleNamespace(transpose_forward=forward, transpose_backward=backward)
    configuration = SimpleNamespace(
        spacing=target, resampling_fn_probabilities=functools.partial(
            resample_data_or_seg_to_shape, is_seg=False, order=1, order_z=0, force_separate_z=None))
    properties = dict(spacing=[mm[backward[n]] for n in range(3)], shape_before_cropping=full,
                      bbox_used_for_cropping=[[a, a + n] for a, n in zip(low, cropped)],
                      shape_after_cropping_and_before_resampling=cropped)
    seg, probabilities = convert_predicted_logits_to_segmentation_with_correct_shape(
        torch.from_numpy(logits), plans, configuration, labels, properties, return_probabilities=True,
        num_threads_torch=1)
    return dict(kind="export", logits=keep(logits), forward=forward, backward=backward, low=low, cropped=cropped,
                full=[full[n] for n in backward], image_mm=[properties["spacing"][n] for n in forward], target=target,
                regions=[1, 2, 3] if regions else None, seg=keep(seg), probabilities=keep(probabilities, np.float32))


class Ramp(torch.nn.Module):
    """Class n is (n + 1) times each channel, and a ramp over the patch for mirroring and weights to matter."""

    def forward(self, x):
        total = x.sum(1, keepdim=True)
        ramp = torch.zeros(x.shape[2:])
        for axis, n in enumerate(x.shape[2:]):
            shape = [1] * (x.ndim - 2)
            shape[axis] = n
            ramp = ramp + (axis + 1) * torch.arange(n, dtype=torch.float32).reshape(shape)
        return torch.cat([(n + 1) * total + (n - 1) * ramp for n in range(3)], 1)


def window(two_d):
    size = sides()
    patch = [int(n) for n in rng.integers(2, 9, 2 if two_d else 3)]
    step = float(rng.choice([0.5, 0.5, 0.75, 1.0]))
    mirror = sorted(int(n) for n in rng.choice(len(patch), rng.integers(0, len(patch) + 1), replace=False))
    data = rng.standard_normal((2, *size)).astype(np.float32)
    predictor = nnUNetPredictor(tile_step_size=step, device=torch.device("cpu"), allow_tqdm=False,
                                use_mirroring=len(mirror) > 0)
    predictor.manual_initialization(Ramp(), None, SimpleNamespace(patch_size=patch), None, {}, "", tuple(mirror))
    predictor.label_manager = SimpleNamespace(num_segmentation_heads=3)
    done = predictor.predict_sliding_window_return_logits(torch.from_numpy(data)).numpy()
    return dict(kind="window", data=keep(data), patch=patch, step=step, mirror=mirror, done=keep(done, np.float32))


def zoom():
    """As TotalSegmentator resamples."""
    size, factors = sides(), rng.uniform(0.5, 2.5, 3)
    order = int(rng.choice([0, 1, 3, 3]))
    data = (rng.standard_normal(size) * 100).astype(np.float32)
    done = ndimage.zoom(data.astype(float), factors, order=order)
    if done.size == 0:
        return None
    return dict(kind="zoom", data=keep(data), order=order, to=list(done.shape), done=keep(done))


def weights():
    patch = [int(n) for n in rng.integers(1, 20, 3)]
    gaussian = compute_gaussian(tuple(patch), value_scaling_factor=10, device=torch.device("cpu")).numpy()
    size = [n + int(rng.integers(0, 60)) for n in patch]
    steps = compute_steps_for_sliding_window(tuple(size), tuple(patch), 0.5)
    return dict(kind="weights", patch=patch, gaussian=keep(gaussian), size=size, starts=steps)


# Its plans manager is asked for a label manager that the window does not need.
nnUNetPredictor.manual_initialization = lambda self, network, plans, configuration, weights, dataset, trainer, axes: (
    self.__dict__.update(network=network, configuration_manager=configuration, allowed_mirroring_axes=axes))
# Logits are summed in single precision here: half precision is a limit of theirs, not a rule.
torch.half = torch.float32
for _ in range(rounds):
    for case in (resample(False), resample(False), resample(False), resample(True), resample(True), preprocess(False),
                 preprocess(False), preprocess(True), export(False), export(True), window(False), window(True), zoom(), zoom(),
                 weights()):
        if case is not None:
            cases.append(case)
arrays["cases"] = np.frombuffer(json.dumps(cases).encode(), np.uint8)
np.savez_compressed(out, **arrays)
