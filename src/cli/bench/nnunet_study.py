"""A whole study through nnunetv2 on the CPU, with a network of TotalSegmentator's size.

    python nnunet_study.py make CT_FOLDER OUT CLASSES    OUT/ct.nii.gz and a training folder, printed
    python nnunet_study.py predict OUT MODEL THREADS     {"seconds", "peak_mb"} of reading to label map

The weights are random; the background's bias wins everywhere, so that no time goes into
contours, which only one of the two programs makes.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("nnUNet_raw", "/nonexistent")
os.environ.setdefault("nnUNet_preprocessed", "/nonexistent")
os.environ.setdefault("nnUNet_results", "/nonexistent")

import numpy as np
import SimpleITK
import torch

FEATURES = [32, 64, 128, 256, 320, 320]
PATCH, SPACING = [128, 128, 128], [3.0, 3.0, 3.0]


def resampling(kind, order, is_seg):
    return {
        f"resampling_fn_{kind}": "resample_data_or_seg_to_shape",
        f"resampling_fn_{kind}_kwargs": {
            "is_seg": is_seg, "order": order, "order_z": 0, "force_separate_z": None,
        },
    }


def plans():
    stages = len(FEATURES)
    return {
        "dataset_name": "Dataset900_Study",
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "original_median_spacing_after_transp": SPACING,
        "original_median_shape_after_transp": PATCH,
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {
            "0": {"max": 3000.0, "mean": 0.0, "median": 0.0, "min": -1024.0,
                  "percentile_00_5": -1000.0, "percentile_99_5": 1000.0, "std": 400.0}
        },
        "configurations": {
            "3d_fullres": {
                "data_identifier": "study",
                "preprocessor_name": "DefaultPreprocessor",
                "batch_size": 2,
                "patch_size": PATCH,
                "median_image_size_in_voxels": PATCH,
                "spacing": SPACING,
                "normalization_schemes": ["CTNormalization"],
                "use_mask_for_norm": [False],
                "batch_dice": False,
                **resampling("data", 3, False),
                **resampling("seg", 1, True),
                **resampling("probabilities", 1, False),
                "architecture": {
                    "network_class_name":
                        "dynamic_network_architectures.architectures.unet.PlainConvUNet",
                    "arch_kwargs": {
                        "n_stages": stages,
                        "features_per_stage": FEATURES,
                        "conv_op": "torch.nn.modules.conv.Conv3d",
                        "kernel_sizes": [[3, 3, 3]] * stages,
                        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
                        "n_conv_per_stage": [2] * stages,
                        "n_conv_per_stage_decoder": [2] * (stages - 1),
                        "conv_bias": True,
                        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
                        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
                        "dropout_op": None,
                        "dropout_op_kwargs": None,
                        "nonlin": "torch.nn.LeakyReLU",
                        "nonlin_kwargs": {"inplace": True},
                    },
                    "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
                },
            }
        },
    }


def make(ct, out, classes):
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(ct))
    image = SimpleITK.Cast(reader.Execute(), SimpleITK.sitkInt16)
    SimpleITK.WriteImage(image, str(Path(out, "ct.nii.gz")), useCompression=True)
    plan = plans()
    dataset = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0} | {f"organ_{n}": n for n in range(1, classes)},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    model = Path(out, "nnUNetTrainerNoMirroring__nnUNetPlans__3d_fullres")
    (model / "fold_0").mkdir(parents=True)
    (model / "plans.json").write_text(json.dumps(plan))
    (model / "dataset.json").write_text(json.dumps(dataset))
    torch.manual_seed(1)
    network = plan["configurations"]["3d_fullres"]["architecture"]
    net = get_network_from_plans(
        network["network_class_name"], network["arch_kwargs"], network["_kw_requires_import"],
        1, classes, deep_supervision=True,
    )
    with torch.no_grad():
        for layer in net.decoder.seg_layers:
            layer.bias[0] += 1000.0
    state = {
        "network_weights": net.state_dict(), "trainer_name": "nnUNetTrainerNoMirroring",
        "inference_allowed_mirroring_axes": None, "current_epoch": 1,
        "init_args": {"plans": plan, "configuration": "3d_fullres", "fold": 0,
                      "dataset_json": dataset, "unpack_dataset": True},
    }
    torch.save(state, model / "fold_0" / "checkpoint_final.pth")
    print(model)


def predict(out, model, threads):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    torch.set_num_threads(threads)
    started = time.perf_counter()
    predictor = nnUNetPredictor(
        tile_step_size=0.5, use_gaussian=True, use_mirroring=True,
        perform_everything_on_device=False, device=torch.device("cpu"),
        verbose=False, allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(model, (0,), "checkpoint_final.pth")
    files = [[str(Path(out, "ct.nii.gz"))]]
    predictor.predict_from_files_sequential(files, [str(Path(out, "theirs"))], overwrite=True)
    seconds = time.perf_counter() - started
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    labels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(Path(out, "theirs.nii.gz"))))
    assert not np.any(labels), "the background wins everywhere"
    print(json.dumps({"seconds": seconds, "peak_mb": peak_kb * 1024 / 1e6}))


if sys.argv[1] == "make":
    make(sys.argv[2], sys.argv[3], int(sys.argv[4]))
else:
    predict(sys.argv[2], sys.argv[3], int(sys.argv[4]))
