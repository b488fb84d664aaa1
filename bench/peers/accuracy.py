"""How close an engine's vectors are to the reference."""

from array import array
from math import sqrt
from operator import mul

# Below this mean cosine it is not the same model any more, and its speed means nothing.
LEAST_MEAN = 0.9


def cosines(vectors, reference, texts):
    """Mean and least cosine of `texts` vectors with the first ones of the reference; both are bytes of floats."""
    ours, theirs = array("f"), array("f")
    ours.frombytes(vectors)
    theirs.frombytes(reference)
    width = len(ours) // texts if texts else 0
    if not width or len(ours) != width * texts or len(theirs) < len(ours) or len(theirs) % width:
        raise ValueError(f"{len(ours)} numbers are no {texts} vectors like those of the reference")
    values = []
    for start in range(0, len(ours), width):
        a, b = ours[start : start + width], theirs[start : start + width]
        values.append(sum(map(mul, a, b)) / sqrt(sum(map(mul, a, a)) * sum(map(mul, b, b))))
    return sum(values) / len(values), min(values)
