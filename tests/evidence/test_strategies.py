import json
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from benchmarks.strategies import HOMOGENEOUS, Cohort, homogeneous, trial, with_groups, with_shortcut
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from stratacam.errors import InputError
from stratacam.evidence.groups import MeasuredScans
from stratacam.evidence.regions.region_values import RegionValue
from stratacam.evidence.regions.scan_heat import OWN_CLASS
from stratacam.evidence.regions.template_space import template_grid
from stratacam.evidence.rows import read_rows
from stratacam.evidence.settings import EvidenceSettings
from stratacam.evidence.strategies.association import associations
from stratacam.evidence.strategies.cohort import Member
from stratacam.evidence.strategies.partition import partition_of
from stratacam.evidence.strategies.profiles import pooled, profiles_of
from stratacam.evidence.strategies.split import (
    bandwidth_of_one_mode,
    best_split,
    coordinates_of,
    p_of_one_cluster,
)
from stratacam.evidence.strategies.tables import analysed_layers, strategy_map_file, write_strategies
from stratacam.report.evidence.strategies import members_table, strategies_table
from stratacam.report.figure import Request, style
from stratacam.report.figures.strategies import strategies

RANDOM = np.random.default_rng(0)


def test_principal_coordinates_keep_the_distances_of_points():
    for shape in ((12, 40), (40, 12)):
        points = RANDOM.normal(size=shape)
        found = coordinates_of(points)
        distances = np.linalg.norm(points[:, None] - points, axis=2)
        np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=2), distances)
        assert (np.diff(found.var(axis=0)) <= 1e-12).all()


def test_the_best_split_has_the_largest_share_of_variance_between_its_parts():
    coordinates = coordinates_of(RANDOM.normal(size=(16, 2)))
    white = coordinates / coordinates.std(axis=0)
    slow = 0.0
    for angle in np.linspace(0, np.pi, 720):
        values = white @ (np.cos(angle), np.sin(angle))
        order = np.argsort(values)
        for cut in range(3, 14):
            parts = values[order[:cut]], values[order[cut:]]
            within = sum(((part - part.mean()) ** 2).sum() for part in parts)
            slow = max(slow, 1 - within / (values**2).sum())
    found = best_split(coordinates)
    assert found.separation == pytest.approx(slow, abs=0.02)
    assert 3 <= found.second.sum() <= 13


def test_a_split_is_found_across_coordinates():
    random = np.random.default_rng(1)
    inside = np.repeat([False, True], [24, 8])
    along = 3 * random.normal(size=32)
    points = np.stack([along + 9 * inside, -along], axis=1) + 0.7 * random.normal(size=(32, 2))
    coordinates = coordinates_of(points)
    assert adjusted_rand_score(inside, best_split(coordinates).second) == 1
    for values in coordinates.T:  # neither coordinate tells the parts apart
        assert adjusted_rand_score(inside, best_split(values[:, None]).second) < 0.8


def test_the_bandwidth_is_the_smallest_with_one_mode():
    values = np.concatenate([RANDOM.normal(size=16), RANDOM.normal(6, 1, size=4)])
    found = bandwidth_of_one_mode(values)
    places = np.linspace(-10, 16, 4000)

    def modes(bandwidth):
        density = stats.norm.pdf(places[:, None], values, bandwidth).sum(axis=1)
        return ((density[1:-1] > density[:-2]) & (density[1:-1] > density[2:])).sum()

    assert modes(1.02 * found) == 1 < modes(0.95 * found)
    assert bandwidth_of_one_mode(np.ones(5)) == 0


def test_an_even_cloud_is_no_two_clusters():
    # a normal cohort of the same spread is hardly ever split as well, so that alone it would be taken for two
    found = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        points = coordinates_of(random.normal(size=(30, 6)) * 0.1 + random.uniform(-1, 1, size=(30, 1)))
        found.append(p_of_one_cluster(points, best_split(points).separation, random))
    assert np.mean(np.array(found) <= 0.05) <= 0.15


@pytest.mark.parametrize("kind", HOMOGENEOUS)
def test_a_homogeneous_cohort_is_one_strategy(kind):
    found = [trial(homogeneous(kind, 20, seed), seed, draws=199)[0] for seed in range(40)]
    assert sum(number > 1 for number in found) <= stats.binom.ppf(0.99, 40, 0.05)


@pytest.mark.parametrize("subjects", [20, 38, 100])
def test_a_shortcut_in_a_fifth_of_the_subjects_is_found(subjects):
    kinds = ("one map and noise", "lesions of one's own", "one part varies, skewed", "left to right, even")
    cohorts = [homogeneous(kind, subjects, seed) for kind in kinds for seed in range(3)]
    found = [trial(with_shortcut(cohort, seed), seed, draws=199)[1] for seed, cohort in enumerate(cohorts)]
    assert sum(index >= 0.8 for index in found) >= len(found) - 1


def test_unbalanced_groups_whose_maps_differ_are_strategies_and_followed():
    cohort = with_groups(100, seed=0)
    found = cohort.divided(0)
    assert adjusted_rand_score(cohort.strategy, found.labels) >= 0.8
    assert min(found.stability) > 0.8
    known = {"group": [("RRMS", "SPMS")[one] for one in cohort.strategy], "age": list(map(str, range(100)))}
    p = associations(found.labels, known | {"site": ["A"] * 100, "sex": [""] * 100}, RANDOM)
    assert p["group"] == 1 / 2000
    assert {"site", "sex"}.isdisjoint(p)  # the one does not vary, the other is not known


def test_two_subjects_unlike_all_others_are_no_strategy():
    cohort = homogeneous("one map and noise", 38, seed=3)
    odd = cohort.maps.copy()
    odd[:2] = RANDOM.permutation(odd[0]), RANDOM.permutation(odd[1])
    assert Cohort(odd, cohort.strategy).divided(0).labels.max() == 1


def test_p_values_are_corrected_for_the_number_of_analyses():
    points = RANDOM.normal(size=(20, 5)) + np.repeat([0, 2], [14, 6])[:, None]
    one, many = (partition_of(points, analyses=analyses, seed=1).p for analyses in (1, 3))
    assert many == pytest.approx(min(3 * one, 1))
    assert one < 1


def test_associations_are_those_of_kruskal_and_of_chi_squared():
    strategy = np.repeat([1, 2], [12, 18])
    age = RANDOM.normal(size=30) + 0.8 * (strategy == 2)
    sex = RANDOM.choice(["f", "m"], size=30)
    sex[:8] = "f"
    found = associations(strategy, {"age": list(map(str, age)), "sex": list(sex)}, RANDOM)
    assert found["age"] == pytest.approx(stats.kruskal(age[:12], age[12:]).pvalue, abs=0.03)
    table = [[(sex[strategy == one] == word).sum() for word in "fm"] for one in (1, 2)]
    exact = stats.fisher_exact(table).pvalue
    assert found["sex"] == pytest.approx(exact, abs=0.04)


def test_cells_count_where_slices_reach_half_of_them():
    volume = np.arange(6 * 6 * 4, dtype=np.float32).reshape(6, 6, 4)
    volume[:3, :3, 1:3] = np.nan  # a third of the first cell is left
    found = pooled(volume, 4.0)
    assert found.shape == (8,)
    assert np.isnan(found[0])
    assert np.isnan(found[[1, 3, 5, 7]]).all()  # the box ends in these
    assert found[2] == pytest.approx(volume[:3, 3:, :3].mean())


def test_maps_are_compared_where_all_reach_and_blank_ones_are_left_out():
    cells = np.array([[1.0, 0, 2], [3, np.nan, 4], [0, 0, 0]])
    regions = np.array([[2.0, 1], [2, 1], [0, 0]])
    found = profiles_of(cells, regions)
    assert (found.cells, found.regions, found.lit.tolist()) == (2, 2, [True, True, False])
    cosine = (1 * 3 + 2 * 4) / np.sqrt(5 * 25)
    assert found.points[0] @ found.points[1] == pytest.approx((cosine + 1) / 2)
    np.testing.assert_allclose(np.linalg.norm(found.points, axis=1), 1)


KEY = ("SPMS", "gradcam", "block5_conv3")


@pytest.fixture
def written(tmp_path):
    """Twenty subjects of two groups, one of them blank, and a spot elsewhere in five; and who these are."""
    grid = template_grid(8.0)
    subjects = [f"sub-{number:02}" for number in range(20)]
    shortcut = set(subjects[3:8])
    where = np.stack(np.meshgrid(*(np.linspace(-1, 1, length) for length in grid.shape), indexing="ij"))

    def spot(*centre):
        return np.exp(-10 * ((where - np.array(centre)[:, None, None, None]) ** 2).sum(axis=0))

    templates, regions = {}, {}
    for number, subject in enumerate(subjects):
        random = np.random.default_rng(number)
        heat = spot(0, 0, 0.2) + 0.1 * random.random(grid.shape)
        if subject in shortcut:
            heat = heat + 2 * spot(0, -0.6, -0.5)
        heat *= subject != "sub-19"
        heat[:, :, :2] = np.nan  # no slices
        templates[subject] = tmp_path / f"{subject}_template.npz"
        np.savez(templates[subject], **{"/".join(KEY): heat.astype(np.float16)})
        means = heat[:, :, 2:].mean(axis=(0, 1))[:6]
        regions[subject] = [
            RegionValue(*KEY, f"region {one}", float(m), 1.0, 0.1) for one, m in enumerate(means)
        ]
    group_of = {subject: ("RRMS", "SPMS")[number % 2] for number, subject in enumerate(subjects)}
    measured = MeasuredScans({s: s for s in subjects}, group_of, regions, templates, KEY[:1])
    about = {subject: {"given": "SPMS", "run": "vgg16_seed-0"} for subject in subjects}
    people = {subject: {"site": "B" if subject in shortcut else "A"} for subject in subjects}
    write_strategies(
        measured, about, people, EvidenceSettings(voxel_mm=8.0), tmp_path, layers_of={KEY[1]: KEY[2:]}, seed=0
    )
    return tmp_path, shortcut


def test_strategies_are_written_with_members_and_what_they_follow(written):
    folder, shortcut = written
    (found,) = json.loads((folder / "strategies.json").read_text())["analyses"]
    assert (found["verdict"], found["without_heat"]) == ("several", ["sub-19"])
    first, second = found["strategies"]
    assert set(second["subjects"]) == shortcut
    assert first["groups"] == {"RRMS": 8, "SPMS": 6}
    assert found["follows"]["site"] < 0.01 < found["follows"]["group"]
    assert {"given", "run"}.isdisjoint(found["follows"])  # all alike
    members = {one.subject: one for one in read_rows(folder / "strategies.tsv", Member)}
    assert {one.strategy for name, one in members.items() if name in shortcut} == {2}
    assert members["sub-19"].strategy == 0
    assert all(one.likeness > one.other for one in members.values() if one.strategy)
    assert members["sub-00"].right == "no"
    mean = nibabel.load(folder / strategy_map_file(*KEY, 2))
    assert mean.shape == template_grid(8.0).shape
    assert np.isnan(np.asarray(mean.dataobj)[:, :, :2]).all()


def test_the_report_shows_members_typical_maps_and_what_strategies_follow(written):
    folder, shortcut = written
    content = SimpleNamespace(
        folder=folder, title="VGG16", strategies=json.loads((folder / "strategies.json").read_text())
    )
    (row,) = strategies_table(content).rows
    assert row[3] == "2 strategies, of 14 and 5 subjects"
    assert row[5].startswith("site (p ")
    members = members_table(content)
    assert set(members.rows[1][-1].split(", ")) == shortcut
    assert "Without any heat: sub-19." in members.note
    with style():
        figure = strategies(content, Request())
    words = [panel.get_ylabel() for panel in figure.figure.axes if panel.get_ylabel()]
    assert words[1].splitlines()[0] == "strategy 2, n = 5"


def test_fewer_than_ten_subjects_say_nothing(tmp_path):
    subjects = [f"sub-{number}" for number in range(4)]
    regions = {subject: [RegionValue(*KEY, "a", 1.0, 1.0, 1.0)] for subject in subjects}
    for subject in subjects:
        np.savez(tmp_path / f"{subject}.npz", **{"/".join(KEY): np.ones((6, 6, 6), np.float16)})
    templates = {subject: tmp_path / f"{subject}.npz" for subject in subjects}
    measured = MeasuredScans(
        {subject: subject for subject in subjects},
        dict.fromkeys(subjects, "RRMS"),
        regions,
        templates,
        KEY[:1],
    )
    about = {subject: {"given": "RRMS", "run": ""} for subject in subjects}
    write_strategies(measured, about, {}, EvidenceSettings(), tmp_path, layers_of={KEY[1]: KEY[2:]}, seed=0)
    (found,) = json.loads((tmp_path / "strategies.json").read_text())["analyses"]
    assert (found["verdict"], found["reason"]) == ("cannot say", "4 subjects with heat; 10 are needed")


def test_without_a_place_in_mni_space_nothing_is_sought_and_that_is_said(tmp_path):
    measured = MeasuredScans({"a": "sub-1"}, {"sub-1": "RRMS"}, {"a": []}, {}, (OWN_CLASS,))
    write_strategies(measured, {}, {}, EvidenceSettings(), tmp_path, layers_of={"gradcam": ("x",)}, seed=0)
    found = json.loads((tmp_path / "strategies.json").read_text())
    assert found["analyses"] == []
    assert "prepare.template = true" in found["statement"]
    assert strategies_table(SimpleNamespace(strategies=found)).otherwise == found["statement"]


def test_layers_are_those_recommended_else_the_last_of_each_of_the_last_blocks():
    layers = [f"block{block}_{name}" for block in range(1, 6) for name in ("conv1", "conv2", "pool")]
    pools = [layer for layer in layers if layer.endswith("pool")]
    settings = EvidenceSettings(methods=("gradcam", "layercam"))
    found = analysed_layers(settings, layers, pools, {"layercam": ("block2_conv1",)})
    assert found == {
        "gradcam": ("block3_conv2", "block4_conv2", "block5_conv2"),
        "layercam": ("block2_conv1",),
    }
    chosen = EvidenceSettings(methods=("gradcam",), strategy_layers=("block1_*",))
    assert analysed_layers(chosen, layers, pools, {}) == {"gradcam": tuple(layers[:3])}
    wrong = EvidenceSettings(strategy_layers=("conv9",))
    with pytest.raises(InputError, match=r"evidence.strategy_layers: found 'conv9'"):
        analysed_layers(wrong, layers, pools, {})
