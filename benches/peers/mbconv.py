"""A mobile inverted bottleneck in PyTorch: the peer of `benches/flex_ops.rs`.

Prints one JSON object: the name of the benchmark on our side, seconds of a call here.
"""

import json

import torch
from torch import nn

from clock import seconds

N_IMAGES, NARROW, WIDE, SIDE, KERNEL = 32, 24, 144, 56, 5


class Bottleneck(nn.Module):
    def __init__(self):
        super().__init__()
        depthwise = nn.Conv2d(WIDE, WIDE, KERNEL, 1, KERNEL // 2, groups=WIDE, bias=False)
        self.layers = nn.Sequential(
            nn.Conv2d(NARROW, WIDE, 1, bias=False), nn.BatchNorm2d(WIDE), nn.ReLU6(inplace=True),
            depthwise, nn.BatchNorm2d(WIDE), nn.ReLU6(inplace=True),
            nn.Conv2d(WIDE, NARROW, 1, bias=False), nn.BatchNorm2d(NARROW),
        )

    def forward(self, x):
        return self.layers(x) + x


def main():
    torch.manual_seed(1)
    found = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        block = Bottleneck().to(memory_format=layout).train()
        optimizer = torch.optim.SGD(block.parameters(), 0.01)
        images = torch.rand(N_IMAGES, NARROW, SIDE, SIDE).to(memory_format=layout)
        # As inside a network, where the gradient goes on.
        tracked = images.clone().requires_grad_()

        def step():
            optimizer.zero_grad(set_to_none=True)
            tracked.grad = None
            block(tracked).square().mean().backward()
            optimizer.step()

        def forward():
            with torch.inference_mode():
                block(images)

        for name, work in (("step", step), ("forward", forward)):
            key = f"mbconv,k={KERNEL},side={SIDE}/{name}"
            # Its fastest memory format.
            found[key] = min(found.get(key, float("inf")), seconds(work))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
