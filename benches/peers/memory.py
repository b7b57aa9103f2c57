"""Peak memory of a training step of NAS-Bench-201 in PyTorch: the peer of `nas-lid probe step`.

Prints one JSON object: bytes above rest by memory format, after a step with a few images.
"""

import ctypes
import json

import torch

from training import step_of

CHANNELS, CELLS, SIDE, N_IMAGES, N_SMALL = 16, 5, 32, 64, 21


def status(key):
    with open("/proc/self/status") as lines:
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key + ":"))


def peak(work):
    """The highest resident memory during the work less what was resident before, freed memory returned."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    rest = status("VmRSS")
    work()
    return status("VmHWM") - rest


def main():
    found = {}
    for name, layout in (("contiguous", torch.contiguous_format), ("channels-last", torch.channels_last)):
        torch.manual_seed(1)
        step_of(CHANNELS, CELLS, SIDE, N_SMALL, layout)()
        found[name] = peak(step_of(CHANNELS, CELLS, SIDE, N_IMAGES, layout))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
