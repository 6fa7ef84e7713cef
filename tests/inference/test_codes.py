import numpy as np
import pytest

from i2i_cli.inference.codes import FlatCodes, features


@pytest.mark.parametrize("by", ["descriptor", "content", "domain", "both"])
def test_features_are_unit_vectors_whose_products_are_cosines(by: str) -> None:
    random = np.random.default_rng(0)
    codes = FlatCodes(*(random.normal(size=(5, width)).astype(np.float16) for width in (12, 3, 7)))
    found = features(by, codes)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)

    def cosine(code: np.ndarray) -> float:
        a, b = code[:2].astype(np.float64)
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    wanted = {name: cosine(code) for name, code in codes._asdict().items()}
    wanted["both"] = (wanted["content"] + wanted["domain"]) / 2
    assert float(found[0] @ found[1]) == pytest.approx(wanted[by], abs=1e-5)
