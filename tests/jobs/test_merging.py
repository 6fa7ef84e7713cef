from dataclasses import replace

import numpy as np
import pytest

from i2i_cli.errors import ConfigError, WeightsError
from i2i_cli.jobs.retrieval.gallery import merge
from tests.jobs.test_gallery import gallery


def test_a_merge_holds_every_image_once() -> None:
    first = gallery("/photos/x", ("a/1.png", "a/2.png"))
    second = replace(gallery("/photos", ("x/a/2.png", "b/3.png")), content=np.full((2, 2), 9, np.float16))
    joined = merge([first, second])
    assert joined.facts.root == "/photos"
    assert list(joined.paths) == ["b/3.png", "x/a/1.png", "x/a/2.png"]
    assert joined.content[2].tolist() == [9, 9], "the later gallery's row counts"
    assert [joined.label(row) for row in range(3)] == ["b", "a", None]
    with pytest.raises(WeightsError, match="different weights"):
        merge([first, replace(second, facts=replace(second.facts, model="other"))])
    with pytest.raises(ConfigError, match="two"):
        merge([first])
