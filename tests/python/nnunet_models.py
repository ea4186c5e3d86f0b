"""Makes the models and expected label maps of tests/fixtures/nnunet.

Small networks of random weights in nnU-Net's own folders, and what nnunetv2 makes of small images
with them: what the trained fixtures leave out. Run it where nnunetv2 2.8.1 is installed:

    python tests/python/nnunet_models.py tests/fixtures/nnunet [CASE ...]

Cases: res2d (2D residual encoder, two channels, bfloat16, z-score and no normalisation, only one
axis mirrored), aniso (3D residual encoder, wide and flat kernels, thick slices, transposed axes,
regions, no convolution bias), cascade (3d_lowres and 3d_cascade_fullres, two folds, half precision,
an ignored label), batchnorm (3D residual encoder by nnUNetTrainerBN: the plans say instance
normalisation, the weights have running statistics), torchres (thick slices whose plans resample by torch
and forbid a separate axis, as nnUNetPlannerResEncL_torchres writes them), bottleneck (3D residual encoder of
BottleneckD blocks with GELU, a stem of its own width, images resampled by a spline of order 5), prelu (PReLU with
slopes of both signs, thick slices resampled by splines of order 4, and 2 across), resprelu (3D residual encoder
whose blocks, with and without a stride, have slopes of their own behind the sums), first (activations before the
normalisations, whose epsilon is large; slices twice as thick as wide, which the plans call thick).

Beside the label maps each case has `logits.npz`: every second voxel of what the network gives over the whole
prepared image without mirroring, folds averaged, summed up in single precision. `logits` alone makes these
files anew for models that are there.
"""
import copy
import json
import os
import shutil
import sys
from pathlib import Path

for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    os.environ.setdefault(name, "/tmp")

import numpy as np
import SimpleITK as sitk
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

RESAMPLING = {
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_seg": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None},
    "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1, "order_z": 0, "force_separate_z": None},
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities_kwargs": {
        "is_seg": False, "order": 1, "order_z": 0, "force_separate_z": None},
}


TORCH = {
    **{f"resampling_fn_{what}": "resample_torch_fornnunet" for what in ("data", "seg", "probabilities")},
    **{f"resampling_fn_{what}_kwargs": {
        "is_seg": what == "seg", "force_separate_z": False, "memefficient_seg_resampling": False}
       for what in ("data", "seg", "probabilities")},
}


def architecture(kind, dim, features, kernels, strides, blocks, decoder, bias):
    depth = "n_conv_per_stage" if kind == "PlainConvUNet" else "n_blocks_per_stage"
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{kind}",
        "arch_kwargs": {
            "n_stages": len(features),
            "features_per_stage": features,
            "conv_op": f"torch.nn.modules.conv.Conv{dim}d",
            "kernel_sizes": kernels,
            "strides": strides,
            depth: blocks,
            "n_conv_per_stage_decoder": decoder,
            "conv_bias": bias,
            "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{dim}d",
            "norm_op_kwargs": {"eps": 1e-05, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "torch.nn.LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def configuration(patch, spacing, schemes, masks, network, **more):
    return {
        "data_identifier": "test", "preprocessor_name": "DefaultPreprocessor", "batch_size": 2,
        "patch_size": patch, "median_image_size_in_voxels": patch, "spacing": spacing,
        "normalization_schemes": schemes, "use_mask_for_norm": masks, "batch_dice": False,
        "architecture": network, **RESAMPLING, **more,
    }


def plans(name, configurations, transpose=(0, 1, 2)):
    properties = {"max": 900.0, "mean": 40.0, "median": 35.0, "min": -1000.0,
                  "percentile_00_5": -700.0, "percentile_99_5": 600.0, "std": 250.0}
    return {
        "dataset_name": name, "plans_name": "nnUNetPlans", "image_reader_writer": "SimpleITKIO",
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": [40, 40, 40],
        "transpose_forward": list(transpose),
        "transpose_backward": [int(n) for n in np.argsort(transpose)],
        "configurations": configurations, "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": properties, "1": properties},
    }


def train(folder, plan, dataset, name, channels, outputs, seed, mirror, dtype=torch.float32,
          trainer="nnUNetTrainer", fold=0, patch=None):
    """Writes a training folder with random weights; logits spread so that labels differ clearly."""
    target = Path(folder) / f"{trainer}__nnUNetPlans__{name}"
    where = target / f"fold_{fold}"
    where.mkdir(parents=True, exist_ok=True)
    (target / "plans.json").write_text(json.dumps(plan, indent=1))
    (target / "dataset.json").write_text(json.dumps(dataset, indent=1))
    configurations = plan["configurations"]
    own = configurations[name]
    while "architecture" not in own:
        own = configurations[own["inherits_from"]]
    network = own["architecture"]
    if trainer == "nnUNetTrainerBN":
        network = copy.deepcopy(network)
        arguments = network["arch_kwargs"]
        arguments["norm_op"] = arguments["norm_op"].replace("instancenorm.InstanceNorm", "batchnorm.BatchNorm")
    torch.manual_seed(seed)
    net = get_network_from_plans(
        network["network_class_name"], network["arch_kwargs"], network["_kw_requires_import"],
        channels, outputs, deep_supervision=True)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in net.named_parameters():
            if key.endswith("norm.weight"):
                value.copy_(0.8 + 0.4 * torch.rand(value.shape, generator=generator))
            elif value.ndim == 1:
                value.copy_(0.2 * torch.randn(value.shape, generator=generator))
            elif "seg_layers" in key:
                value.mul_(4.0)
        # Normalised features have a mean of about 0.4 behind a leaky ReLU: no class is ahead by it.
        for layer in net.decoder.seg_layers:
            layer.bias.copy_(-0.4 * layer.weight.flatten(1).sum(1))
    if trainer == "nnUNetTrainerBN":
        # Running statistics as training leaves them.
        net.train()
        with torch.no_grad():
            for _ in range(40):
                net(torch.randn((2, channels, *patch), generator=generator))
    weights = {key: value.to(dtype) if value.is_floating_point() else value
               for key, value in net.state_dict().items()}
    torch.save({
        "network_weights": weights, "optimizer_state": {"state": {}, "param_groups": []},
        "grad_scaler_state": None, "logging": {"mean_fg_dice": [np.float32(0.5)], "lrs": [0.01]},
        "_best_ema": np.float64(0.5), "current_epoch": 1,
        "init_args": {"plans": plan, "configuration": name, "fold": fold, "dataset_json": dataset,
                      "unpack_dataset": True, "device": torch.device("cpu")},
        "trainer_name": trainer, "inference_allowed_mirroring_axes": mirror,
    }, where / "checkpoint_final.pth")
    return target


def image(path, size, spacing, seed, direction=None, zeros=0, scale=400.0, dtype=np.int16):
    """A smooth random image (x, y, z), its outermost `zeros` voxels 0."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=[max(2, n // 6) for n in size[::-1]])
    import scipy.ndimage as ndi
    values = ndi.zoom(coarse, [n / m for n, m in zip(size[::-1], coarse.shape)], order=3)
    values = (values * scale + rng.normal(size=values.shape) * 0.05 * scale).astype(dtype)
    if zeros:
        inside = np.zeros(values.shape, bool)
        inside[zeros:-zeros, zeros:-zeros, zeros + 1:-zeros] = True
        values[~inside] = 0
    picture = sitk.GetImageFromArray(values)
    picture.SetSpacing(spacing)
    picture.SetOrigin((11.5, -20.25, 33.0))
    if direction:
        picture.SetDirection(direction)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(picture, str(path), useCompression=True)


def logits(folder, files, target, folds=(0,), previous=None):
    """Keeps every second voxel of the logits over the whole prepared image, in single precision."""
    from batchgenerators.utilities.file_and_folder_operations import load_json
    from nnunetv2.utilities.label_handling.label_handling import convert_labelmap_to_one_hot
    predictor = nnUNetPredictor(tile_step_size=0.5, use_gaussian=True, use_mirroring=False,
                                perform_everything_on_device=False, device=torch.device("cpu"),
                                verbose=False, allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(folder), folds, "checkpoint_final.pth")
    preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
    data, seg, _ = preprocessor.run_case(
        [str(file) for file in files], str(previous) if previous else None, predictor.plans_manager,
        predictor.configuration_manager, load_json(str(Path(folder) / "dataset.json")))
    if previous:
        one_hot = convert_labelmap_to_one_hot(seg[0], predictor.label_manager.foreground_labels, data.dtype)
        data = np.vstack((data, one_hot))
    # Half precision is a limit of theirs, not a rule.
    half, torch.half = torch.half, torch.float32
    try:
        total = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data)).numpy()
    finally:
        torch.half = half
    np.savez_compressed(target, size=np.array(total.shape[1:]), logits=total[:, ::2, ::2, ::2].astype(np.float32))


def predict(folder, files, out, mirror, folds=None, previous=None):
    predictor = nnUNetPredictor(tile_step_size=0.5, use_gaussian=True, use_mirroring=mirror,
                                perform_everything_on_device=False, device=torch.device("cpu"),
                                verbose=False, allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(folder), folds, "checkpoint_final.pth")
    out.mkdir(parents=True, exist_ok=True)
    predictor.predict_from_files_sequential(
        [[str(file) for file in files]], [str(out / "case")], save_probabilities=False, overwrite=True,
        folder_with_segs_from_prev_stage=str(previous) if previous else None)
    return out / "case.nii.gz"


def res2d(root):
    network = architecture("ResidualEncoderUNet", 2, [6, 12, 18], [[3, 3], [5, 3], [3, 3]],
                           [[1, 1], [2, 2], [2, 2]], [1, 2, 2], [2, 1], True)
    plan = plans("Dataset951_Res2d", {"2d": configuration(
        [32, 24], [1.2, 1.1], ["ZScoreNormalization", "NoNormalization"], [False, False], network)})
    dataset = {"channel_names": {"0": "T1", "1": "PET"}, "labels": {"background": 0, "a": 1, "b": 2, "c": 3},
               "numTraining": 1, "file_ending": ".nii.gz"}
    folder = train(root, plan, dataset, "2d", 2, 4, 11, (0,), torch.bfloat16)
    files = [root / f"input/case_000{n}.nii.gz" for n in range(2)]
    turned = (0, 1, 0, 1, 0, 0, 0, 0, 1)
    image(files[0], (36, 42, 7), (1.0, 1.3, 4.0), 1, turned)
    image(files[1], (36, 42, 7), (1.0, 1.3, 4.0), 2, turned, scale=1.5, dtype=np.float32)
    return folder, files


def aniso(root):
    network = architecture(
        "ResidualEncoderUNet", 3, [6, 10, 16], [[1, 5, 7], [3, 3, 3], [3, 3, 3]],
        [[1, 1, 1], [1, 2, 2], [2, 2, 2]], [1, 1, 2], [1, 2], False)
    plan = plans("Dataset952_Aniso", {"3d_fullres": configuration(
        [8, 32, 24], [5.0, 1.1, 1.0], ["CTNormalization"], [False], network)}, (1, 2, 0))
    dataset = {"channel_names": {"0": "CT"}, "regions_class_order": [1, 2, 3],
               "labels": {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "tip": 3},
               "numTraining": 1, "file_ending": ".nii.gz"}
    folder = train(root, plan, dataset, "3d_fullres", 1, 3, 12, (0, 1, 2), trainer="nnUNetTrainer_250epochs")
    files = [root / "input/case_0000.nii.gz"]
    image(files[0], (38, 9, 44), (1.25, 5.0, 0.9), 3, zeros=1)
    return folder, files


def cascade(root):
    def network(features):
        stages = len(features)
        return architecture("PlainConvUNet", 3, features, [[3, 3, 3]] * stages,
                            [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1), [2] * stages, [2] * (stages - 1), True)
    low = configuration([16, 16, 16], [3.0, 3.0, 3.0], ["RescaleTo01Normalization"], [False], network([6, 12]),
                        next_stage="3d_cascade_fullres")
    full = configuration([24, 24, 24], [1.5, 1.5, 1.5], ["RescaleTo01Normalization"], [False],
                         network([6, 12, 16]))
    plan = plans("Dataset953_Cascade", {
        "3d_lowres": low, "3d_fullres": full,
        "3d_cascade_fullres": {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}})
    dataset = {"channel_names": {"0": "noNorm"},
               "labels": {"background": 0, "a": 1, "b": 2, "ignore": 3}, "numTraining": 1,
               "file_ending": ".nii.gz"}
    for fold in range(2):
        lowres = train(root, plan, dataset, "3d_lowres", 1, 3, 20 + fold, None, torch.half, fold=fold)
        folder = train(root, plan, dataset, "3d_cascade_fullres", 3, 3, 30 + fold, (0, 1, 2), torch.half,
                       fold=fold)
    files = [root / "input/case_0000.nii.gz"]
    image(files[0], (40, 37, 33), (1.6, 1.5, 1.7), 4, (-1, 0, 0, 0, -1, 0, 0, 0, 1))
    predict(lowres, files, root / "previous", True, (0, 1))
    return folder, files


def batchnorm(root):
    patch = [16, 24, 16]
    network = architecture(
        "ResidualEncoderUNet", 3, [6, 10, 12], [[3, 3, 3]] * 3, [[1, 1, 1], [1, 2, 2], [2, 2, 2]], [1, 1, 1],
        [1, 1], True)
    plan = plans("Dataset954_BatchNorm", {"3d_fullres": configuration(
        patch, [2.0, 1.5, 1.5], ["CTNormalization"], [False], network)})
    dataset = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2, "c": 3},
               "numTraining": 1, "file_ending": ".nii.gz"}
    folder = train(root, plan, dataset, "3d_fullres", 1, 4, 41, (0, 1, 2), trainer="nnUNetTrainerBN", patch=patch)
    files = [root / "input/case_0000.nii.gz"]
    image(files[0], (34, 30, 22), (1.4, 1.6, 2.2), 6)
    return folder, files


def torchres(root):
    network = architecture(
        "PlainConvUNet", 3, [6, 10], [[3, 3, 3]] * 2, [[1, 1, 1], [1, 2, 2]], [1, 1], [1], True)
    own = configuration([8, 24, 24], [5.0, 1.2, 1.2], ["CTNormalization"], [False], network)
    plan = plans("Dataset955_TorchRes", {"3d_fullres": {**own, **TORCH}})
    dataset = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2},
               "numTraining": 1, "file_ending": ".nii.gz"}
    folder = train(root, plan, dataset, "3d_fullres", 1, 3, 51, (0, 1, 2))
    files = [root / "input/case_0000.nii.gz"]
    image(files[0], (40, 36, 20), (1.0, 1.1, 2.0), 7)
    return folder, files


def bottleneck(root):
    network = architecture(
        "ResidualEncoderUNet", 3, [6, 10, 12], [[3, 3, 3], [1, 3, 3], [3, 3, 3]],
        [[1, 1, 1], [1, 2, 2], [2, 2, 2]], [1, 2, 1], [1, 1], True)
    network["arch_kwargs"].update(
        block="dynamic_network_architectures.building_blocks.residual.BottleneckD", bottleneck_channels=[3, 4, 8],
        stem_channels=5, nonlin="torch.nn.GELU", nonlin_kwargs={})
    network["_kw_requires_import"].append("block")
    own = configuration([8, 24, 16], [2.0, 1.5, 1.4], ["ZScoreNormalization"], [False], network)
    own["resampling_fn_data_kwargs"] = {**own["resampling_fn_data_kwargs"], "order": 5}
    plan = plans("Dataset956_Bottleneck", {"3d_fullres": own})
    dataset = {"channel_names": {"0": "T1"}, "labels": {"background": 0, "a": 1, "b": 2, "c": 3},
               "numTraining": 1, "file_ending": ".nii.gz"}
    folder = train(root, plan, dataset, "3d_fullres", 1, 4, 61, (0, 1, 2), torch.half)
    files = [root / "input/case_0000.nii.gz"]
    image(files[0], (28, 30, 18), (1.2, 1.6, 2.3), 8)
    return folder, files


def prelu(root):
    network = architecture(
        "PlainConvUNet", 3, [6, 10], [[1, 3, 3], [3, 3, 3]], [[1, 1, 1], [1, 2, 2]], [2, 1], [1], True)
    network["arch_kwargs"].update(nonlin="torch.nn.PReLU", nonlin_kwargs={"init": 0.1})
    own = configuration([8, 24, 24], [5.0, 1.2, 1.2], ["CTNormalization"], [False], network)
    own["resampling_fn_data_kwargs"] = {**own["resampling_fn_data_kwargs"], "order": 4, "order_z": 2}
    plan = plans("Dataset957_PReLU", {"3d_fullres": own})
    dataset = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2},
               "numTraining": 1, "file_ending": ".nii.gz"}
    folder = train(root, plan, dataset, "3d_fullres", 1, 3, 71, (0, 1, 2), torch.half)
    files = [root / "input/case_0000.nii.gz"]
    image(files[0], (32, 30, 11), (1.0, 1.1, 4.0), 9)
    return folder, files


def resprelu(root):
    network = architecture(
        "ResidualEncoderUNet", 3, [6, 10], [[3, 3, 3], [1, 3, 3]], [[1, 1, 1], [2, 2, 2]], [1, 2], [1], False)
    network["arch_kwargs"].update(nonlin="torch.nn.PReLU", nonlin_kwargs={})
    plan = plans("Dataset958_ResPReLU", {"3d_fullres": configuration(
        [12, 20, 16], [2.0, 1.4, 1.4], ["CTNormalization"], [False], network)})
    dataset = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2, "c": 3},
               "numTraining": 1, "file_ending": ".nii.gz"}
    folder = train(root, plan, dataset, "3d_fullres", 1, 4, 81, (0, 1, 2), torch.half)
    files = [root / "input/case_0000.nii.gz"]
    image(files[0], (30, 26, 14), (1.2, 1.5, 2.2), 10)
    return folder, files


def first(root):
    network = architecture(
        "PlainConvUNet", 3, [6, 10], [[1, 3, 3], [3, 3, 3]], [[1, 1, 1], [1, 2, 2]], [2, 1], [2], True)
    network["arch_kwargs"].update(nonlin_first=True, norm_op_kwargs={"eps": 0.02, "affine": True},
                                  nonlin="torch.nn.LeakyReLU", nonlin_kwargs={"negative_slope": 0.2})
    own = configuration([8, 24, 24], [3.5, 1.3, 1.2], ["CTNormalization"], [False], network)
    for what in ("data", "seg", "probabilities"):
        key = f"resampling_fn_{what}_kwargs"
        own[key] = {**own[key], "separate_z_anisotropy_threshold": 1.5}
    plan = plans("Dataset959_First", {"3d_fullres": own})
    dataset = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1, "b": 2},
               "numTraining": 1, "file_ending": ".nii.gz"}
    folder = train(root, plan, dataset, "3d_fullres", 1, 3, 91, (0, 1, 2), torch.half)
    files = [root / "input/case_0000.nii.gz"]
    image(files[0], (30, 28, 12), (1.0, 1.1, 2.4), 11)
    return folder, files


CASES = {"res2d": res2d, "aniso": aniso, "cascade": cascade, "batchnorm": batchnorm, "torchres": torchres,
         "bottleneck": bottleneck, "prelu": prelu, "resprelu": resprelu, "first": first}
# The training folder of each.
FOLDERS = {"res2d": "nnUNetTrainer__nnUNetPlans__2d", "aniso": "nnUNetTrainer_250epochs__nnUNetPlans__3d_fullres",
           "cascade": "nnUNetTrainer__nnUNetPlans__3d_cascade_fullres",
           "batchnorm": "nnUNetTrainerBN__nnUNetPlans__3d_fullres",
           "torchres": "nnUNetTrainer__nnUNetPlans__3d_fullres",
           "bottleneck": "nnUNetTrainer__nnUNetPlans__3d_fullres",
           "prelu": "nnUNetTrainer__nnUNetPlans__3d_fullres",
           "resprelu": "nnUNetTrainer__nnUNetPlans__3d_fullres",
           "first": "nnUNetTrainer__nnUNetPlans__3d_fullres"}


def keep_logits(root, names):
    for name in names:
        own = root / name
        files = sorted((own / "input").glob("case_*.nii.gz"))
        previous = own / "previous.nii.gz" if name == "cascade" else None
        folds = (0, 1) if name == "cascade" else (0,)
        logits(own / FOLDERS[name], files, own / "logits.npz", folds, previous)


def main(root, *names):
    root = Path(root)
    if names == ("logits",):
        return keep_logits(root, CASES)
    for name in names or CASES:
        make = CASES[name]
        own = root / name
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(parents=True)
        folder, files = make(own)
        previous = own / "previous" if name == "cascade" else None
        folds = (0, 1) if name == "cascade" else (0,)
        for mirror in (False, True):
            found = predict(folder, files, own / "out", mirror, folds, previous)
            target = own / ("seg_mirror.nii.gz" if mirror else "seg_nomirror.nii.gz")
            shutil.copy(found, target)
            labels = sitk.GetArrayFromImage(sitk.ReadImage(str(target)))
            print(name, "mirror" if mirror else "no mirror", np.bincount(labels.ravel()))
        shutil.rmtree(own / "out")
        if previous:
            shutil.copy(previous / "case.nii.gz", own / "previous.nii.gz")
            shutil.rmtree(previous)
        keep_logits(root, [name])


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(*sys.argv[1:])
