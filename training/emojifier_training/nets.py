"""The networks. Small, plain convolutions, no weights from anywhere else."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LANDMARK_COUNT = 68
EMOTION_COUNT = 8


def conv_unit(inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> nn.Module:
    """Return convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut (He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        """Build a block that keeps shape and channels."""
        super().__init__()
        self.first = conv_unit(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to the same shape."""
        return functional.relu(x + self.norm(self.second(self.first(x))))


class SeparableUnit(nn.Module):
    """Point-wise, then depth-wise convolution with a shortcut, as in YuNet's units."""

    def __init__(self, channels: int) -> None:
        """Build a unit that keeps shape and channels."""
        super().__init__()
        self.point = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )
        self.depth = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, channels, H, W)`` to the same shape."""
        return functional.relu(x + self.depth(functional.relu(self.point(x))))


class FullUnit(nn.Module):
    """A 3×3 convolution with a shortcut; in eight bits cheaper than it looks."""

    def __init__(self, channels: int) -> None:
        """Build a unit that keeps shape and channels."""
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, channels, H, W)`` to the same shape."""
        return functional.relu(x + self.norm(self.conv(x)))


def _full_units(channels: int, count: int) -> list[nn.Module]:
    return [FullUnit(channels) for _ in range(count)]


class LandmarkNet(nn.Module):
    """Grey 112 px frame to 68 points by heat maps and their expected positions.

    An hourglass of one level pair; the expectation of each softmaxed 28×28 map is the
    point (integral regression, Sun et al., 2018).
    """

    map_size = 28

    def __init__(self, widths: tuple[int, int, int] = (40, 72, 96)) -> None:
        """Build with the widths at strides 4, 8 and 16."""
        super().__init__()
        a, b, c = widths
        self.stem = nn.Sequential(conv_unit(1, 24, 2), conv_unit(24, a, 2))
        self.fine = nn.Sequential(ResidualBlock(a))
        self.middle = nn.Sequential(
            conv_unit(a, b, 2), ResidualBlock(b), ResidualBlock(b)
        )
        self.coarse = nn.Sequential(
            conv_unit(b, c, 2), ResidualBlock(c), ResidualBlock(c)
        )
        self.from_coarse = nn.Conv2d(c, b, 1)
        self.from_middle = nn.Conv2d(b, a, 1)
        self.join_middle = conv_unit(b, b)
        self.join_fine = nn.Sequential(conv_unit(a, a), conv_unit(a, 64, 1))
        self.heat = nn.Conv2d(64, LANDMARK_COUNT, 1)
        centers = (torch.arange(self.map_size) + 0.5) / self.map_size
        self.register_buffer("centers", centers, persistent=False)
        self.centers: Tensor

    def heat_maps(self, x: Tensor) -> Tensor:
        """Map ``(N, 1, 112, 112)`` to logits ``(N, 68, 28, 28)``."""
        fine = self.fine(self.stem(x))
        middle = self.middle(fine)
        coarse = self.from_coarse(self.coarse(middle))
        middle = self.join_middle(
            middle + functional.interpolate(coarse, scale_factor=2.0)
        )
        fine = fine + functional.interpolate(self.from_middle(middle), scale_factor=2.0)
        heat: Tensor = self.heat(self.join_fine(fine))
        return heat

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, 1, 112, 112)`` in [-1, 1] to ``(N, 68, 2)`` shares of the frame."""
        return self.expect(self.heat_maps(x).float())

    def expect(self, heat: Tensor) -> Tensor:
        """Return the expected position under each map, ``(N, 68, 2)``."""
        size = self.map_size
        share = functional.softmax(heat.flatten(2), dim=-1).unflatten(2, (size, size))
        x = (share.sum(dim=2) * self.centers).sum(dim=-1)
        y = (share.sum(dim=3) * self.centers).sum(dim=-1)
        return torch.stack([x, y], dim=-1)


class DetectorNet(nn.Module):
    """Faces and five points in YuNet's output format, at strides 8, 16 and 32."""

    strides = (8, 16, 32)
    #: Class, objectness, box, points: 1 + 1 + 4 + 10 numbers a cell.
    splits = (1, 1, 4, 10)
    #: Units before each head; those at stride 8 cost four times as much as the next.
    trunk_units = (1, 2, 2)

    def __init__(self, width: int = 64) -> None:
        """Build with the width at stride 8; coarser levels are wider."""
        super().__init__()
        self.stem = nn.Sequential(
            conv_unit(3, 16, 2), conv_unit(16, 32, 2), SeparableUnit(32)
        )
        self.level8 = nn.Sequential(conv_unit(32, width, 2), *_full_units(width, 2))
        middle, wide = width * 3 // 2, width * 2
        self.level16 = nn.Sequential(
            nn.MaxPool2d(2), conv_unit(width, middle), *_full_units(middle, 2)
        )
        self.level32 = nn.Sequential(
            nn.MaxPool2d(2), conv_unit(middle, wide), *_full_units(wide, 2)
        )
        self.side16 = nn.Conv2d(middle, width, 1)
        self.side32 = nn.Conv2d(wide, width, 1)
        self.lateral16 = FullUnit(width)
        self.lateral8 = FullUnit(width)
        self.trunks = nn.ModuleList(
            nn.Sequential(*_full_units(width, units)) for units in self.trunk_units
        )
        self.heads = nn.ModuleList(
            nn.Conv2d(width, sum(self.splits), 1) for _ in self.strides
        )
        for head in self.heads:
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            nn.init.normal_(head.weight, std=0.01)
            nn.init.constant_(head.bias, 0.0)
            nn.init.constant_(head.bias[:2], -4.0)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map ``(N, 3, H, W)`` BGR 0 to 255 to one ``(N, 16, h, w)`` a stride."""
        level8 = self.level8(self.stem((x - 127.5) / 64.0))
        level16 = self.level16(level8)
        level32 = self.side32(self.level32(level16))
        level16 = self.lateral16(
            self.side16(level16) + functional.interpolate(level32, scale_factor=2.0)
        )
        level8 = self.lateral8(
            level8 + functional.interpolate(level16, scale_factor=2.0)
        )
        levels = (level8, level16, level32)
        return [
            head(trunk(level))
            for head, trunk, level in zip(self.heads, self.trunks, levels, strict=True)
        ]


class YuNetFormat(nn.Module):
    """Wraps the detector for export: twelve named outputs, probabilities where due."""

    output_names = tuple(
        f"{kind}_{stride}"
        for kind in ("cls", "obj", "bbox", "kps")
        for stride in DetectorNet.strides
    )

    def __init__(self, net: nn.Module) -> None:
        """Wrap a net that gives the levels of `DetectorNet`."""
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return ``cls_8 … kps_32``, each ``(1, cells, numbers)``."""
        parts = []
        for level in self.net(x):
            flat = level.permute(0, 2, 3, 1).reshape(1, -1, sum(DetectorNet.splits))
            parts.append(flat.split(DetectorNet.splits, dim=-1))
        classes, objects, boxes, points = zip(*parts, strict=True)
        return (
            *(torch.sigmoid(part) for part in (*classes, *objects)),
            *boxes,
            *points,
        )


class RescorerNet(nn.Module):
    """A candidate's two squares to one logit, whether it is a face, and to its box.

    Both squares go through the layers that the detector begins with.
    """

    #: Keeps what shows next to nothing from becoming all noise.
    least_contrast = 0.15

    def __init__(self, width: int = 64, joined: int = 96) -> None:
        """Build with the detector's width, and that of the layers that join both."""
        super().__init__()
        detector = DetectorNet(width)
        self.stem, self.level8 = detector.stem, detector.level8
        self.joined = nn.Sequential(
            conv_unit(2 * width, joined),
            *_full_units(joined, 2),
            nn.Conv2d(joined, joined, 7, groups=joined, bias=False),
            nn.BatchNorm2d(joined),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
        self.face = nn.Sequential(nn.Dropout(0.2), nn.Linear(joined, 1))
        self.box = nn.Linear(joined, 4)

    def start_from_detector(self, weights: dict[str, Tensor]) -> None:
        """Take the weights of the layers that a detector has too; it reads BGR."""
        own = {n: w.float() for n, w in weights.items() if n in self.state_dict()}
        if stem := next((name for name in own if name == "stem.0.0.weight"), None):
            own[stem] = own[stem].flip(1)
        self.load_state_dict(own, strict=False)

    def forward(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``(N, 6, 56, 56)`` RGB of any contrast to logits and boxes.

        The logits are ``(N,)``; the boxes ``(N, 4)``: how far their middle lies from
        the candidate's, in sides of it, and the logarithms of their width and height
        over that side.
        """
        mean = crops.mean(dim=(1, 2, 3), keepdim=True)
        spread = (crops - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        even = (crops - mean) / (spread + self.least_contrast)
        features = self.level8(self.stem(even.reshape(-1, 3, *crops.shape[2:])))
        both = features.reshape(-1, 2 * features.shape[1], *features.shape[2:])
        joined = self.joined(both)
        return self.face(joined)[:, 0], self.box(joined)


class GeometryNet(nn.Module):
    """Geometry features to a vector: two wide layers with dropout."""

    def __init__(self, features: int, width: int = 192, outputs: int = 96) -> None:
        """Build for a number of input features."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(features),
            nn.Linear(features, width),
            nn.BatchNorm1d(width),
            nn.ReLU(inplace=True),
            nn.Dropout(0.3),
            nn.Linear(width, outputs),
            nn.BatchNorm1d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, geometry: Tensor) -> Tensor:
        """Map ``(N, features)`` to ``(N, outputs)``."""
        vector: Tensor = self.layers(geometry)
        return vector


class LandmarkEmotionNet(nn.Module):
    """The ``landmarks`` variant: eight logits from geometry alone."""

    def __init__(self, features: int) -> None:
        """Build for a number of geometry features."""
        super().__init__()
        self.geometry = GeometryNet(features, 320, 160)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(160, EMOTION_COUNT))

    def forward(self, geometry: Tensor, _appearance: Tensor) -> Tensor:
        """Map ``(N, features)`` to logits ``(N, 8)``; sees no appearance."""
        logits: Tensor = self.head(self.geometry(geometry))
        return logits

    def opinions(self, geometry: Tensor, appearance: Tensor) -> Tensor:
        """Map the same to ``(N, 1, 8)``: it learns the votes alone."""
        return self(geometry, appearance)[:, None]


class PlacedMean(nn.Conv2d):
    """A mean over the map of each channel that learns which places count.

    It begins as the plain mean, so that a trained net can grow by it.
    """

    def __init__(self, channels: int, side: int) -> None:
        """Build for maps of that side."""
        super().__init__(channels, channels, side, groups=channels, bias=False)
        nn.init.ones_(self.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Map ``(N, channels, side, side)`` to ``(N, channels, 1, 1)``."""
        return super().forward(maps) / maps.shape[2:].numel()


class SecondHead(nn.Linear):
    """Logits of what other taggers say; it begins without an opinion."""

    def reset_parameters(self) -> None:
        """Set all weights to zero."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


#: What a trained net can grow by: its first weights change nothing.
GROWN = (PlacedMean, SecondHead)


#: Side of the last map of the appearance: 52 pixels, halved three times, rounded up.
APPEARANCE_MAP = 7


def appearance_layers(widths: tuple[int, int, int]) -> nn.Sequential:
    """Return what maps ``(N, 1, 52, 52)`` to a vector of the last width."""
    a, b, c = widths
    return nn.Sequential(
        conv_unit(1, a),
        conv_unit(a, a, 2),
        ResidualBlock(a),
        conv_unit(a, b, 2),
        ResidualBlock(b),
        nn.Dropout2d(0.1),
        conv_unit(b, c, 2),
        ResidualBlock(c),
        ResidualBlock(c),
        PlacedMean(c, APPEARANCE_MAP),
        nn.Flatten(),
        nn.Dropout(0.3),
    )


#: Weight of the second opinion's logits beside those of the votes. It is of balanced
#: emotions, so that it raises rare ones.
SECOND_SHARE = 0.5
#: Share of the faces whose geometry fusion does not see in training. Without it the
#: appearance learns only what geometry leaves over (ModDrop, Neverova et al., 2016).
GEOMETRY_HIDDEN = 0.5


class FusedEmotionNet(nn.Module):
    """The ``fused`` variant: geometry joined with the canonical grey face."""

    def __init__(
        self, features: int, widths: tuple[int, int, int] = (24, 48, 96)
    ) -> None:
        """Build for a number of geometry features and three widths."""
        super().__init__()
        self.appearance = appearance_layers(widths)
        self.geometry = GeometryNet(features)
        self.head = nn.Linear(widths[-1] + 96, EMOTION_COUNT)
        self.second = SecondHead(widths[-1] + 96, EMOTION_COUNT)

    def features(self, geometry: Tensor, appearance: Tensor) -> Tensor:
        """Map ``(N, features)`` and ``(N, 1, 52, 52)`` to what both heads read."""
        seen = self.appearance(appearance).float()
        points = self.geometry(geometry)
        if self.training:
            points = points * (torch.rand(len(points), 1) >= GEOMETRY_HIDDEN)
        return torch.cat([seen, points], dim=1)

    def opinions(self, geometry: Tensor, appearance: Tensor) -> Tensor:
        """Map the same to ``(N, 2, 8)``: logits of the votes, and of other taggers."""
        features = self.features(geometry, appearance)
        return torch.stack([self.head(features), self.second(features)], dim=1)

    def logits(self, features: Tensor) -> Tensor:
        """Join both opinions of ``(N, n)`` features in logits ``(N, 8)``."""
        votes: Tensor = self.head(features)
        return votes + SECOND_SHARE * self.second(features)

    def forward(self, geometry: Tensor, appearance: Tensor) -> Tensor:
        """Map what `features` maps to logits ``(N, 8)``."""
        return self.logits(self.features(geometry, appearance))


class ShiftedLogits(nn.Module):
    """Wraps an emotion net for export: adds a constant to the logits of each class."""

    def __init__(self, net: nn.Module, shift: Tensor) -> None:
        """Wrap a trained net with an ``(8,)`` shift."""
        super().__init__()
        self.net = net
        self.register_buffer("shift", shift)
        self.shift: Tensor

    def forward(self, geometry: Tensor, appearance: Tensor) -> Tensor:
        """Map what the net maps, shifted."""
        logits: Tensor = self.net(geometry, appearance) + self.shift
        return logits


#: Share of the mean variance that is added to each, so that no direction in which
#: training faces hardly differ counts endlessly.
LEAST_VARIANCE = 0.05
#: How much a face's distance from the training faces adds to the temperature. Chosen
#: on held-out faces and on changed ones (the card has the figures).
DOUBT = 1.5


def fit_home(features: Tensor) -> Tensor:
    """Return ``(n + 1, n)``: the mean of ``(N, n)`` features, and what whitens them."""
    spread = torch.cov(features.T)
    floor = LEAST_VARIANCE * spread.diagonal().mean()
    inverse = torch.linalg.inv(spread + floor * torch.eye(len(spread)))
    return torch.cat([features.mean(dim=0)[None], torch.linalg.cholesky(inverse)])


def temperature(features: Tensor, home: Tensor) -> Tensor:
    """Return ``(N, 1)`` the temperature of each face, greater far from home.

    The distance is Mahalanobis's, squared; over the training faces its mean is nearly
    1 (Lee et al., 2018).
    """
    away = (features - home[0]) @ home[1:]
    return 1 + DOUBT * away.square().mean(dim=1, keepdim=True)


class DoubtfulLogits(ShiftedLogits):
    """A fused net whose logits are smaller, the less a face resembles training's."""

    net: FusedEmotionNet

    def __init__(self, net: FusedEmotionNet, shift: Tensor, home: Tensor) -> None:
        """Wrap a trained net with an ``(8,)`` shift and what `fit_home` returned."""
        super().__init__(net, shift)
        self.register_buffer("home", home)
        self.home: Tensor

    def forward(self, geometry: Tensor, appearance: Tensor) -> Tensor:
        """Map what the net maps, shifted, divided by each face's temperature."""
        features = self.net.features(geometry, appearance)
        logits = self.net.logits(features) + self.shift
        return logits / temperature(features, self.home)
