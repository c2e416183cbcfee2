"""Transforms of training images, one file each.

To add a transform, write a subclass of `Alteration` or `Mixture` and name it as `_target_` in
`data.augment`; see docs/data.md.
"""

from multihead.data.transforms.augmentation import Augmentation
from multihead.data.transforms.colour import Colour
from multihead.data.transforms.crop import Crop
from multihead.data.transforms.cutmix import CutMix
from multihead.data.transforms.erase import Erase
from multihead.data.transforms.flips import HorizontalFlip, VerticalFlip
from multihead.data.transforms.mixup import MixUp
from multihead.data.transforms.rand_augment import RandAugment
from multihead.data.transforms.rotate import Rotate
from multihead.data.transforms.scale import Scale
from multihead.data.transforms.shift import Shift
from multihead.data.transforms.transform import (
    CHANGES,
    TRANSFORMS,
    Alteration,
    Mixed,
    Mixture,
    Pictures,
    Transform,
)

__all__ = [
    "CHANGES",
    "TRANSFORMS",
    "Alteration",
    "Augmentation",
    "Colour",
    "Crop",
    "CutMix",
    "Erase",
    "HorizontalFlip",
    "MixUp",
    "Mixed",
    "Mixture",
    "Pictures",
    "RandAugment",
    "Rotate",
    "Scale",
    "Shift",
    "Transform",
    "VerticalFlip",
]
