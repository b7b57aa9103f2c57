"""Writes small supernets as PyTorch does, and prints the logits of some of their architectures.

    python write.py FOLDER

`crates/nas-lid/tests/published` holds these files, compressed with `gzip -9 -n`.
"""

import math
import pathlib
import random
import sys

import torch

import networks

WIDTH, CLASSES, SIDE, N_IMAGES = 0.01, 3, 16, 2

OFA_ARCHS = [
    ([4] * 5, [7] * 20, [6] * 20),
    ([3, 4, 3, 4, 3], [3, 5, 7, 7, 5] * 4, [4, 6, 6, 4] * 5),
]
PROXYLESS_ARCHS = [
    [i % 6 for i in range(21)],
    [0 if i % 4 == 0 else 6 if i % 4 == 1 else i % 6 for i in range(21)],
]


def images():
    n = N_IMAGES * 3 * SIDE * SIDE
    values = torch.tensor([(37 * i % 101) / 50 - 1 for i in range(n)])
    contrast = torch.tensor([1.0, -0.25]).reshape(N_IMAGES, 1, 1, 1)
    return values.reshape(N_IMAGES, 3, SIDE, SIDE) * contrast


def draw(network, random_arch):
    """Few different numbers, which compress well, and statistics near those of the activations."""
    generator = torch.Generator().manual_seed(1)

    def noise(shape):
        return torch.randint(-2, 3, shape, generator=generator) / 2

    for name, parameter in network.named_parameters():
        if "matrix" in name:
            parameter.data += noise(parameter.shape) / 16
        elif parameter.dim() == 1:
            parameter.data = noise(parameter.shape) / 4 + (1 if ".bn." in name and "weight" in name else 0)
        else:
            scale = 2.0 ** -round(math.log2(parameter[0].numel()) / 2)
            parameter.data = noise(parameter.shape) * scale
    picker = random.Random(1)
    network.train()
    with torch.no_grad():
        for _ in range(100):
            network(images(), random_arch(picker))
    for norm in (m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)):
        norm.running_mean = (norm.running_mean * 4).round() / 4
        norm.running_var = 2.0 ** norm.running_var.clamp(min=2**-8).log2().round()
    network.eval()


def report(name, network, archs):
    with torch.no_grad():
        for arch in archs:
            logits = network.double()(images().double(), arch)
            print(name, arch, logits.flatten().tolist())
    network.float()


def main(folder):
    ofa = networks.Ofa(WIDTH, 1, CLASSES)
    draw(ofa, lambda r: (r.choices((3, 4), k=5), r.choices((3, 5, 7), k=20), r.choices((4, 6), k=20)))
    report("ofa", ofa, OFA_ARCHS)
    torch.save({"epoch": 1, "state_dict": ofa.state_dict()}, folder / "ofa.pth")

    proxyless = networks.Proxyless(WIDTH, 1, CLASSES)
    draw(proxyless, lambda r: [r.randrange(7 if i % 4 and i < 20 else 6) for i in range(21)])
    report("proxyless", proxyless, PROXYLESS_ARCHS)
    # As copies on several devices are saved, in the format of old versions.
    parallel = {f"module.{name}": tensor for name, tensor in proxyless.state_dict().items()}
    legacy = folder / "proxyless.pth.tar"
    torch.save({"state_dict": parallel}, legacy, _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
