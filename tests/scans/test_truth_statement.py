"""What a data set says its classes differ by."""

import pytest

from stratacam.errors import InputError
from stratacam.scans.truth import read_statement


def write(tmp_path, text, data_set="truth"):
    path = tmp_path / "derivatives" / data_set / "truth.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_data_set_that_says_nothing_states_no_truth(tmp_path):
    assert read_statement(tmp_path) is None


def test_the_truth_of_a_class_is_a_list_of_labels(tmp_path):
    write(tmp_path, '{"control": [], "SPMS": ["lesion", "ventricle"]}')
    write(tmp_path, '{"SPMS": []}', data_set="later")
    found = read_statement(tmp_path)
    assert found.structures == {"SPMS": ()}  # the first in sorted order, as for masks
    (tmp_path / "derivatives/later/truth.json").unlink()
    found = read_statement(tmp_path)
    assert found.source == "derivatives/truth/truth.json"
    assert found.structures == {"control": (), "SPMS": ("lesion", "ventricle")}


@pytest.mark.parametrize("text", ["[]", "{", '{"SPMS": "lesion"}', '{"SPMS": [1]}', '{"SPMS": [""]}'])
def test_a_damaged_statement_is_named(tmp_path, text):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match="which structures are the truth") as fault:
        read_statement(tmp_path)
    assert str(fault.value).startswith(str(path))
