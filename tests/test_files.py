"""Files that other programs read."""

import json
import math

import numpy as np

from stratacam.files import read_json, write_json


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_numbers_that_json_lacks_are_null(tmp_path):
    """`claims.json` held NaN, which strict readers refuse."""
    content = {"tests": ({"effect": math.nan, "low": np.float64("nan")}, [math.inf, 0.5, 1, True, None])}
    write_json(tmp_path / "claims.json", content)
    json.loads((tmp_path / "claims.json").read_text(), parse_constant=refuse)
    expected = {"tests": [{"effect": None, "low": None}, [None, 0.5, 1, True, None]]}
    assert read_json(tmp_path / "claims.json") == expected
