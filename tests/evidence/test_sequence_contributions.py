"""What each sequence contributes: the values of scans, whose sequences stand in, and the means by class."""

from itertools import permutations
from math import factorial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from evidence_cases import disc
from scipy import ndimage
from torch import nn

from stratacam.evidence.counterfactual.fall import margin
from stratacam.evidence.inference import mean_interval
from stratacam.evidence.inference.jackknife import jackknife
from stratacam.evidence.rows import read_rows, write_rows
from stratacam.evidence.scan import read_slices
from stratacam.evidence.sequences.by_class import ALL, SequenceSummary, sequences_by_class, shares
from stratacam.evidence.sequences.exchange import Exchange, donors_for, read_exchanges
from stratacam.evidence.sequences.shapley import coalitions, shapley_values
from stratacam.evidence.sequences.values import SequenceValue, sequence_values, worth_of_coalitions
from stratacam.files import write_json
from stratacam.networks import ModelCard, build
from stratacam.report.evidence.sequences import sequences_table
from stratacam.report.figure import Request
from stratacam.report.figures.sequences import sequences as sequences_figure
from stratacam.scans.prepared import PreparedScan
from stratacam.scans.slices import slice_areas, write_slices_table
from stratacam.scans.volume import write_nifti

SEQUENCES = ("T1w", "T2w", "FLAIR")
SIZE = 32
BRAIN = disc(SIZE, SIZE, 14)


# The values


@pytest.mark.parametrize("players", [1, 2, 3, 4, 6])
def test_shapley_values_are_the_mean_of_what_a_player_adds_over_all_orders(players):
    worth = np.random.default_rng(players).normal(size=(2**players, 2))
    place = {one: number for number, one in enumerate(coalitions(players))}
    slow = np.zeros((players, 2))
    for order in permutations(range(players)):
        for number, player in enumerate(order):
            before, after = (tuple(sorted(order[:end])) for end in (number, number + 1))
            slow[player] += worth[place[after]] - worth[place[before]]
    found = shapley_values(worth)
    np.testing.assert_allclose(found, slow / factorial(players), atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=0), worth[-1] - worth[0], atol=1e-12)


def test_a_worth_is_needed_for_every_set():
    with pytest.raises(ValueError, match="found 6 coalitions; expected a power of two"):
        shapley_values(np.zeros(6))


def tissue(random, *, sick, lesions_on=2, count=4):
    """Slices (count, 3, rows, columns) of plain tissue; the sick have bright lesions on one sequence."""
    images = 0.5 + 0.05 * ndimage.gaussian_filter(random.normal(size=(count, 3, SIZE, SIZE)), (0, 0, 1, 1))
    images += 0.03 * random.normal(size=(1, 3, 1, 1))  # scans differ in brightness
    lesions = np.zeros((count, SIZE, SIZE))
    for index in range(count):
        for row, column in random.integers(9, SIZE - 9, size=(random.integers(4, 9) if sick else 1, 2)):
            lesions[index, row - 1 : row + 1, column - 1 : column + 1] = 1
    images[:, lesions_on] += 0.4 * ndimage.gaussian_filter(lesions, (0, 0.6, 0.6))
    return (images * BRAIN).clip(0, 1).astype(np.float32)


def everywhere(images):
    """A brain that fills the pictures."""
    return np.ones((len(images), *images.shape[2:]), dtype=bool)


def exchanges_of(scans, groups, *, channels=SEQUENCES, count=4, seed=0):
    """Each scan with donors of the other group."""
    random = np.random.default_rng(seed)
    for images, group in zip(scans, groups, strict=True):
        chosen = random.permutation(np.flatnonzero(groups != group))[:count]
        turns = [chosen[place % count] for place in range(len(images))]
        donated = np.stack([scans[turn][place] for place, turn in enumerate(turns)])
        yield Exchange(channels, images, donated, everywhere(images), tuple(f"sub-{turn}" for turn in turns))


def values_of(model, exchange):
    """Mean over slices of the values (sequences, classes)."""
    return shapley_values(worth_of_coalitions(model, exchange)).mean(axis=1)


class ReadsBright(nn.Module):
    """Its second class is how much of one channel is bright; all logits rise with the first channel."""

    def __init__(self, channel=2):
        super().__init__()
        self.channel = channel
        self.scale = nn.Parameter(torch.tensor(0.2))

    def forward(self, images):
        bright = self.scale * torch.relu(images[:, self.channel] - 0.75).sum(dim=(1, 2))
        everything = images[:, 0].mean(dim=(1, 2))
        return torch.stack([everything - bright, everything + bright], dim=1)


def trained_network(lesions_on):
    """A network trained for some seconds on 40 scans."""
    torch.manual_seed(0)
    random = np.random.default_rng(1)
    images = np.concatenate(
        [tissue(random, sick=sick, lesions_on=lesions_on) for _ in range(40) for sick in (False, True)]
    )
    pictures, labels = torch.from_numpy(images), torch.arange(2).repeat_interleave(4).repeat(40)
    model = build("small_cnn", 2, weights="none")
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(6):
        for rows in torch.randperm(len(pictures)).split(32):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(pictures[rows]), labels[rows]).backward()
            optimiser.step()
    return model.eval()


@pytest.mark.parametrize(("kind", "lesions_on"), [("made by hand", 0), ("made by hand", 2), ("trained", 2)])
def test_the_sequence_with_the_lesions_has_the_credit_and_values_add_up(kind, lesions_on):
    model = ReadsBright(lesions_on).eval() if kind == "made by hand" else trained_network(lesions_on)
    random = np.random.default_rng(2)
    groups = np.arange(40) % 2
    scans = [tissue(random, sick=bool(group), lesions_on=lesions_on) for group in groups]
    shares_found = []
    for exchange in exchanges_of(scans, groups):
        with torch.inference_mode():
            own, donated = (
                model(torch.from_numpy(pictures)).double().numpy()
                for pictures in (exchange.own, exchange.donated)
            )
        target = int(own.mean(axis=0).argmax())
        values = values_of(model, exchange)[:, target]
        apart = margin(own, target).mean() - margin(donated, target).mean()
        assert values.sum() == pytest.approx(apart, abs=1e-5)
        shares_found.append(shares(values[None])[0, lesions_on])
    assert np.mean(np.array(shares_found) >= 0.8) >= 0.95


def test_what_raises_all_logits_alike_has_no_credit():
    scans = [tissue(np.random.default_rng(seed), sick=bool(seed)) for seed in (0, 1)]
    (exchange, _) = exchanges_of(scans, np.arange(2), count=1)
    values = values_of(ReadsBright(2).eval(), exchange)
    np.testing.assert_allclose(values[:2], 0, atol=1e-6)  # though the first channel moves each logit
    assert abs(values[2, 1]) > 0.1
    np.testing.assert_allclose(values[:, 0], -values[:, 1], atol=1e-6)


def test_all_channels_of_a_sequence_are_exchanged_together():
    random = np.random.default_rng(0)
    own, donated = random.random((2, 3, 3, 4, 4)).astype(np.float32)
    exchange = Exchange(("T1w", "FLAIR", "T1w"), own, donated, everywhere(own), ("sub-1", "sub-2", "sub-1"))
    assert exchange.sequences == ("T1w", "FLAIR")
    mixed = exchange.with_own(["T1w"])
    np.testing.assert_array_equal(mixed[:, [0, 2]], own[:, [0, 2]])
    np.testing.assert_array_equal(mixed[:, 1], donated[:, 1])
    np.testing.assert_array_equal(exchange.with_own([]), donated)
    np.testing.assert_array_equal(exchange.with_own(["FLAIR", "T1w"]), own)


def test_the_network_runs_once_for_each_slice_and_set_of_sequences():
    seen = []
    model = ReadsBright().eval()
    model.register_forward_hook(lambda _module, given, _result: seen.append(len(given[0])))
    scans = [tissue(np.random.default_rng(seed), sick=bool(seed)) for seed in (0, 1)]
    (exchange, _) = exchanges_of(scans, np.arange(2), count=1)
    sequence_values(model, [exchange], ("well", "sick"))
    assert sum(seen) == 8 * 4


def test_rows_are_means_over_the_slices_of_a_donor_and_come_back_from_a_table(tmp_path):
    own, donated = np.random.default_rng(0).random((2, 3, 3, 8, 8)).astype(np.float32)
    exchange = Exchange(SEQUENCES, own, donated, everywhere(own), ("sub-1", "sub-2", "sub-1"))
    model = ReadsBright().eval()
    rows = sequence_values(model, [exchange], ("well", "sick"))
    by_slice = shapley_values(worth_of_coalitions(model, exchange))
    expected = {"sub-1": (by_slice[2, [0, 2], 1].mean(), 2), "sub-2": (by_slice[2, 1, 1], 1)}
    found = {row.donor: row for row in rows if (row.sequence, row.of_class) == ("FLAIR", "sick")}
    assert len(rows) == 3 * 2 * 2
    for donor, (value, slices) in expected.items():
        assert found[donor].value == pytest.approx(value)
        assert found[donor].slices == slices
    write_rows(tmp_path / "rows.tsv", rows, SequenceValue)
    again = read_rows(tmp_path / "rows.tsv", SequenceValue)
    assert [row[:3] for row in again] == [row[:3] for row in rows]


def test_a_network_that_sees_the_brain_alone_is_given_that_of_the_scan():
    own, donated = np.random.default_rng(0).random((2, 2, 3, 32, 32)).astype(np.float32)
    brain = np.tile(BRAIN, (2, 1, 1))
    model = build("small_cnn", 2, weights="none", brain="features").eval()
    found = worth_of_coalitions(model, Exchange(SEQUENCES, own, donated, brain, ("sub-1", "sub-2")))
    changed = [np.where(brain[:, None], pictures, 0.5).astype(np.float32) for pictures in (own, donated)]
    np.testing.assert_array_equal(
        worth_of_coalitions(model, Exchange(SEQUENCES, *changed, brain, ("sub-1", "sub-2"))), found
    )


# Who stands in


def prepared(folder, subject):
    """A prepared scan of random numbers on every sequence."""
    scan, affine = PreparedScan(folder, subject, None, SEQUENCES), np.eye(4)
    random = np.random.default_rng(int(subject))
    shape = (20, 22, 9)
    for sequence in SEQUENCES:
        write_nifti(scan.image(sequence), random.random(shape, dtype=np.float32), affine)
    brain = np.ones(shape, dtype=bool)
    write_nifti(scan.brain_mask, brain, affine)
    write_slices_table(scan.slices_table, slice_areas(brain, affine), np.arange(1, 8), affine, shape)
    delivered = {sequence: str(scan.image(sequence)) for sequence in SEQUENCES}
    write_json(
        scan.record, {"Sequences": SEQUENCES, "Delivered": delivered, "BrainWidthHeight": [20.0, 22.0]}
    )
    return scan


def card_of(*sequences, channels="sequences"):
    picture = {"sequences": list(sequences), "size": 32, "width_mm": 32.0, "part": [0, 1]}
    return ModelCard(
        architecture="vgg16", classes=("a", "b"), input=picture | {"channels": channels}, training={}
    )


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    return [prepared(folder, subject) for subject in ("01", "02", "03")]


def exchanges_read(card, scans, count):
    slices = read_slices(card, scans[0])
    sampled = slices.some(count)
    return sampled, read_exchanges(sampled, slices, card, scans[0], scans[1:])


def test_donors_take_turns_at_the_levels_of_the_slices(scans):
    card = card_of("FLAIR", "T1w")
    sampled, (exchange,) = exchanges_read(card, scans, 3)
    assert exchange.channels == ("FLAIR", "T1w", "FLAIR")
    assert exchange.donors == ("sub-02", "sub-03", "sub-02")
    np.testing.assert_array_equal(exchange.own, sampled.images)
    for place, donor in enumerate((scans[1], scans[2], scans[1])):
        level = sampled.geometry.slices[place]
        flair = donor.load().images[0] if donor.sequences[0] == "FLAIR" else donor.load().images[2]
        values = set(np.unique(flair[:, :, level].astype(np.float16)))
        shown = exchange.donated[place, 0][exchange.donated[place, 0] > 0]
        assert set(np.unique(shown.astype(np.float16))) <= values


@pytest.mark.parametrize("channels", ["each", "neighbours"])
def test_where_each_sequence_is_a_picture_its_value_is_that_of_its_own_pictures(scans, channels):
    card = card_of("T1w", "FLAIR", channels=channels)
    _, exchanges = exchanges_read(card, scans, 4)
    assert [exchange.sequences for exchange in exchanges] == [("T1w",), ("FLAIR",)]
    model = ReadsBright().eval()
    rows = sequence_values(model, exchanges, ("a", "b"))
    for exchange in exchanges:
        with torch.inference_mode():
            own, donated = (
                margin(model(torch.from_numpy(one)).double().numpy(), 1)
                for one in (exchange.own, exchange.donated)
            )
        found = [row for row in rows if (row.of_class, row.sequence) == ("b", exchange.sequences[0])]
        value = sum(row.value * row.slices for row in found) / sum(row.slices for row in found)
        assert value == pytest.approx((own - donated).mean() / 2, abs=1e-6)


def test_nobody_stands_in_where_there_is_nobody(scans):
    card = card_of("FLAIR")
    assert exchanges_read(card, scans[:1], 3)[1] == ()
    assert sequence_values(ReadsBright().eval(), (), ("a", "b")) == []


def test_donors_are_of_other_classes_in_turn():
    by_group = {"MS": ["m1", "m2"], "control": ["c1", "c2", "c3"], "other": ["o1"]}
    assert donors_for("MS", by_group, 3) == ("c1", "o1", "c2")
    assert donors_for("MS", by_group, 9) == ("c1", "o1", "c2", "c3")
    assert donors_for("control", by_group, 2) == ("m1", "o1")
    assert donors_for("MS", {"MS": ["m1"]}, 4) == ()


# Over subjects


def rows_of(values, donors, *, of_class="sick"):
    """Rows of one scan: values (donors, sequences)."""
    return [
        SequenceValue(of_class, sequence, donor, float(value), 2)
        for sequence, column in zip(SEQUENCES, np.transpose(values), strict=True)
        for donor, value in zip(donors, column, strict=True)
    ]


def test_means_are_over_subjects_by_the_class_explained():
    scans = {
        "sub-1_ses-1": rows_of([[1.0, 0.0, 3.0]], ["sub-8"])
        + rows_of([[9.0, 9.0, 9.0]], ["sub-8"], of_class="well"),
        "sub-1_ses-2": rows_of([[1.0, 0.0, 5.0]], ["sub-9"]),
        "sub-2": rows_of([[0.0, 0.0, 2.0], [-2.0, 0.0, 2.0]], ["sub-8", "sub-9"]),
        "sub-3": rows_of([[7.0, 7.0, 7.0]], ["sub-1"], of_class="well"),
        "sub-4": [],
    }
    explained = dict.fromkeys(scans, "sick") | {"sub-3": "well"}
    found = sequences_by_class(scans, explained, {name: name[:5] for name in scans})
    assert [(one.explained, one.sequence) for one in found] == [
        *(("sick", name) for name in (*SEQUENCES, ALL)),
        *(("well", name) for name in (*SEQUENCES, ALL)),
    ]
    assert [one.value for one in found[:4]] == [0.0, 0.0, 3.0, 3.0]  # of (1, 0, 4) and (-1, 0, 2)
    assert found[2].share == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert (found[0].subjects, found[0].donors, found[4].subjects) == (2, 2, 1)
    assert np.isnan(found[4].low)  # of one subject there is no interval
    assert found[2].low < 3 < found[2].high
    assert 0 <= found[2].share_low < found[2].share < found[2].share_high <= 1
    assert np.isnan(found[3].share)


def test_of_a_network_that_reads_nothing_no_sequence_has_a_share():
    np.testing.assert_array_equal(shares(np.zeros((2, 3))), 0)
    (first, *_) = sequences_by_class(
        {"sub-1": rows_of(np.zeros((1, 3)), ["sub-2"])}, {"sub-1": "sick"}, {"sub-1": "sub-1"}
    )
    assert isinstance(first, SequenceSummary)
    assert (first.value, first.share) == (0, 0)


def slow_jackknife(subjects, others, values, score):
    """Means without each person in turn, and their standard error, by doing it all again."""
    subjects, others = np.array(subjects), np.array(others)

    def mean_of(kept):
        names = sorted(set(subjects[kept]))
        return score(np.stack([values[kept & (subjects == name)].mean(axis=0) for name in names])).mean(
            axis=0
        )

    means = [mean_of(subjects != name) for name in sorted(set(subjects))]
    means += [mean_of(others != name) for name in sorted(set(others))]
    return np.sqrt(np.var(means, axis=0) * (len(means) - 1))


@pytest.mark.parametrize("score", [lambda values: values, shares])
def test_one_person_is_left_out_at_a_time_as_subject_and_as_the_other(score):
    random = np.random.default_rng(0)
    subjects, others = zip(
        *[(one, other) for one in "abcde" for other in random.permutation([*"vwxyz"])[:3]], strict=True
    )
    subjects, others = (*subjects, "f"), (*others, "z")  # whose only value goes with z
    values = random.normal(size=(len(subjects), 2)) + 1
    mean, low, high = jackknife(subjects, others, values, np.full(len(subjects), 0.5), score)
    reach = 2.7764451 * slow_jackknife(
        subjects, others, values, score
    )  # Student's t with 4 degrees of freedom
    np.testing.assert_allclose(high - mean, reach, rtol=1e-6)
    np.testing.assert_allclose(mean - low, reach, rtol=1e-6)


def test_without_two_people_on_either_side_there_is_no_interval():
    for subjects, others in (("aab", "vvv"), ("aaa", "vwx")):
        values = np.arange(6.0).reshape(3, 2)
        mean, low, high = jackknife(list(subjects), list(others), values, np.ones(3), lambda one: one)
        assert not np.isnan(mean).any()
        assert np.isnan([low, high]).all()


@pytest.mark.parametrize(
    ("subjects", "donors", "effect"),
    [(10, 10, 0.0), (20, 20, 2.0), (26, 12, 0.0), (12, 26, 2.0), (30, 8, 0.0)],
)
def test_intervals_cover_though_subjects_share_donors_and_students_do_not(subjects, donors, effect):
    random, trials = np.random.default_rng(subjects + donors), 300
    covered = {"jackknife": 0, "student": 0}
    for _ in range(trials):
        of_subjects, of_donors = effect + random.normal(size=subjects), random.normal(size=donors)
        subject = np.repeat(np.arange(subjects), 4)
        donor = np.concatenate([random.permutation(donors)[:4] for _ in range(subjects)])
        values = of_subjects[subject] - of_donors[donor] + 0.3 * random.normal(size=len(subject))
        _, low, high = jackknife(subject, donor, values[:, None], np.ones(len(subject)), lambda one: one)
        covered["jackknife"] += bool(low[0] <= effect <= high[0])
        low, high = mean_interval(values.reshape(subjects, 4).mean(axis=1))
        covered["student"] += low <= effect <= high
    assert covered["jackknife"] >= 0.94 * trials
    assert covered["student"] <= 0.93 * trials


# The report


def summaries():
    scans = {
        f"sub-{number}": rows_of(
            np.random.default_rng(number).normal([0, 0.2, 3], 0.3, size=(2, 3)), ["sub-8", "sub-9"]
        )
        for number in range(4)
    }
    scans["sub-7"] = rows_of([[0.5, 0.5, -1.0]], ["sub-1"], of_class="well")
    explained = dict.fromkeys(scans, "sick") | {"sub-7": "well"}
    return tuple(sequences_by_class(scans, explained, {name: name for name in scans}))


def content(found):
    return SimpleNamespace(sequences=found, title="VGG16")


def test_the_report_has_a_row_and_a_bar_for_each_sequence_and_class():
    found = summaries()
    table = sequences_table(content(found))
    assert [row[:2] for row in table.rows] == [(one.explained, one.sequence) for one in found]
    flair, everything = table.rows[2], table.rows[3]
    assert flair[2] == f"{found[2].value:.2f} ({found[2].low:.2f} to {found[2].high:.2f})"
    assert flair[4] == "4; 2"
    assert everything[3] == "-"
    figure = sequences_figure(content(found), Request())
    (axes,) = figure.figure.axes
    heights = [
        bar.get_height() for bars in axes.containers if hasattr(bars, "patches") for bar in bars.patches
    ]
    assert heights == pytest.approx([found[place].value for place in (0, 4, 1, 5, 2, 6)])
    assert [label.get_text().split(",")[0] for label in axes.get_xticklabels()] == ["sick", "well"]


def test_the_report_shows_nothing_of_sequences_that_were_not_measured():
    assert sequences_table(content(())) is None
    assert sequences_figure(content(()), Request()) is None
