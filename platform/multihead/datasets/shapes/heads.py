"""The heads of shapes."""

from multihead.datasets.shapes.plan import CLASSES, Plan
from multihead.heads import KINDS, Head, Heads
from multihead.heads.kinds.angle import Angle


def heads_of(plan: Plan) -> Heads:
    """Return the heads of a plan's pictures."""
    made = {
        "shape": Head("shape", len(CLASSES), CLASSES),
        "orientation": Head("orientation", kind=Angle(plan.period)),
        "hue": Head("hue", kind=Angle(360)),
        "filled": Head("filled", 2, ("no", "yes"), kind=KINDS["binary"]),
        "marked": Head("marked", 2, ("no", "yes"), kind=KINDS["binary"]),
    }
    return Heads(made.get(name) or Head(name, kind=KINDS["regression"]) for name in plan.heads)
