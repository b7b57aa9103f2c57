"""Training steps of NAS-Bench-201 in PyTorch on a card: the peer of `nas-lid probe step --device cuda:0`.

    python3 benches/peers/card.py

Prints one JSON object: images a step and whether factors of convolutions may be rounded to 11 bits (TF32, which
PyTorch does unless told otherwise), seconds of a step.
"""

import json
import time

import torch

from training import step_of

CHANNELS, CELLS, SIDE = 16, 5, 32
WARM_UP, REPEATS = 20, 50


def seconds_of_a_step(n_images, layout):
    step = step_of(CHANNELS, CELLS, SIDE, n_images, layout, "cuda")
    for _ in range(WARM_UP):
        step()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(REPEATS):
        step()
    torch.cuda.synchronize()
    return (time.perf_counter() - started) / REPEATS


def main():
    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = True
    found = {"card": torch.cuda.get_device_name()}
    for rounded in (True, False):
        torch.backends.cudnn.allow_tf32 = rounded
        for n_images in (64, 256):
            layouts = (torch.contiguous_format, torch.channels_last)
            name = f"{n_images} images, {'TF32' if rounded else 'FP32'}"
            found[name] = min(seconds_of_a_step(n_images, layout) for layout in layouts)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
