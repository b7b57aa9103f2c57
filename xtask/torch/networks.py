"""The supernets of Once-for-All and ProxylessNAS in PyTorch, their tensors named as in the published code."""

import torch
from torch import nn
from torch.nn import functional as F


def multiple_of_eight(channels):
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class Named(nn.Module):
    """Modules under names."""

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)


def conv_norm(n_in, n_out, kernel=1, stride=1, depthwise=False):
    groups = n_in if depthwise else 1
    conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return Named(conv=conv, bn=nn.BatchNorm2d(n_out))


def with_epsilon(network, epsilon):
    """What norms add to variances, which is no tensor and in no file."""
    for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.eps = epsilon


def dynamic(module):
    """Layers that are sliced have their tensors one name deeper."""
    return Named(conv=Named(conv=module.conv), bn=Named(bn=module.bn))


def plain(block, x):
    return block.bn(block.conv(x))


def bottleneck(n_in, n_mid, n_out, kernel, stride):
    layers = dict(
        depth_conv=conv_norm(n_mid, n_mid, kernel, stride, depthwise=True),
        point_linear=conv_norm(n_mid, n_out),
    )
    if n_mid != n_in:
        layers = dict(inverted_bottleneck=conv_norm(n_in, n_mid)) | layers
    return Named(**layers)


def bottleneck_forward(block, x, act):
    y = x
    if hasattr(block, "inverted_bottleneck"):
        y = act(plain(block.inverted_bottleneck, y))
    return plain(block.point_linear, act(plain(block.depth_conv, y)))


class Proxyless(nn.Module):
    """An architecture is a list of 21 operations: 0 to 5, or 6 for the input itself."""

    STAGES = [(4, 24, 2), (4, 40, 2), (4, 80, 2), (4, 96, 1), (4, 192, 2), (1, 320, 1)]
    OPS = [(kernel, expand) for kernel in (3, 5, 7) for expand in (3, 6)]

    def __init__(self, width, stem_stride, classes):
        super().__init__()
        stem, first = (multiple_of_eight(c * width) for c in (32, 16))
        self.first_conv = conv_norm(3, stem, 3, stem_stride)
        self.blocks = nn.ModuleList([Named(mobile_inverted_conv=bottleneck(stem, stem, first, 3, 1))])
        n_in = first
        for n_blocks, channels, stride in self.STAGES:
            n_out = multiple_of_eight(channels * width)
            for number in range(n_blocks):
                step = stride if number == 0 else 1
                ops = [bottleneck(n_in, e * n_in, n_out, k, step) for k, e in self.OPS]
                mixed = Named(candidate_ops=nn.ModuleList(ops))
                mixed.fits = step == 1 and n_in == n_out
                self.blocks.append(Named(mobile_inverted_conv=mixed))
                n_in = n_out
        last = multiple_of_eight(1280 * max(width, 1.0))
        self.feature_mix_layer = conv_norm(n_in, last)
        self.classifier = Named(linear=nn.Linear(last, classes))
        with_epsilon(self, 1e-3)

    def forward(self, x, arch):
        x = F.relu6(plain(self.first_conv, x))
        x = bottleneck_forward(self.blocks[0].mobile_inverted_conv, x, F.relu6)
        for block, op in zip(self.blocks[1:], arch, strict=True):
            if op < len(self.OPS):
                y = bottleneck_forward(block.mobile_inverted_conv.candidate_ops[op], x, F.relu6)
                x = x + y if block.mobile_inverted_conv.fits else y
        x = F.relu6(plain(self.feature_mix_layer, x)).mean((2, 3))
        return self.classifier.linear(x)


def sliced(layer, weight, x, **options):
    """A convolution and the norm of its first channels."""
    norm, n = layer.bn.bn, weight.shape[0]
    x = F.conv2d(x, weight, **options)
    part = (tensor[:n] for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias))
    mean, var, scale, shift = part
    return F.batch_norm(x, mean, var, scale, shift, norm.training, eps=norm.eps)


class Ofa(nn.Module):
    """An architecture is (depths of 5 stages, kernels of 20 blocks, expansions of 20 blocks)."""

    STAGES = [
        (24, 2, False, F.relu),
        (40, 2, True, F.relu),
        (80, 2, False, F.hardswish),
        (112, 1, True, F.hardswish),
        (160, 2, True, F.hardswish),
    ]

    def __init__(self, width, stem_stride, classes, expand=6):
        super().__init__()
        stem, *last = (multiple_of_eight(c * width) for c in (16, 960, 1280))
        self.first_conv = conv_norm(3, stem, 3, stem_stride)
        self.blocks = nn.ModuleList([Named(mobile_inverted_conv=bottleneck(stem, stem, stem, 3, 1))])
        n_in = stem
        for channels, stride, gated, _ in self.STAGES:
            n_out = multiple_of_eight(channels * width)
            for number in range(4):
                n_mid = multiple_of_eight(n_in * expand)
                step = stride if number == 0 else 1
                block = bottleneck(n_in, n_mid, n_out, 7, step)
                block = Named(**{name: dynamic(layer) for name, layer in block.named_children()})
                block.fits = step == 1 and n_in == n_out
                depthwise = block.depth_conv.conv
                for large, small in ((7, 5), (5, 3)):
                    matrix = nn.Parameter(torch.eye(small**2))
                    depthwise.register_parameter(f"{large}to{small}_matrix", matrix)
                if gated:
                    n_gate = multiple_of_eight(n_mid // 4)
                    gate = Named(reduce=nn.Conv2d(n_mid, n_gate, 1), expand=nn.Conv2d(n_gate, n_mid, 1))
                    block.depth_conv.add_module("se", Named(fc=gate))
                self.blocks.append(Named(mobile_inverted_conv=block))
                n_in = n_out
        self.final_expand_layer = conv_norm(n_in, last[0])
        self.feature_mix_layer = Named(conv=nn.Conv2d(last[0], last[1], 1, bias=False))
        self.classifier = Named(linear=nn.Linear(last[1], classes))

    def forward(self, x, arch):
        depths, kernels, expansions = arch
        x = F.hardswish(plain(self.first_conv, x))
        x = x + bottleneck_forward(self.blocks[0].mobile_inverted_conv, x, F.relu)
        for stage, (_, _, _, act) in enumerate(self.STAGES):
            for number in range(depths[stage]):
                place = 4 * stage + number
                block = self.blocks[1 + place].mobile_inverted_conv
                y = self.block_forward(block, x, kernels[place], expansions[place], act)
                x = x + y if block.fits else y
        x = F.hardswish(plain(self.final_expand_layer, x)).mean((2, 3), keepdim=True)
        x = F.hardswish(self.feature_mix_layer.conv(x)).flatten(1)
        return self.classifier.linear(x)

    @staticmethod
    def block_forward(block, x, kernel, expand, act):
        n_in = x.shape[1]
        n_mid = multiple_of_eight(n_in * expand)
        widen = block.inverted_bottleneck
        y = act(sliced(widen, widen.conv.conv.weight[:n_mid, :n_in], x))

        depthwise = block.depth_conv
        weight = depthwise.conv.conv.weight[:n_mid]
        for large, small in ((7, 5), (5, 3)):
            if kernel <= small:
                middle = weight[:, :, 1 : large - 1, 1 : large - 1].reshape(n_mid, -1)
                matrix = getattr(depthwise.conv, f"{large}to{small}_matrix")
                weight = F.linear(middle, matrix).reshape(n_mid, 1, small, small)
        stride = depthwise.conv.conv.stride
        y = act(sliced(depthwise, weight, y, stride=stride, padding=kernel // 2, groups=n_mid))
        if hasattr(depthwise, "se"):
            gate, n_gate = depthwise.se.fc, multiple_of_eight(n_mid // 4)
            g = y.mean((2, 3), keepdim=True)
            g = F.relu(F.conv2d(g, gate.reduce.weight[:n_gate, :n_mid], gate.reduce.bias[:n_gate]))
            g = F.conv2d(g, gate.expand.weight[:n_mid, :n_gate], gate.expand.bias[:n_mid])
            y = y * F.hardsigmoid(g)
        project = block.point_linear
        return sliced(project, project.conv.conv.weight[:, :n_mid], y)
