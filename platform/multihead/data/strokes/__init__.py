"""Strokes of handwritten characters, measured from their pictures."""

from multihead.data.strokes.measure import COLUMNS as COLUMNS
from multihead.data.strokes.measure import UNITS as UNITS
from multihead.data.strokes.measure import measure_strokes as measure_strokes
