"""Draw a small folder of pictures with a table of labels.

python make_leaves.py leaves

`leaves/labels.csv` has one row per picture: `species` is a class, `length` a number with missing
values, `marks` are tags, and `plant` is the group of leaves from one plant.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

SIDE = 48
LOBES = {"birch": (0, 0.0), "oak": (9, 0.16), "maple": (5, 0.38)}
MARKS = ("spots", "hole", "dry")


def draw(
    species: str, length: float, marks: list[str], hue: int, rng: np.random.Generator
) -> Image.Image:
    """Return a picture of a leaf with a random rotation; `length` is in cm, 4 to 12."""
    count, depth = LOBES[species]
    angles = np.linspace(0, 2 * np.pi, 90)
    radius = (1 + depth * np.cos(count * angles)) / (1 + depth) * length / 12 * 0.46 * SIDE
    along, across = radius * np.cos(angles), 0.75 * radius * np.sin(angles)
    turn = rng.uniform(0, 2 * np.pi)
    x = SIDE / 2 + along * np.cos(turn) - across * np.sin(turn)
    y = SIDE / 2 + along * np.sin(turn) + across * np.cos(turn)
    colour = (150, 105, 50) if "dry" in marks else (40 + hue, 120 + hue, 45)
    paper = (236, 232, 222)
    picture = Image.new("RGB", (SIDE, SIDE), paper)
    pen = ImageDraw.Draw(picture)
    pen.polygon([*zip(x.tolist(), y.tolist(), strict=True)], fill=colour)
    for mark, number, size, fill in (("spots", 6, 1.5, (70, 40, 20)), ("hole", 1, 4.0, paper)):
        for _ in range(number if mark in marks else 0):
            left, top = SIDE / 2 + rng.uniform(-0.35, 0.35, 2) * radius.min() * 1.5
            pen.ellipse((left - size, top - size, left + size, top + size), fill=fill)
    noisy = np.asarray(picture) + rng.normal(0, 6, (SIDE, SIDE, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def write(folder: Path, plants: int = 75, seed: int = 0) -> None:
    """Write four leaves per plant; a fifth of the lengths are missing."""
    rng = np.random.default_rng(seed)
    (folder / "pictures").mkdir(parents=True)
    rows = []
    for plant in range(plants):
        species, hue = str(rng.choice([*LOBES])), int(rng.integers(0, 40))
        for leaf in range(4):
            length = round(float(rng.uniform(4, 12)), 1)
            marks = [mark for mark in MARKS if rng.random() < 0.3]
            name = f"plant{plant:02}_{leaf}.png"
            draw(species, length, marks, hue, rng).save(folder / "pictures" / name)
            measured = f"{length} cm" if rng.random() > 0.2 else ""
            tags = "|".join(marks)
            rows.append((name, species, measured, tags, f"plant {plant}"))
    columns = ["file_name", "species", "length", "marks", "plant"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "labels.csv", index=False)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
    print(f"wrote {sys.argv[1]}/labels.csv and 300 pictures")
