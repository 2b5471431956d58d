from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from small_cohort import CLASSES, make_scans

from stratacam.errors import InputError
from stratacam.learning import PARTS, Split, SplitSettings, make_dataset, make_splits, write_split

groups = st.lists(st.integers(3, 40), min_size=2, max_size=4)
fractions = st.tuples(*[st.integers(1, 10)] * 3)


def labels_of(sizes):
    return {f"sub-{group}{i:02}": f"group{group}" for group, size in enumerate(sizes) for i in range(size)}


def one_split(labels, wanted=None, seed=0, **keywords):
    (split,) = make_splits(labels, SplitSettings(**(wanted or {"folds": 1})), seed=seed, **keywords)
    return split


def in_every_part(split, labels):
    return all(
        {labels[subject] for subject in getattr(split, part)} == set(labels.values()) for part in PARTS
    )


@given(groups, fractions, st.integers(0, 1000))
def test_every_subject_is_in_one_part_and_every_group_in_every_part(sizes, shares, seed):
    labels = labels_of(sizes)
    wanted = dict(zip(PARTS, (share / sum(shares) for share in shares), strict=True))
    split = one_split(labels, wanted, seed)
    assert sorted(split.train + split.validation + split.test) == sorted(labels)
    assert in_every_part(split, labels)


@given(groups, fractions)
def test_each_group_gets_its_fraction_of_each_part_to_within_one_subject_unless_a_part_would_be_empty(
    sizes, shares
):
    labels = labels_of(sizes)
    wanted = dict(zip(PARTS, (share / sum(shares) for share in shares), strict=True))
    split = one_split(labels, wanted)
    for group, size in Counter(labels.values()).items():
        if all(fraction * size >= 1 for fraction in wanted.values()):
            for part in PARTS:
                count = sum(labels[subject] == group for subject in getattr(split, part))
                assert abs(count - wanted[part] * size) < 1


def test_what_rounding_takes_from_a_part_in_one_group_it_gives_back_in_the_next():
    # 10 of each group want 7.5, 1 and 1.5: 8, 1, 1 for one group and 7, 1, 2 for the other, 15, 2, 3 together
    split = one_split(labels_of([10, 10]))
    assert [len(split.train), len(split.validation), len(split.test)] == [15, 2, 3]
    # 8 of each of three groups want 4.8, 1.2 and 2: together 14.4, 3.6 and 6
    split = one_split(labels_of([8, 8, 8]), {"train": 0.6, "validation": 0.15, "test": 0.25})
    assert [len(split.train), len(split.validation), len(split.test)] == [14, 4, 6]


@settings(max_examples=50, deadline=None)
@given(groups, st.integers(0, 1000))
def test_folds_hold_every_subject_out_once_and_have_every_group_in_every_part(sizes, seed):
    labels = labels_of(sizes)
    folds = make_splits(labels, seed=seed)
    assert len(folds) == min(5, *sizes)
    assert sorted(subject for fold in folds for subject in fold.test) == sorted(labels)
    for fold in folds:
        assert sorted(fold.train + fold.validation + fold.test) == sorted(labels)
        assert in_every_part(fold, labels)
        for group, size in Counter(labels.values()).items():
            held_out = sum(labels[subject] == group for subject in fold.test)
            assert abs(held_out - size / len(folds)) < 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 3, 4]))
def test_those_who_share_a_value_are_never_on_two_sides(seed, folds):
    labels = labels_of([14, 16])
    clusters = {subject: f"family{int(subject[-2:]) // 2}{labels[subject]}" for subject in list(labels)[:20]}
    for split in make_splits(labels, SplitSettings(folds=folds), seed=seed, clusters=clusters):
        part_of = split.part_of()
        sides = {}
        for subject, family in clusters.items():
            sides.setdefault(family, set()).add(part_of[subject])
        assert all(len(parts) == 1 for parts in sides.values())
        assert in_every_part(split, labels)


def test_a_column_with_too_few_values_for_the_folds_is_told():
    labels = labels_of([6, 6])
    sites = {subject: f"site{int(subject[-1]) % 2}" for subject in labels}
    with pytest.raises(InputError, match=r"split\.folds: found 5; .* at most 2 folds are possible"):
        make_splits(labels, SplitSettings(folds=5), seed=0, clusters=sites)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wanted", [{}, {"folds": 2}, {"folds": 3}, {"folds": 1}])
@pytest.mark.parametrize("kind", ["one pair", "one mixed pair", "six mixed sites"])
def test_relatives_and_sites_are_kept_together_whatever_the_folds(kind, wanted, seed):
    labels = labels_of([10, 10, 10])
    subjects = list(labels)
    clusters = {
        "one pair": {subjects[0]: "pair", subjects[1]: "pair"},
        "one mixed pair": {subjects[0]: "pair", subjects[15]: "pair"},
        "six mixed sites": {subject: f"site{number % 6}" for number, subject in enumerate(subjects)},
    }[kind]
    splits = make_splits(labels, SplitSettings(**wanted), seed=seed, clusters=clusters)
    assert len(splits) == wanted.get("folds", 5)
    if len(splits) > 1:
        assert sorted(subject for split in splits for subject in split.test) == sorted(labels)
    for split in splits:
        part_of = split.part_of()
        for cluster in set(clusters.values()):
            assert len({part_of[one] for one, of in clusters.items() if of == cluster}) == 1
        for part in (split.train, split.validation):
            assert {labels[subject] for subject in part} == set(labels.values())


def test_more_folds_than_the_smallest_group_has_subjects_are_refused_when_asked_for():
    with pytest.raises(InputError, match=r"found 99; the smallest group, group0, has 6 subjects.* at most 6"):
        make_splits(labels_of([6, 8]), SplitSettings(folds=99))


@pytest.mark.parametrize("wanted", [{"folds": 1}, {}])
def test_the_order_of_the_subjects_does_not_matter_and_the_seed_does(wanted):
    labels = labels_of([10, 12])
    turned = dict(reversed(list(labels.items())))
    settings = SplitSettings(**wanted)
    assert make_splits(labels, settings, seed=3) == make_splits(turned, settings, seed=3)
    assert make_splits(labels, settings, seed=3) != make_splits(labels, settings, seed=4)


@pytest.mark.parametrize(
    ("wanted", "folds"),
    [({}, 5), ({"test": 0.15}, 1), ({"unit": "slice"}, 1), ({"folds": 7}, 7), ({"folds": 1}, 1)],
)
def test_folds_are_five_unless_fractions_or_slices_are_asked_for(wanted, folds):
    assert SplitSettings(**wanted).maximum_folds == folds


def test_slices_at_random_put_one_person_on_both_sides_and_are_75_10_15(tmp_path):
    scans = make_scans(tmp_path, {f"sub-{i}": CLASSES[i % 2] for i in range(6)}, slices=20)
    dataset = make_dataset(scans, CLASSES)
    (split,) = make_splits({scan.subject: scan.group for scan in scans}, SplitSettings(unit="slice"), seed=1)
    rows = split.rows(dataset)
    assert [len(rows[part]) for part in PARTS] == [90, 12, 18]
    assert sorted(np.concatenate(list(rows.values()))) == list(range(120))
    train, test = dataset.take(rows["train"]), dataset.take(rows["test"])
    assert len(set(train.subjects) & set(test.subjects)) >= 5
    (other,) = make_splits({"a": "x", "b": "y"}, SplitSettings(unit="slice"), seed=2)
    assert not np.array_equal(other.rows(dataset)["test"], rows["test"])


def test_the_split_by_subject_gives_every_slice_the_part_of_its_subject(tmp_path):
    scans = make_scans(tmp_path, {f"sub-{i}": CLASSES[i % 2] for i in range(8)}, slices=3, sessions=2)
    dataset = make_dataset(scans, CLASSES)
    split = one_split({scan.subject: scan.group for scan in scans})
    rows = split.rows(dataset)
    for part in PARTS:
        found = dataset.take(rows[part])
        assert found.subjects == getattr(split, part)
        assert len(found.scans) == 2 * len(found.subjects)
        assert len(found) == 6 * len(found.subjects)


def write_table(path, header, rows):
    path.write_text("\n".join(["\t".join(header), *("\t".join(row) for row in rows)]) + "\n")
    return path


def test_a_table_of_parts_is_the_split(tmp_path):
    labels = labels_of([3, 3])
    parts = dict(zip(labels, ["train", "validation", "test"] * 2, strict=True))
    file = write_table(tmp_path / "split.tsv", ["subject", "part"], [*parts.items(), ("sub-else", "train")])
    (split,) = make_splits(labels, SplitSettings(table=file))
    assert split.part_of() == parts


def test_a_table_of_folds_says_who_is_held_out(tmp_path):
    labels = labels_of([6, 6])
    fold_of = {subject: str(number % 3 + 1) for number, subject in enumerate(labels)}
    file = write_table(
        tmp_path / "split.tsv",
        ["subject", "fold"],
        [(subject.removeprefix("sub-"), fold) for subject, fold in fold_of.items()],
    )
    folds = make_splits(labels, SplitSettings(table=file))
    for number, fold in enumerate(folds, start=1):
        assert set(fold.test) == {subject for subject, of in fold_of.items() if of == str(number)}
        assert in_every_part(fold, labels)


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (
            ["subject", "group"],
            [["sub-000", "a"]],
            "has the columns subject, group; expected subject, and part",
        ),
        (["subject", "part"], [["sub-000", "train"]], r"no row for sub-001, sub-002, sub-100"),
        (
            ["subject", "part"],
            [["sub-000", "trian"], ["001", "test"]],
            r"(?s)row 2, sub-000: part is 'trian'; expected train.*no row for sub-002",
        ),
        (["subject", "part"], [["sub-000", "train"], ["000", "test"]], r"row 3 names sub-000 again"),
        (["subject", "part"], [["sub-a", "train"], ["sub-A", "test"]], r"differ in more than case"),
        (
            ["subject", "part"],
            [[f"sub-{k}", "training"] for k in ("000", "001", "002", "100", "101", "102")],
            r"row 2, sub-000: part is 'training'; expected train, validation, test",
        ),
        (
            ["subject", "fold"],
            [[f"sub-{k}", "1"] for k in ("000", "001", "002", "100", "101", "102")],
            "found only 1; expected at least two folds",
        ),
    ],
)
def test_faults_of_a_table_are_told(tmp_path, header, rows, message):
    file = write_table(tmp_path / "split.tsv", header, rows)
    with pytest.raises(InputError, match=message):
        make_splits(labels_of([3, 3]), SplitSettings(table=file))


def test_a_table_that_leaves_a_group_out_of_a_part_is_told(tmp_path):
    labels = labels_of([3, 3])
    parts = ["train", "validation", "test", "train", "train", "test"]
    file = write_table(tmp_path / "split.tsv", ["subject", "part"], zip(labels, parts, strict=True))
    with pytest.raises(InputError, match="no subject of group1 came into the part for validation"):
        make_splits(labels, SplitSettings(table=file))


def test_a_group_of_two_subjects_is_named_with_its_size_and_the_remedy():
    with pytest.raises(InputError, match=r'"SPMS" has 1 usable subject \(sub-9\).*at least 3.*add subjects'):
        make_splits(labels_of([4, 4]) | {"sub-9": "SPMS"})


def test_a_single_group_cannot_be_split():
    with pytest.raises(InputError, match=r"found 1 group \(group0\).*at least 2.*add subjects"):
        make_splits(labels_of([9]))


def test_a_subject_on_two_sides_is_refused():
    with pytest.raises(AssertionError, match="two sides of the split: sub-1"):
        Split(train=("sub-1", "sub-2"), validation=("sub-3",), test=("sub-1",))


@pytest.mark.parametrize(
    "values",
    [
        {"train": 0.9},
        {"train": 0},
        {"trian": 0.75},
        {"unit": "slice", "folds": 5},
        {"unit": "slice", "group_by": "family"},
        {"table": "split.tsv", "folds": 3},
    ],
)
def test_settings_that_contradict_each_other_and_unknown_keys_are_refused(values):
    with pytest.raises(ValidationError):
        SplitSettings(**values)


def test_the_split_is_written_as_a_table_of_subjects_or_of_slices(tmp_path):
    scans = make_scans(tmp_path, {"sub-1": "control", "sub-2": "patient", "sub-3": "control"}, slices=2)
    dataset = make_dataset(scans, CLASSES)
    write_split(tmp_path / "split.tsv", Split(("sub-2",), ("sub-1",), ("sub-3",)), dataset)
    expected = (
        "subject\tgroup\tpart\nsub-1\tcontrol\tvalidation\nsub-2\tpatient\ttrain\nsub-3\tcontrol\ttest\n"
    )
    assert (tmp_path / "split.tsv").read_text() == expected
    (by_slice,) = make_splits({}, SplitSettings(unit="slice"))
    write_split(tmp_path / "slices.tsv", by_slice, dataset)
    lines = (tmp_path / "slices.tsv").read_text().splitlines()
    assert lines[0] == "subject\tscan\tslice\tgroup\tpart\twarning"
    assert len(lines) == 7
    assert {line.split("\t")[2] for line in lines[1:]} == {"10", "12"}
