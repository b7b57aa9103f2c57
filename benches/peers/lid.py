"""Distances to the nearest neighbors in PyTorch and scikit-dimension: the peers of `benches/lid.rs`.

Prints one JSON object: the name of the benchmark on our side, seconds of a call here, by peer.
"""

import json

import skdim
import torch

from clock import seconds

SIZES = [(128, 4096), (128, 16384), (128, 65536), (512, 16384)]
K = 20


def main():
    torch.manual_seed(1)
    found = {}
    for n, d in SIZES:
        x = 2 * torch.rand(n, d) - 1

        def gram():
            products = x @ x.T
            norms = products.diagonal()
            squares = norms[:, None] + norms[None] - 2 * products
            squares.fill_diagonal_(float("inf"))
            squares.topk(K, largest=False).values.clamp_min(0).sqrt()

        points = x.numpy()
        found[f"nearest/n={n},d={d},k={K}"] = {
            "product": seconds(lambda: x @ x.T),
            "gram and top-k, not centered": seconds(gram),
            "skdim MLE, estimates included": seconds(
                lambda: skdim.id.MLE().fit(points, n_neighbors=K)
            ),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
