"""What codes are kept as: flat vectors in half precision."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class FlatCodes(NamedTuple):
    """Codes of an image, or of many in rows."""

    content: NDArray[np.floating]
    domain: NDArray[np.floating]
    descriptor: NDArray[np.floating]
