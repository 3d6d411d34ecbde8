"""The emotion recipe: soft labels of ten taggers on faces that our landmark net read.

The landmark net never saw these crops, so its points are what use will bring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emojifier_bot.emotion_models import EmotionModel
from emojifier_bot.vision.crops import canonical_face
from emojifier_bot.vision.emotion import APPEARANCE_PX
from emojifier_bot.vision.landmarks import MIRRORED, RIGID, mirror
from emojifier_bot.vision.types import EMOTIONS, Emotion, FloatArray
from emojifier_training import augment
from emojifier_training.device import autocast, to_device, to_numpy
from emojifier_training.fit import load_warm_start
from emojifier_training.metrics import accuracy, macro_f1
from emojifier_training.nets import (
    EMOTION_COUNT,
    FusedEmotionNet,
    LandmarkEmotionNet,
    fit_home,
    temperature,
)
from emojifier_training.prepared_faces import MARGIN_PX, STORED_PX, PreparedFaces

#: Column of neutral.
NEUTRAL = EMOTIONS.index(Emotion.NEUTRAL)
#: Spread of the noise on canonical points, shares of the frame.
POINT_NOISE = 0.006
#: Rare classes are drawn as often as their count to this power: 1 is as they come,
#: 0 is all alike.
RARITY_POWER = 0.5
#: Share of the classes' log frequency that shipped logits are relieved of, by variant:
#: rare emotions are then reached at little cost. Chosen on the validation faces.
PRIOR_RELIEFS: Mapping[str, float] = MappingProxyType(
    {"landmarks": 0.15, EmotionModel.SHARED_POINTS: 0.15, "fused": 0.15}
)
#: Share of each target that is spread evenly.
LABEL_SMOOTHING = 0.02
#: Mixed faces (mixup, Zhang et al., 2018): share of batches, and the shape of the
#: beta distribution of shares.
MIX_CHANCE, MIX_SHAPE = 0.5, 0.3
#: Least share of a class among what is drawn.
LEAST_DRAWN = 1e-6
#: Share of each target that a teacher gives, where there is one.
TEACHER_SHARE = 0.5
#: Share that the votes have in the second opinion's target: a label of one tagger is
#: noisy, and none of them is contempt.
VOTES_IN_SECOND = 0.3
#: Weight of the second opinion in the loss.
SECOND_WEIGHT = 0.5
#: Faces that are made more, or less, unlike the mean face: how many, and by how much of
#: the difference; those of neutral by a third of it.
CARICATURED, LEAST_CARICATURE, MOST_CARICATURE = 0.6, -0.3, 0.8
NEUTRAL_CARICATURE = 1 / 3
#: Parts of the face that move and grow by themselves: points, spread of the shift in x
#: and y (shares of the frame), spread of the growth in x and y.
MOVED_PARTS = (
    (range(17, 27), (0.002, 0.012), (0.05, 0.05)),  # brows
    (range(17, 22), (0.003, 0.005), (0.05, 0.15)),
    (range(22, 27), (0.003, 0.005), (0.05, 0.15)),
    (range(48, 68), (0.004, 0.010), (0.06, 0.10)),  # lips
    (range(17), (0.004, 0.012), (0.07, 0.07)),  # jaw
    (range(36, 42), (0.0, 0.0), (0.0, 0.12)),  # eyes
    (range(42, 48), (0.0, 0.0), (0.0, 0.12)),
)
#: Spread of the ratio of width to height.
STRETCH = 0.05
#: A pixel moves as the points do that are this near, in shares of the frame; far from
#: all points it stays, as if points of this weight lay there that do not move.
MOVED_NEAR, STILL_WEIGHT = 0.05, 0.15
#: One in so many training faces says where they lie.
HOME_EVERY = 6


def features_of(variant: str) -> Callable[[FloatArray], FloatArray]:
    """Return what computes the geometry for a variant, from canonical points."""
    implementation = resolve_name(EmotionModel[variant.upper()].implementation)
    features: Callable[[FloatArray], FloatArray] = implementation.features
    return features


def feature_count(variant: str) -> int:
    """Return how many numbers that gives for a face."""
    return features_of(variant)(np.zeros((1, 68, 2), np.float32)).shape[1]


#: The net of each variant.
NETS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {
        "landmarks": lambda: LandmarkEmotionNet(feature_count("landmarks")),
        EmotionModel.SHARED_POINTS: lambda: LandmarkEmotionNet(
            feature_count(EmotionModel.SHARED_POINTS)
        ),
        "fused": lambda: FusedEmotionNet(feature_count("fused")),
    }
)


class EmotionRecipe:
    """Data, loss and held-out figures of one emotion net."""

    def __init__(
        self,
        variant: str,
        train: PreparedFaces,
        held_out: PreparedFaces,
        batch_size: int,
        teacher: Path | None = None,
    ) -> None:
        """Build the net of a variant, one of `NETS`.

        Args:
            variant: Key of `NETS`.
            train: Faces to learn from.
            held_out: Faces that are only evaluated.
            batch_size: Faces a step.
            teacher: A ``state.pt`` of that variant. What it says of a face and its
                mirror image together is learned beside the votes (Hinton et al., 2015).
        """
        self.net = NETS[variant]()
        self.train, self.held_out, self.batch_size = train, held_out, batch_size
        self.variant = variant
        self.uses_appearance = variant == "fused"
        # A class that hardly occurs counts as one face: no logarithm is endless.
        counts = train.targets.sum(dim=0).clamp(min=1.0)
        rarity = counts ** (RARITY_POWER - 1)
        opinions = [train.targets]
        if self.uses_appearance:
            opinions.append(
                torch.lerp(train.second_opinions, train.targets, VOTES_IN_SECOND)
            )
        #: ``(N, K, 8)`` the votes and, if learned, the second opinion.
        self.opinions = torch.stack(opinions, dim=1)
        rates = (self.opinions * rarity).sum(dim=2).mean(dim=1)
        self.rates = rates / rates.sum()
        drawn = (self.opinions * self.rates[:, None, None]).sum(dim=0)
        #: ``(K, 8)`` log of how often each class is drawn. For the votes, of how much
        #: more often than it occurs: they are learned with the real mix.
        self.log_shift = torch.log(drawn.clamp(min=LEAST_DRAWN))
        #: Log of how often each class occurs.
        self.log_prior = torch.log(counts / counts.sum())
        self.log_shift[0] -= self.log_prior
        self.weights = torch.tensor([1.0, SECOND_WEIGHT])[: len(opinions)]
        #: ``(N, 8)`` what the teacher says of the training faces.
        self.taught = None if teacher is None else self._ask(teacher)

    def _ask(self, teacher: Path) -> Tensor:
        net = NETS[self.variant]().eval()
        load_warm_start(net, teacher)
        logits = predict(net, self.train, self.variant, both_ways=True)
        return functional.softmax(logits, dim=1)

    def loss(self, net: nn.Module) -> Tensor:
        """Return the cross-entropy with the taggers' votes.

        Rare classes are drawn more often than they come; that shift is added to the
        logits inside the loss (logit adjustment, Menon et al., 2021), so that the net
        learns from balanced batches and still gives probabilities of the real mix.
        """
        pick = torch.multinomial(self.rates, self.batch_size, replacement=True)
        batch = self._batch(pick)
        if self.taught is not None:
            batch = (*batch, self.taught[pick])
        geometry, appearance, targets, *taught = _mixed(batch)
        with autocast():
            logits = net.opinions(geometry, appearance)  # type: ignore[operator] # of `NETS`
        logits = logits.float()
        targets = targets * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / EMOTION_COUNT
        said = functional.log_softmax(logits + self.log_shift, dim=2)
        losses = -(targets * said).sum(dim=2).mean(dim=0)
        if taught:
            # The teacher gives probabilities of the real mix already.
            distilled = functional.cross_entropy(logits[:, 0], taught[0])
            losses[0] = torch.lerp(losses[0], distilled, TEACHER_SHARE)
        return (losses * self.weights).sum()

    def _batch(self, pick: Tensor) -> tuple[Tensor, ...]:
        faces, count = self.train, len(pick)
        flip = augment.chance(count, 0.5)
        points = faces.canonical_xy[pick]
        other_way = points[:, list(MIRRORED)] * torch.tensor([-1.0, 1.0])
        other_way = other_way + torch.tensor([1.0, 0.0])
        points = torch.where(flip.reshape(-1, 1, 1), other_way, points)
        noise = torch.randn_like(points) * POINT_NOISE
        appearance = faces.appearance[pick].float()
        targets = self.opinions[pick]
        if not self.uses_appearance:
            return as_geometry(points + noise, self.variant), appearance, targets
        appearance = torch.where(
            flip.reshape(-1, 1, 1, 1), appearance.flip(-1), appearance
        )
        moves = random_moves(points, targets[:, 0, NEUTRAL])
        stretch = torch.exp(torch.randn(count) * STRETCH)
        stretch = torch.stack([stretch, 1 / stretch], dim=1)[:, None]
        appearance = augment.crop_tightly(appearance, 2 * MARGIN_PX, 0.2)
        appearance = augment.warp(
            appearance, _jittered_frames(stretch), APPEARANCE_PX, spread_moves(moves)
        )
        appearance = augment.change_light(augment.even_light(appearance, 0.4))
        appearance = augment.lose_detail(appearance, 20, 0.2)
        appearance = augment.cover(appearance, 0.4)
        points = (points + moves - 0.5) * stretch + 0.5
        return (
            as_geometry(points + noise, self.variant),
            normalise_appearance(appearance),
            targets,
        )

    def predict(self, net: nn.Module) -> Tensor:
        """Return ``(N, 8)`` logits of the held-out faces, read as in use."""
        return predict(net, self.held_out, self.variant, both_ways=True)

    def doubt(self, net: nn.Module) -> dict[str, NDArray[np.float32]]:
        """Return where the training faces lie and the temperatures of held-out ones.

        Nets of points alone have no measure of that.
        """
        if not isinstance(net, FusedEmotionNet):
            return {}
        some = torch.arange(0, len(self.train.targets), HOME_EVERY)
        home = fit_home(predict(net.features, self.train.subset(some), self.variant))
        held_out = predict(net.features, self.held_out, self.variant)
        found = {"home": home, "temperatures": temperature(held_out, home)}
        return {name: to_numpy(one) for name, one in found.items()}

    def evaluate(self, net: nn.Module) -> dict[str, float]:
        """Return accuracy and macro-F1 against the majority vote."""
        predicted = to_numpy(self.predict(net).argmax(dim=1))
        truth = to_numpy(self.held_out.targets.argmax(dim=1))
        return {
            "accuracy": accuracy(truth, predicted),
            "macro_f1": macro_f1(truth, predicted),
        }


def predict(
    net: Callable[[Tensor, Tensor], Tensor],
    faces: PreparedFaces,
    variant: str = "fused",
    *,
    both_ways: bool = False,
) -> Tensor:
    """Return ``(N, 8)`` logits of unaugmented faces.

    Args:
        net: Of that variant, or a method of it that maps the same to something else.
        faces: What it reads.
        variant: Key of `NETS`.
        both_ways: Take the mean with the logits of the mirror images.
    """
    inner = slice(MARGIN_PX, MARGIN_PX + APPEARANCE_PX)
    rows = []
    with torch.no_grad():
        for part in torch.arange(len(faces.appearance)).split(256):
            appearance = normalise_appearance(
                faces.appearance[part][..., inner, inner].float()
            )
            points = faces.canonical_xy[part]
            logits = net(as_geometry(points, variant), appearance)
            if both_ways:
                other_way = to_device(mirror(to_numpy(points), 1.0))
                other = net(as_geometry(other_way, variant), appearance.flip(-1))
                logits = (logits + other) / 2
            rows.append(logits)
    return torch.cat(rows)


def as_geometry(canonical_xy: Tensor, variant: str = "fused") -> Tensor:
    """Compute the geometry features by the code that use runs."""
    return to_device(features_of(variant)(to_numpy(canonical_xy)))


def normalise_appearance(appearance: Tensor) -> Tensor:
    """Stretch each frame to its own minimum and maximum, then to -1 to 1."""
    low = appearance.amin(dim=(2, 3), keepdim=True)
    high = appearance.amax(dim=(2, 3), keepdim=True)
    unit = (appearance - low) / (high - low).clamp(min=1)
    return (unit * 2 - 1).contiguous(memory_format=torch.channels_last)


def _mixed(batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Blend each face of a batch with another one, and their labels alike."""
    if torch.rand(()) >= MIX_CHANCE:
        return batch
    count = len(batch[0])
    share = torch.distributions.Beta(MIX_SHAPE, MIX_SHAPE).sample((count,))
    other = torch.randperm(count)
    return tuple(
        torch.lerp(part[other], part, share.reshape(-1, *[1] * (part.ndim - 1)))
        for part in batch
    )


def random_moves(points: Tensor, neutral: Tensor) -> Tensor:
    """Return ``(N, 68, 2)`` moves of points that change a face, not its expression.

    Caricature, and parts that move and grow. What aligns faces stays where it is.

    Args:
        points: ``(N, 68, 2)`` canonical.
        neutral: ``(N,)`` votes for neutral, whose caricatures could be something else.
    """
    count = len(points)
    strength = augment.uniform(count, LEAST_CARICATURE, MOST_CARICATURE)
    strength = strength * augment.chance(count, CARICATURED)
    strength = strength * torch.lerp(
        torch.ones(()), torch.tensor(NEUTRAL_CARICATURE), neutral
    )
    moves = (points - to_device(canonical_face(1))) * strength.reshape(-1, 1, 1)
    for part, shift, growth in MOVED_PARTS:
        own = points[:, part]
        moves[:, part] += torch.randn(count, 1, 2) * torch.tensor(shift)
        grown = torch.randn(count, 1, 2) * torch.tensor(growth)
        moves[:, part] += (own - own.mean(dim=1, keepdim=True)) * grown
    moves[:, list(RIGID)] = 0
    return moves


def spread_moves(moves: Tensor) -> Tensor:
    """Return ``(N, pixels, 2)`` how far each pixel of the appearance moves, pixels."""
    return torch.einsum("pk,nkd->npd", _near_points(), moves) * APPEARANCE_PX


@cache
def _near_points() -> Tensor:
    """Return ``(pixels, 68)`` how much of each point's move a pixel makes."""
    places = (torch.arange(APPEARANCE_PX) + 0.5) / APPEARANCE_PX
    y, x = torch.meshgrid(places, places, indexing="ij")
    pixels = torch.stack([x, y], dim=-1).reshape(-1, 2)
    away = torch.cdist(pixels, to_device(canonical_face(1)))
    near = torch.exp(-0.5 * (away / MOVED_NEAR) ** 2)
    return near / (near.sum(dim=1, keepdim=True) + STILL_WEIGHT)


def _jittered_frames(stretch: Tensor) -> Tensor:
    count = len(stretch)
    scale = torch.exp(torch.randn(count) * 0.06)
    turn = torch.deg2rad(torch.randn(count) * 5)
    center = torch.randn(count, 2) * 1.5 + STORED_PX / 2
    frames = augment.similarity(scale, turn, center, APPEARANCE_PX)
    middle = torch.tensor([0.0, 0.0, APPEARANCE_PX / 2])
    return (frames - middle) * stretch.transpose(1, 2) + middle
