"""Baselines learn from the training subjects alone, and give each subject one honest probability."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from stratacam.errors import InputError
from stratacam.learning.baselines.logistic import Features, Protocol, logistic, majority, row_weights
from stratacam.learning.baselines.simple import Harmonise, age_and_sex, frozen_features, scan_baselines
from stratacam.learning.dataset import ScanPictures, SliceDataset
from stratacam.learning.evaluation.evaluate import evaluate_subjects

CLASSES = ("control", "RRMS", "SPMS")


def named(count):
    return tuple(f"sub-{number:02}" for number in range(count))


def in_folds(subjects, folds=3):
    """Every third subject is held out, and so on."""
    return [
        (tuple(one for k, one in enumerate(subjects) if k % folds != fold), subjects[fold::folds])
        for fold in range(folds)
    ]


def table(values, label, subject):
    values = np.asarray(values, dtype=float)
    return Features(named(values.shape[1]), values, np.asarray(label), np.asarray(subject))


def predict(features, subjects, folds, classes=2, **settings):
    protocol = Protocol(subjects, folds, range(classes), **settings)
    return logistic(features, protocol, name="x", title="x", permutations=0)


def made_up(seed, *, per_class=8, classes=2, distance=0.0, columns=4):
    """One row for each subject; each class stands out in a feature of its own by `distance` standard deviations."""
    generator = np.random.default_rng(seed)
    label = generator.permutation(np.repeat(np.arange(classes), per_class))
    values = generator.normal(size=(len(label), columns))
    values[np.arange(len(label)), label] += distance
    return table(values, label, named(len(label)))


def test_the_majority_is_the_shares_of_the_training_subjects_each_counted_once():
    subject = np.array(["a", "a", "a", "b", "c", "d", "d"])
    label = np.array([0, 0, 0, 1, 0, 1, 2])  # d is of class 1, as first seen
    folds = [("abd", "c"), ("ac", "bd"), ("bcd", "a")]
    given = majority(label, subject, Protocol("dcba", folds, range(3)))
    np.testing.assert_allclose(
        given.probabilities, [[1, 0, 0], [1 / 3, 2 / 3, 0], [1, 0, 0], [1 / 3, 2 / 3, 0]]
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_separable_classes_are_told_apart(classes):
    features = made_up(1, classes=classes, distance=12)
    subjects = named(len(features.label))
    found = predict(features, subjects, in_folds(subjects), classes)
    assert (found.probabilities.argmax(1) == features.label).all()
    np.testing.assert_allclose(found.probabilities.sum(1), 1)


def test_noise_is_predicted_at_chance():
    accuracies = []
    for draw in range(24):
        features = made_up(draw, per_class=9)
        subjects = named(18)
        found = predict(features, subjects, in_folds(subjects))
        accuracies.append(balanced_accuracy_score(features.label, found.probabilities.argmax(1)))
    error = np.std(accuracies) / np.sqrt(len(accuracies))
    assert abs(np.mean(accuracies) - 0.5) < 3 * error
    assert error < 0.05


def test_labels_and_features_of_test_subjects_change_nothing_for_the_others():
    features = made_up(5, per_class=12, distance=1)
    subjects = named(24)
    train, test = subjects[:18], subjects[18:]
    before = predict(features, test, [(train, test)])
    held_out = np.isin(features.subject, test[1:])
    values = np.where(held_out[:, None], 1e6, features.values)
    label = np.where(held_out, 1 - features.label, features.label)
    after = predict(table(values, label, features.subject), test, [(train, test)])
    assert np.array_equal(before.probabilities[0], after.probabilities[0])
    assert before.strengths == after.strengths


def test_it_equals_scikit_learn_with_the_strength_that_is_named():
    features = made_up(6, per_class=10, classes=3, distance=1)
    features.values[::7, 1] = np.nan
    subjects = named(30)
    folds = in_folds(subjects)
    found = predict(features, subjects, folds, 3)
    for (train, test), strength in zip(folds, found.strengths, strict=True):
        rows, others = np.isin(features.subject, train), np.isin(features.subject, test)
        model = make_pipeline(
            SimpleImputer(strategy="median"),
            StandardScaler(),
            LogisticRegression(C=strength, class_weight="balanced", max_iter=10000, tol=1e-8),
        ).fit(features.values[rows], features.label[rows])
        expected = model.predict_proba(features.values[others])
        np.testing.assert_allclose(found.probabilities[others], expected, atol=1e-4)


@pytest.mark.parametrize("distance", [0, 2, 8])
def test_the_strength_has_the_lowest_cross_entropy_of_scikit_learns_own_cross_validation(distance):
    features = made_up(13, per_class=9, distance=distance)
    subjects = named(18)
    train, test = subjects[:16], subjects[16:]
    values, label = features.values[:16], features.label[:16]
    losses = {}
    for strength in (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced"))
        inner = StratifiedKFold(3, shuffle=True, random_state=4)
        predicted = cross_val_predict(model, values, label, cv=inner, method="predict_proba")
        weights = compute_sample_weight("balanced", label)
        losses[strength] = log_loss(label, predicted, sample_weight=weights)
    found = predict(features, test, [(train, test)], seed=4)
    assert found.strengths == (min(losses, key=losses.get),)


def test_with_few_subjects_in_a_class_the_strength_is_fixed():
    features = made_up(7, per_class=7)
    subjects = named(14)
    label = features.label
    few = [*np.flatnonzero(label == 0)[:5], *np.flatnonzero(label == 1)[:6]]
    enough = [*np.flatnonzero(label == 0)[:6], *np.flatnonzero(label == 1)[:6]]
    test = (subjects[np.flatnonzero(label == 1)[6]],)
    for chosen, fixed in ((few, True), (enough, False)):
        train = tuple(subjects[number] for number in chosen)
        assert (predict(features, test, [(train, test)]).strengths == (1.0,)) == fixed


def test_a_missing_age_is_the_median_of_the_training_subjects():
    ages = np.array([20.0, 30, 31, 60, 70, np.nan, 31, 1000])
    subjects = named(8)
    features = table(ages[:, None], [0, 0, 1, 1, 1, 0, 1, 1], subjects)
    found = predict(features, subjects[5:], [(subjects[:5], subjects[5:])])
    # the median of 20, 30, 31, 60, 70
    assert np.array_equal(found.probabilities[0], found.probabilities[1])
    assert found.probabilities[2, 1] > found.probabilities[1, 1]


def test_classes_weigh_alike_and_so_do_subjects_of_a_class_however_many_slices():
    subject = np.array(list("aaabcc"))
    weights = row_weights(np.array([0, 0, 0, 0, 1, 1]), subject)
    np.testing.assert_allclose(weights, [0.25, 0.25, 0.25, 0.75, 0.75, 0.75])
    assert weights.sum() == pytest.approx(3)


def test_more_slices_of_the_same_do_not_change_the_model():
    features = made_up(8, per_class=8, distance=1)
    subjects = named(16)
    times = np.arange(16) % 5 + 1
    repeated = table(
        *(np.repeat(each, times, axis=0) for each in (features.values, features.label, subjects))
    )
    folds = [(subjects[:10], subjects[10:])]
    once = LogisticRegression(C=1.0, tol=1e-8, max_iter=10000).fit(
        StandardScaler()
        .fit(repeated.values[np.isin(repeated.subject, subjects[:10])])
        .transform(features.values[:10]),
        features.label[:10],
        sample_weight=row_weights(features.label[:10], np.array(subjects[:10])),
    )
    found = predict(repeated, subjects[10:], folds)
    assert found.strengths == (1.0,)
    scaler = StandardScaler().fit(repeated.values[np.isin(repeated.subject, subjects[:10])])
    expected = once.predict_proba(scaler.transform(features.values[10:]))
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-4)


def test_a_subject_is_the_mean_of_its_scans_in_the_group_of_the_first():
    features = made_up(9, per_class=5, distance=2)
    subjects = named(10)
    train, test = subjects[:8], subjects[8:]
    later = table(
        np.vstack([features.values, [[3, 0, 0, 0]], [[9, 9, 9, 9]]]),
        [*features.label, features.label[8], 1 - features.label[9]],
        [*subjects, subjects[8], subjects[9]],
    )
    found = predict(later, test, [(train, test)]).probabilities
    apart = table(later.values, later.label, [*subjects, "again", "changed"])
    alone = predict(apart, (*test, "again"), [(train, (*test, "again"))]).probabilities
    np.testing.assert_allclose(found[0], (alone[0] + alone[2]) / 2)
    np.testing.assert_allclose(found[1], alone[1])


def test_sessions_of_a_training_subject_train_and_of_a_test_subject_do_not():
    features = made_up(10, per_class=5, distance=1)
    subjects = named(10)
    train, test = subjects[:7], subjects[7:]
    extra = np.full((1, 4), 5.0)

    def with_session_of(number):
        return table(
            np.vstack([features.values, extra]),
            [*features.label, features.label[number]],
            [*subjects, subjects[number]],
        )

    plain = predict(features, test, [(train, test)]).probabilities
    assert np.array_equal(predict(with_session_of(9), test, [(train, test)]).probabilities[:2], plain[:2])
    assert not np.allclose(predict(with_session_of(0), test, [(train, test)]).probabilities[:2], plain[:2])


def test_a_class_that_no_training_subject_has_gets_nothing():
    features = made_up(11, per_class=4)
    subjects = named(8)
    found = predict(features, subjects, in_folds(subjects, 2), classes=3)
    assert (found.probabilities[:, 2] == 0).all()


def test_folds_that_mix_or_forget_subjects_are_refused():
    features = made_up(12, per_class=4)
    subjects = named(8)
    with pytest.raises(AssertionError, match="on two sides"):
        predict(features, subjects[5:], [(subjects[:6], subjects[5:])])
    with pytest.raises(AssertionError, match="exactly once"):
        predict(features, subjects, [(subjects[:6], subjects[6:])])
    one = tuple(np.array(subjects)[features.label == 0])
    rest = tuple(np.array(subjects)[features.label == 1])
    with pytest.raises(InputError, match="fold 1: found 4 training subjects, all of one group"):
        predict(features, rest, [(one, rest)])


def cohort(groups):
    return [
        ScanPictures(Path(), name, name, group)
        for name, group in zip(named(len(groups)), groups, strict=True)
    ]


def measured(scans, **columns):
    return {
        scan.scan: {name: float(values[number]) for name, values in columns.items()}
        for number, scan in enumerate(scans)
    }


def test_each_baseline_sees_its_own_features():
    groups = ["control", "RRMS"] * 6
    scans = cohort(groups)
    label = np.array([CLASSES.index(group) for group in groups])
    noise = np.random.default_rng(0).normal(size=(5, 12))
    people = {scan.scan: {"age": "40", "sex": "F"} for scan in scans}

    def right(**columns):
        measures = measured(
            scans,
            **{
                "T1w_p05": noise[0],
                "T1w_p50": noise[1],
                "brain_ml": noise[2],
                "ventricle_ml": noise[3],
                "t1_dark_ml": noise[4],
            }
            | columns,
        )
        subjects = named(12)
        made, left_out = scan_baselines(
            scans,
            Protocol(subjects, in_folds(subjects), CLASSES),
            people=people,
            measures=measures,
        )
        assert not left_out
        right = {one.name for one in made if (one.probabilities.argmax(1) == label).all()}
        return right - {"all_measures"}

    assert right(T1w_p50=9.0 * label) == {"intensity"}
    assert right(ventricle_ml=9.0 * label) == {"volume"}
    assert right(t1_dark_ml=9.0 * label) == {"lesion_load"}
    people = {
        scan.scan: {"age": str(30 + 20 * number) + "+"} for scan, number in zip(scans, label, strict=True)
    }
    assert right() == {"age_sex"}


def test_measures_of_scans_are_harmonised_and_age_is_not():
    scans = cohort(["control", "RRMS"] * 12)
    site = {scan.scan: "AB"[number // 2 % 2] for number, scan in enumerate(scans)}
    random = np.random.default_rng(0)
    shift = [3.0 * (site[scan.scan] == "B") for scan in scans]
    columns = ("T1w_p50", "T1w_p95", "brain_ml", "ventricle_ml", "flair_hyperintense_ml", "t1_dark_ml")
    measures = measured(scans, **{name: random.normal(shift) for name in columns})
    people = {scan.scan: {"age": str(30 + number)} for number, scan in enumerate(scans)}
    protocol = Protocol(named(24), in_folds(named(24)), CLASSES)

    def made(**more):
        found, _ = scan_baselines(scans, protocol, people=people, measures=measures, **more)
        return {one.name: one for one in found}

    plain, ours = made(), made(harmonise=Harmonise("site", site))
    same = {name for name in plain if np.array_equal(plain[name].probabilities, ours[name].probabilities)}
    assert same == {"majority", "age_sex"}
    titled = {name for name, one in ours.items() if one.title.endswith("harmonised by site (ComBat)")}
    assert titled == {"intensity", "volume", "lesion_load", "all_measures"}


def test_without_age_and_sex_that_baseline_is_left_out_with_a_reason():
    scans = cohort(["control", "RRMS"] * 4)
    subjects = named(8)
    made, left_out = scan_baselines(
        scans,
        Protocol(subjects, in_folds(subjects), CLASSES),
        people={"sub-00": {"age": "unknown", "sex": "O"}},
        measures=measured(
            scans, T1w_p50=range(8), brain_ml=range(8), ventricle_ml=range(8), t1_dark_ml=range(8)
        ),
    )
    assert [one.name for one in made] == ["majority", "intensity", "volume", "lesion_load", "all_measures"]
    assert left_out == {"age_sex": "no table of the cohort gives an age or a sex that can be read"}


def test_age_and_sex_are_read_as_bids_writes_them():
    assert age_and_sex({"age": "89+", "sex": "MALE"}) == {"age": 89, "sex": 1}
    assert age_and_sex({"age": "nan", "sex": "f"}) == {"sex": 0}
    assert age_and_sex({}) == {}


def test_frozen_features_of_a_scan_are_the_mean_over_its_slices():
    generator = np.random.default_rng(3)
    subject = np.repeat(np.arange(12), 5)
    label = subject % 2
    features = generator.normal(size=(60, 20)).astype(np.float32)
    features[:, 0] += 1.5 * label  # one slice tells little, five tell more
    empty = np.zeros(60, dtype=np.int64)
    dataset = SliceDataset((), CLASSES[:2], named(12), subject, empty, empty, label, subject)
    protocol = Protocol(named(12), in_folds(named(12)), CLASSES[:2])
    found = frozen_features(dataset, features, protocol)
    means = table(features.reshape(12, 5, 20).mean(1), np.arange(12) % 2, named(12))
    expected = logistic(means, protocol, name="x", title="x")
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
    assert (found.probabilities.argmax(1) == np.arange(12) % 2).mean() > 0.7


def test_more_features_than_subjects_give_what_scikit_learn_gives():
    features = made_up(6, per_class=6, distance=1, columns=40)
    subjects = named(12)
    train, test = subjects[:9], subjects[9:]
    found = predict(features, test, [(train, test)])
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=1.0, class_weight="balanced", max_iter=10000, tol=1e-8)
    ).fit(features.values[:9], features.label[:9])
    assert found.strengths == (1.0,)
    np.testing.assert_allclose(found.probabilities, model.predict_proba(features.values[9:]), atol=1e-4)


def test_permuted_groups_are_learned_as_the_true_ones_are():
    features = made_up(3, per_class=8, distance=1)
    subjects = named(16)
    folds = in_folds(subjects, 4)
    found = logistic(
        features, Protocol(subjects, folds, range(2)), name="x", title="x", permutations=3
    ).permuted
    for label, probabilities in zip(found.label, found.probabilities, strict=True):
        for _, test in folds:  # every fold holds out as many of each group
            places = [subjects.index(one) for one in test]
            assert sorted(label[places]) == sorted(features.label[places])
        again = predict(table(features.values, label, subjects), subjects, folds)
        np.testing.assert_allclose(probabilities, again.probabilities, atol=1e-6)


def test_p_values_of_pooled_folds_by_training_again_hold_their_level():
    subjects = named(12)
    folds = in_folds(subjects, 3)
    small = {"balanced_accuracy": 0, "macro_auroc": 0}
    for draw in range(60):
        features = made_up(draw, per_class=6, columns=2)
        protocol = Protocol(subjects, folds, range(2))
        one = logistic(features, protocol, name="x", title="x", permutations=19)
        evaluation = evaluate_subjects(
            subjects, features.label, one.probabilities, ("a", "b"), folds=3, permuted=one.permuted
        )
        for name in small:
            small[name] += getattr(evaluation.subjects, name).p_value <= 0.2
    # of 60, a fifth is 12; 20 or more have a probability of 0.9 %
    assert max(small.values()) < 20
