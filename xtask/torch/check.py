"""Loads what `nas-lid weights --out` has written into the PyTorch networks, and compares.

    python check.py FOLDER

The folder holds the files of `write.py` and beside them `ofa.safetensors` and `proxyless.safetensors`.
"""

import pathlib
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file

import networks
import write


def returned(network, file, original):
    """The network with weights that have come back; all names and shapes have to fit."""
    tensors = load_file(file)
    network.load_state_dict(tensors, strict=True)
    for name, tensor in tensors.items():
        there = original[name]
        assert torch.equal(tensor, there), f"{file}: {name} has changed"
    print(f"{file.name}: {len(tensors)} tensors have come back as they were")
    return network.eval()


def compare(network, same, archs):
    with torch.no_grad():
        for arch in archs:
            before, after = (net(write.images(), arch) for net in (network, same))
            assert torch.equal(before, after), f"other logits on {arch}"
    print(f"{len(archs)} architectures have the same logits")


def main(folder):
    for name, build, unwrap, archs in (
        ("ofa", networks.Ofa, "", write.OFA_ARCHS),
        ("proxyless", networks.Proxyless, "module.", write.PROXYLESS_ARCHS),
    ):
        suffix = "pth.tar" if name == "proxyless" else "pth"
        saved = torch.load(folder / f"{name}.{suffix}", weights_only=True)["state_dict"]
        original = {key.removeprefix(unwrap): tensor for key, tensor in saved.items()}
        network = build(write.WIDTH, 1, write.CLASSES)
        network.load_state_dict(original, strict=True)
        network.eval()
        same = returned(build(write.WIDTH, 1, write.CLASSES), folder / f"{name}.safetensors", original)
        compare(network, same, archs)
        with safe_open(folder / f"{name}.safetensors", "pt") as file:
            print(f"metadata: {file.metadata()}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
