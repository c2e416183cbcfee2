"""Strokes of handwritten characters, measured from their pictures."""

from multihead.datasets.strokes.measure import COLUMNS as COLUMNS
from multihead.datasets.strokes.measure import UNITS as UNITS
from multihead.datasets.strokes.measure import measure_strokes as measure_strokes
