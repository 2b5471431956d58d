from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stratacam.errors import InputError
from stratacam.learning import PARTS, Split, SplitSettings, split_subjects, write_split

groups = st.lists(st.integers(3, 40), min_size=2, max_size=4)
fractions = st.tuples(*[st.integers(1, 10)] * 3)


def labels_of(sizes):
    return {f"sub-{group}{i:02}": f"group{group}" for group, size in enumerate(sizes) for i in range(size)}


@given(groups, fractions, st.integers(0, 1000))
def test_every_subject_is_in_one_part_and_every_group_in_every_part(sizes, shares, seed):
    labels = labels_of(sizes)
    train, validation, test = (share / sum(shares) for share in shares)
    settings = SplitSettings(train=train, validation=validation, test=test)
    split = split_subjects(labels, settings, seed=seed)
    assert sorted(split.train + split.validation + split.test) == sorted(labels)
    for part in PARTS:
        assert {labels[subject] for subject in getattr(split, part)} == set(labels.values())


@given(groups, fractions)
def test_each_group_gets_its_fraction_of_each_part_to_within_one_subject_unless_a_part_would_be_empty(
    sizes, shares
):
    labels = labels_of(sizes)
    wanted = dict(zip(PARTS, (share / sum(shares) for share in shares), strict=True))
    split = split_subjects(labels, SplitSettings(**wanted))
    for group, size in Counter(labels.values()).items():
        if all(fraction * size >= 1 for fraction in wanted.values()):
            for part in PARTS:
                count = sum(labels[subject] == group for subject in getattr(split, part))
                assert abs(count - wanted[part] * size) < 1


def test_what_rounding_takes_from_a_part_in_one_group_it_gives_back_in_the_next():
    # 10 of each group want 7.5, 1 and 1.5: 8, 1, 1 for one group and 7, 1, 2 for the other, 15, 2, 3 together
    split = split_subjects(labels_of([10, 10]))
    assert [len(split.train), len(split.validation), len(split.test)] == [15, 2, 3]
    # 8 of each of three groups want 4.8, 1.2 and 2: together 14.4, 3.6 and 6
    split = split_subjects(labels_of([8, 8, 8]), SplitSettings(train=0.6, validation=0.15, test=0.25))
    assert [len(split.train), len(split.validation), len(split.test)] == [14, 4, 6]


def test_the_order_of_the_subjects_does_not_matter_and_the_seed_does():
    labels = labels_of([10, 12])
    reversed_labels = dict(reversed(list(labels.items())))
    assert split_subjects(labels, seed=3) == split_subjects(reversed_labels, seed=3)
    assert split_subjects(labels, seed=3) != split_subjects(labels, seed=4)


def test_a_group_of_two_subjects_is_named_with_its_size_and_the_remedy():
    with pytest.raises(InputError, match=r'"SPMS" has 1 usable subject \(sub-9\).*at least 3.*Remedy'):
        split_subjects(labels_of([4, 4]) | {"sub-9": "SPMS"})


def test_a_single_group_cannot_be_split():
    with pytest.raises(InputError, match=r"found 1 group \(group0\).*at least 2.*Remedy"):
        split_subjects(labels_of([9]))


def test_a_subject_on_two_sides_is_refused():
    with pytest.raises(AssertionError, match="two sides of the split: sub-1"):
        Split(train=("sub-1", "sub-2"), validation=("sub-3",), test=("sub-1",))


@pytest.mark.parametrize("values", [{"train": 0.9}, {"train": 0}, {"trian": 0.75}])
def test_fractions_that_do_not_add_up_and_unknown_keys_are_refused(values):
    with pytest.raises(ValidationError):
        SplitSettings(**values)


def test_the_split_is_written_as_a_table(tmp_path):
    split = Split(train=("sub-2",), validation=("sub-1",), test=("sub-3",))
    write_split(tmp_path / "split.tsv", split, {"sub-1": "a", "sub-2": "b", "sub-3": "a"})
    expected = "subject\tgroup\tpart\nsub-1\ta\tvalidation\nsub-2\tb\ttrain\nsub-3\ta\ttest\n"
    assert (tmp_path / "split.tsv").read_text() == expected
