import pytest

from stratacam.errors import InputError
from stratacam.evidence.covariates import covariates_of

SUBJECTS = ["a", "b", "c"]


def people(**columns):
    return {name: {key: words[n] for key, words in columns.items()} for n, name in enumerate(SUBJECTS)}


def test_every_column_of_a_covariate_has_its_name_and_what_is_the_same_in_everybody_is_left_out():
    found = people(age=["30", "40", "50"], site=["x", "y", "z"], sex=["F", "F", "F"], field=["3", "3", "3"])
    names, values = covariates_of(found, SUBJECTS, ["age", "site", "sex", "field"])
    assert names == ("age", "site", "site")
    assert values.tolist() == [[30, 0, 0], [40, 1, 0], [50, 0, 1]]
    assert covariates_of(found, SUBJECTS, ["sex"]) == ((), None)


def test_a_covariate_that_is_not_a_number_is_missing_before_anything_is_measured():
    found = people(age=["30", "nan", "inf"], sex=["F", "M", "F"])
    assert covariates_of(found, SUBJECTS, None) == ((), None)
    with pytest.raises(InputError, match="b, c lacks age"):
        covariates_of(found, SUBJECTS, ["age"])


def test_numbers_of_sites_are_words_and_other_numbers_are_not():
    found = people(site=["1", "3", "2"], dose=["1", "3", "2"])
    names, values = covariates_of(found, SUBJECTS, ["site", "dose"])
    assert names == ("site", "site", "dose")
    assert values.tolist() == [[0, 0, 1], [0, 1, 3], [1, 0, 2]]
