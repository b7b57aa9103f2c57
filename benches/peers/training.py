"""Training and scoring NAS-Bench-201 in PyTorch: the peer of `benches/supernet.rs`.

Prints one JSON object: the name of the benchmark on our side, seconds of a call here.
"""

import json

import torch
from torch import nn
from torch.nn import functional as F

from clock import seconds

N_IMAGES = 64
# Channels, cells a stage, side of the images.
SIZES = [(16, 5, 32), (8, 1, 16)]


def conv_norm(n_in, n_out, kernel, stride=1):
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(n_out),
    )


class Cell(nn.Module):
    """3x3 | 1x1, pool | skip, 3x3, 1x1."""

    def __init__(self, c):
        super().__init__()
        self.edge_01 = conv_norm(c, c, 3)
        self.edge_02 = conv_norm(c, c, 1)
        self.edge_12 = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.edge_13 = conv_norm(c, c, 3)
        self.edge_23 = conv_norm(c, c, 1)

    def forward(self, x):
        one = self.edge_01(x)
        two = self.edge_02(x) + self.edge_12(one)
        return x + self.edge_13(one) + self.edge_23(two)


class Reduction(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.conv_a = conv_norm(n_in, n_out, 3, 2)
        self.conv_b = conv_norm(n_out, n_out, 3)
        self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(n_in, n_out, 1, bias=False))

    def forward(self, x):
        return self.conv_b(self.conv_a(x)) + self.downsample(x)


class Network(nn.Module):
    def __init__(self, c, n_cells):
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c))
        blocks = [stem]
        for stage in range(3):
            if stage:
                blocks.append(Reduction(c << (stage - 1), c << stage))
            blocks += [Cell(c << stage) for _ in range(n_cells)]
        self.blocks = nn.Sequential(*blocks, nn.BatchNorm2d(c << 2), nn.ReLU())
        self.classifier = nn.Linear(c << 2, 10)

    def forward(self, x):
        return self.classifier(self.blocks(x).mean((2, 3)))


def network_and_images(c, n_cells, side, n_images, layout, device="cpu"):
    network = Network(c, n_cells).to(device, memory_format=layout).train()
    return network, torch.rand(n_images, 3, side, side).to(device, memory_format=layout)


def step_of(c, n_cells, side, n_images, layout, device="cpu"):
    """A training step, to be called."""
    network, images = network_and_images(c, n_cells, side, n_images, layout, device)
    labels = torch.arange(n_images, device=device) % 10
    optimizer = torch.optim.SGD(
        network.parameters(), 0.01, 0.9, weight_decay=5e-4, nesterov=True, foreach=True
    )

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(network(images), labels).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()

    return step


def score_of(c, n_cells, side, n_images, layout):
    """A forward pass and its loss, to be called."""
    network, images = network_and_images(c, n_cells, side, n_images, layout)
    labels = torch.arange(n_images) % 10

    def score():
        with torch.inference_mode():
            F.cross_entropy(network(images), labels)

    return score


def main():
    torch.manual_seed(1)
    found = {}
    for c, n_cells, side in SIZES:
        for layout in (torch.contiguous_format, torch.channels_last):
            for name, work_of in (("step", step_of), ("score", score_of)):
                key = f"C={c},N={n_cells},side={side}/{name}"
                work = work_of(c, n_cells, side, N_IMAGES, layout)
                # Its fastest memory format.
                found[key] = min(found.get(key, float("inf")), seconds(work))
        # It keeps all activations, whatever ours keeps.
        step = f"C={c},N={n_cells},side={side}/step"
        found[step + ",kept=part-inputs"] = found[step]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
