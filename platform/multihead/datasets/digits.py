"""The 1,797 handwritten digits of 8x8 pixels in scikit-learn, without a download.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI repository.
"""

from pathlib import Path

import numpy as np

from multihead.data.source import Source, Split
from multihead.datasets.mnist import MIRRORED
from multihead.heads import Head, Heads

TEST_COUNT = 360
# The digits have no published split. This split is fixed and does not depend on the run's seed.
_SPLIT_SEED = 1797


def digits(data_dir: Path, split: Split) -> Source:
    """Return 1,437 training or 360 test images of 1x8x8 with the head `digit`.

    Args:
        data_dir: Not used, as scikit-learn contains the images.
        split: `train` or `test`; drawn once with a fixed seed.
    """
    del data_dir
    from sklearn.datasets import load_digits  # slow to import

    pixels, labels = load_digits(return_X_y=True)
    # A pixel is the number of dark bits in a 4x4 block, 0 to 16.
    images = np.round(pixels * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(images))
    index = np.sort(order[:TEST_COUNT] if split == "test" else order[TEST_COUNT:])
    return Source(
        name="digits",
        images=images[index],
        labels={"digit": labels[index].astype(np.int64)},
        heads=Heads([Head("digit", 10)]),
        mean=(0.3053,),
        std=(0.3760,),
        shipped_heads="handwritten_digit",
        breaks={"digit": MIRRORED},
    )
