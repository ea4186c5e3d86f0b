"""Seconds per patch of a nnU-Net PlainConvUNet; median of three.

The last argument says by what: on the CPU torch, or onnxruntime (which also needs onnx); on a CUDA
device torch in "cuda float32" (without TF32), "cuda tf32" or "cuda half". There the patch is copied
to the device and its logits back in each round, as the program beside it does.
"""

import ast
import io
import sys
import time

import torch
from torch import nn

features, strides, kernels, classes, patch, threads = map(ast.literal_eval, sys.argv[1:7])
torch.set_num_threads(threads)
torch.manual_seed(1)


def block(n_in, n_out, kernel, stride=1):
    padding = [k // 2 for k in kernel]
    return nn.Sequential(
        nn.Conv3d(n_in, n_out, kernel, stride, padding),
        nn.InstanceNorm3d(n_out, affine=True),
        nn.LeakyReLU(0.01, inplace=True),
    )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.up, self.decode = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        n = 1
        for f, s, k in zip(features, strides, kernels):
            self.down.append(nn.Sequential(block(n, f, k, s), block(f, f, k)))
            n = f
        for i in reversed(range(len(features) - 1)):
            f, k, s = features[i], kernels[i], strides[i + 1]
            self.up.append(nn.ConvTranspose3d(features[i + 1], f, s, s))
            self.decode.append(nn.Sequential(block(2 * f, f, k), block(f, f, k)))
        self.head = nn.Conv3d(features[0], classes, 1)

    def forward(self, x):
        skips = []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
        skips.pop()
        for up, decode in zip(self.up, self.decode):
            x = decode(torch.cat([up(x), skips.pop()], 1))
        return self.head(x)


network = UNet().eval()
image = torch.randn(1, 1, *patch)
by = sys.argv[7]
if by.startswith("cuda "):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = by == "cuda tf32"
    torch.backends.cudnn.benchmark = True
    number = torch.float16 if by == "cuda half" else torch.float32
    network = network.to("cuda", number)

    def run():
        with torch.inference_mode():
            network(image.to("cuda", number)).float().cpu()

elif by == "torch":

    def run():
        with torch.inference_mode():
            network(image)

else:
    import onnxruntime

    file = io.BytesIO()
    torch.onnx.export(network, image, file, input_names=["image"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )

    def run():
        session.run(None, {"image": image.numpy()})


seconds = []
for _ in range(4):
    start = time.perf_counter()
    run()
    seconds.append(time.perf_counter() - start)
print(sorted(seconds[1:])[1])
