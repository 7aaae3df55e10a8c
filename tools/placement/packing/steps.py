"""The points of a gain: the published sigmoid, cut to whole points, as the gains at which each point is reached.

Read by `deciding` and `scoring`. A table instead of an exponential: two ways of working out a score agree to the last.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from tools.placement.packing.demands import WHOLE
from tools.placement.packing.weights import CERTAIN

POINTS: Final = 100
STEPS: Final = np.array(
    [math.ceil(WHOLE * CERTAIN * math.log(point / (POINTS - point))) for point in range(1, POINTS)], dtype=np.int64
)
"""The least gain, in milli-GPU times `CERTAIN`, that has 1, 2, … points: 100 / (1 + exp(-gain)) in whole devices."""
