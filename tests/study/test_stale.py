"""Nothing that a step reads can change without the step being done again, and nothing else is done again.

One tiny study is done once, watched: which files each step opens and which code runs in it. Then every setting that
there is, every file that was opened, and every module that ran is changed in turn, and the study is asked what it would
do again.
"""

import gzip
import io
import os
import pkgutil
import re
import shutil
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import nibabel
import numpy as np
import pytest
from pydantic import BaseModel
from rich.console import Console

import stratacam
import stratacam.study.execution
from stratacam.errors import InputError
from stratacam.files import read_json
from stratacam.report import refresh_report
from stratacam.report.content.evidence import evidence_folders
from stratacam.scans.sequences import SEQUENCES, MRSequence
from stratacam.scans.volume import write_nifti
from stratacam.source_code import code_of
from stratacam.study import cache as cache_module
from stratacam.study import network_check
from stratacam.study.cache import Cache
from stratacam.study.configuration import StudyConfiguration, read_configuration
from stratacam.study.execution import SerialExecutor, Workers
from stratacam.study.folders import StudyFolders
from stratacam.study.run import measure_evidence, run_study
from stratacam.study.steps import explain, prepare, train
from stratacam.study.steps.prepare import Prepare
from stratacam.study.study import STEPS
from stratacam.study.training import Training
from stratacam.study.work import Work

pytestmark = (
    pytest.mark.long
)  # a study that is watched, and a hundred that are asked what they would do again

STUDY = """\
name = "stale"
out = "study"
[cohort]
input = "cohort"
sequences = ["T1w", "FLAIR"]
[pictures]
size = 32
every = 4
[network]
architecture = "nets.py:make"
[split]
folds = 1
[training]
epochs = 1
frozen = ["body1"]
[explain]
every = 4
subjects = "all"
nifti_layers = ["body2"]
[run]
workers = 1
[evidence]
methods = ["gradcam"]
layers = ["body2"]
every = 4
slices = 1
sanity_slices = 1
sanity_draws = 1
fractions = [0.3]
controls = 1
strangers = 2
donors = 2
surrogates = 3
untrained = 2
permutations = 2
atlas = "atlas.nii.gz"
covariates = ["age"]
"""

NETS = """\
from pathlib import Path
import torch
from blocks import block

def make(classes, seed):
    model = torch.nn.Sequential()
    for name, module in (
        ("body1", block(3)), ("body2", block(8)), ("gap", torch.nn.AdaptiveAvgPool2d(1)), ("flat", torch.nn.Flatten()),
        ("classifier", torch.nn.Linear(8, classes)),
    ):
        model.add_module(name, module)
    scale = float((Path(__file__).parent / "weights.txt").read_text())
    torch.nn.init.constant_(model[0][0].bias, scale)
    return model
"""
BLOCKS = """\
from torch import nn

def block(channels):
    return nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
"""

EXECUTION = [module.name for module in pkgutil.iter_modules(stratacam.study.execution.__path__)]

MAKES = {
    "prepare": {"pictures", "measures", "surroundings", "truth", "explain", "evidence"},
    "pictures": {"activations", "train", "evaluate", "baselines"},
    "activations": {"train"},
    "train": {"evaluate", "explain", "evidence"},
    "measures": {"baselines"},
    "surroundings": {"confounds"},
    "evaluate": {"comparison", "confounds"},
    "baselines": {"comparison"},
    "truth": {"evidence"},
    "evidence": {"evidence tables", "recommend"},
    "evidence tables": {"recommend"},
}
"""What each step makes is read by these."""

NOT_OF_RESULTS = {
    "stratacam",
    "stratacam.interruption",
    *("stratacam.study.execution", *(f"stratacam.study.execution.{name}" for name in EXECUTION)),
    "stratacam.study.progress",
}
"""Modules that say where and how work is done."""


def after(*steps):
    """Steps, and all that read what they make; the report always."""
    found = {*steps, "report"}
    while more := {next_ for step in found for next_ in MAKES.get(step, ())} - found:
        found |= more
    return found


PREPARE, PICTURES, TRAIN, EXPLAIN = (after(step) for step in ("prepare", "pictures", "train", "explain"))
FROZEN, EVIDENCE, TABLES = (after(step) for step in ("activations", "evidence", "evidence tables"))
CHECK = PREPARE | {"check"}
REPORT = {"report"}
NEW_MODEL = "there is no such model yet, so that nothing is known of what comes after its training"

SETTINGS = {
    "name": ("other", REPORT),
    "out": None,  # another study
    "seed": (1, NEW_MODEL),
    "repeats": (2, FROZEN - {"explain", "confounds"}),
    "cohort.input": ("cohort_copied", set()),
    "cohort.prepared": ("elsewhere", {"prepare", NEW_MODEL}),
    "cohort.sequences": (("T1w",), CHECK),
    "cohort.choose": ({"T1w": {}}, REPORT),
    "cohort.group_column": ("other_group", FROZEN | after("truth") | {"baselines"}),
    "cohort.groups": (("control", "RRMS"), TRAIN | {"baselines", "sample_size"}),
    "prepare.grid": (6.0, PREPARE),
    "prepare.plane": ("coronal", PREPARE),
    "prepare.slice_area_fraction": (0.1, PREPARE),
    "prepare.intensity": ("percentiles", PREPARE),
    "prepare.full_scale": ({"T1w": 1.7}, PREPARE),
    "prepare.full_scale_other": (3.1, PREPARE),
    "prepare.template": (False, PREPARE),
    "prepare.seed": (1, PREPARE),
    "pictures.size": (64, PICTURES),
    "pictures.width_mm": (220.0, PICTURES),
    "pictures.margin_mm": (3.0, PICTURES),
    "pictures.every": (5, PICTURES),
    "pictures.part": ((0.1, 0.9), PICTURES),
    "pictures.sequences": (("T1w",), PICTURES),
    "pictures.channels": ("each", PICTURES),
    "pictures.dimensions": None,  # other networks, which start from other weights
    "network.architecture": (
        ("nets.py:make", "small_cnn"),
        TRAIN - {"explain", "confounds", "recommend"} | {NEW_MODEL},
    ),
    "network.weights": ("none", REPORT),  # as by default, for a network of one's own
    "network.head": ("classifier", FROZEN),
    "network.brain": None,  # only for networks of this package
    "network.fusion": ("late", NEW_MODEL),
    "split.unit": ("slice", FROZEN | {"baselines", "sample_size"}),
    "split.folds": (3, NEW_MODEL),
    "split.train": None,  # with the others: they add up to 1
    "split.validation": None,
    "split.test": None,
    "split.repeats": ("same", REPORT),  # as long as there is one seed
    "split.group_by": ("family", FROZEN | {"baselines"}),
    "split.table": ("split.tsv", TRAIN | {"baselines"}),
    "training.frozen": ((), TRAIN),
    "training.cache_activations": (False, TRAIN),
    "training.copies": (2, FROZEN),
    **{f"training.augmentation.{name}": (0.07, FROZEN) for name in (
        "rotation", "translation", "scaling", "flip", "gamma", "bias_field", "noise"
    )},
    "training.epochs": (2, TRAIN),
    "training.patience": (2, TRAIN),
    "training.batch_size": (8, TRAIN),
    "training.body_rate": (0.01, TRAIN),
    "training.head_rate": (0.01, TRAIN),
    "training.warm_up": (0.2, TRAIN),
    "training.weight_decay": (0.02, TRAIN),
    "training.clip_norm": (4.0, TRAIN),
    "training.balance": ("none", TRAIN),
    "training.label_smoothing": (0.1, TRAIN),
    "training.relevance": (1.0, FROZEN),
    "training.relevance_mask": ("lesion", REPORT),  # as long as its weight is 0
    "training.relevance_layer": ("body2", REPORT),
    "training.relevance_method": ("gradcam", REPORT),
    "explain.target": ("all", EXPLAIN),
    "explain.sequence": None,  # only where each sequence is a picture
    "explain.models": ("all", REPORT),  # as long as there is one seed
    "explain.layers": (("last",), EXPLAIN),
    "explain.method": ("layercam", EXPLAIN),
    "explain.smooth": (2, EXPLAIN),
    "explain.every": (5, EXPLAIN),
    "explain.nifti_layers": (("body1",), EXPLAIN),
    "explain.dtype": ("float16", EXPLAIN),
    "explain.keep_members": (True, EXPLAIN),
    "explain.nifti_scans": (("FLAIR",), EXPLAIN),
    "explain.batch_size": (4, EXPLAIN),
    "explain.subjects": ("test", REPORT | {"evidence tables", "recommend"}),
    "run.workers": (2, set()),
    "run.on": ("serial", set()),
    "run.threads": (2, set()),
    "run.scheduler": None,  # only on a cluster
    "run.cluster": None,
    "run.retries": (0, set()),
    "run.time_limit_h": ({"prepare": 1}, set()),
    "run.device": ("cpu:0", FROZEN - REPORT),
    "run.precision": ("fast", FROZEN - REPORT),
    "run.accept_left_out": (True, set()),
    "confounds.columns": (("note",), {"confounds"} | REPORT),
    "confounds.harmonise": ("family", {"baselines", "comparison"} | REPORT),
    "confounds.keep_groups": None,  # only where something is harmonised
    "evidence.networks": (("single",), TABLES),  # as long as there is one seed
    "evidence.methods": (("layercam",), EVIDENCE),
    "evidence.target": ("RRMS", EVIDENCE),
    "evidence.layers": (("body1",), EVIDENCE),
    "evidence.fused": (("body1.2+body2.2",), EVIDENCE | {"sample_size"}),
    "evidence.every": (5, EVIDENCE),
    "evidence.slices": (2, EVIDENCE),
    "evidence.sanity_slices": (0, EVIDENCE),
    "evidence.fractions": ((0.4,), EVIDENCE),
    "evidence.cascade": (False, EVIDENCE),
    "evidence.independent": (True, EVIDENCE),
    "evidence.sanity_draws": (2, EVIDENCE),
    "evidence.controls": (2, EVIDENCE),
    "evidence.strangers": (1, EVIDENCE),
    "evidence.donors": (1, EVIDENCE),
    "evidence.deletion": (True, EVIDENCE),
    "evidence.group_class": ("control", EVIDENCE),
    "evidence.surrogates": (20, EVIDENCE),
    "evidence.untrained": (1, EVIDENCE),
    "evidence.truth": ({"RRMS": ("ventricle",)}, after("truth")),
    "evidence.filled": (("hottest",), EVIDENCE),
    "evidence.filling": ("imputation", EVIDENCE),
    "evidence.atlas": (None, EVIDENCE),
    "evidence.voxel_mm": (5.0, EVIDENCE),
    "evidence.group_layers": (("body2",), TABLES),
    "evidence.strategy_layers": (("body2",), TABLES),
    "evidence.covariates": ((), TABLES),
    "evidence.permutations": (3, TABLES),
    "evidence.batch_size": (16, EVIDENCE),
}  # fmt: skip


def leaves(section, prefix=""):
    """Names of all settings that there are."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def changed(configuration, name, value):
    """A configuration with another value, its paths in the folder of the study."""
    if name in {"cohort.input", "cohort.prepared", "split.table"}:
        value = configuration.out.parent / value
    if name == "network.architecture":
        value = [f"{configuration.out.parent / value[0]}", *value[1:]]
    content = configuration.model_dump()
    place = content
    *sections, last = name.split(".")
    for section in sections:
        place = place[section]
    place[last] = value
    if name == "network.fusion":  # layers have other names
        content["training"]["frozen"] = ["*.body1"]
        content["explain"]["nifti_layers"] = content["evidence"]["layers"] = ["*.body2"]
    if name in {"split.table", "split.unit"}:
        content["split"]["folds"] = None
    return StudyConfiguration.model_validate(content)


class Watched:
    """Which files are opened and which code runs in each step."""

    def __init__(self):
        self.step, self.opened, self.ran, self.entries = None, {}, {}, {}

    @contextmanager
    def task(self, task):
        """Watch a task while it is done: all that it opens, and which code the first of its kind runs."""
        kind = type(task)

        def profile(frame, event, _argument):
            if event == "call" and frame.f_code.co_name not in {"<module>", "<listcomp>", "<genexpr>"}:
                self.ran[kind].add(frame.f_code.co_filename)

        self.opened.setdefault(kind, set())
        self.step = kind
        if kind not in self.ran:
            self.ran[kind] = set()
            self.entries[kind] = getattr(task, "entries", frozenset())
            sys.setprofile(profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            self.step = None

    def open(self, event, arguments):
        if event == "open" and self.step and isinstance(arguments[0], (str, bytes)):
            self.opened[self.step].add(Path(str(arguments[0])))


@pytest.fixture(scope="module")
def study(copy_cohort, tmp_path_factory):
    """A study that has been done while it was watched: its folder, configuration and what was seen."""
    folder = tmp_path_factory.mktemp("stale")
    cohort = copy_cohort(folder / "cohort", control=3, RRMS=3)
    with_sessions(cohort)
    add_columns(cohort, folder / "split.tsv")
    shutil.copytree(cohort, folder / "cohort_copied")
    (folder / "study.toml").write_text(STUDY)
    (folder / "nets.py").write_text(NETS)
    (folder / "blocks.py").write_text(BLOCKS)
    (folder / "weights.txt").write_text("0.1")
    labels = np.ones((20, 20, 20), np.int16)
    labels[10:] = 2
    write_nifti(
        folder / "atlas.nii.gz", labels, nibabel.affines.from_matvec(np.eye(3) * 10, [-100, -120, -80])
    )
    (folder / "atlas.tsv").write_text("index\tname\n1\tleft\n2\tright\n")
    configuration = read_configuration(folder / "study.toml")
    seen = Watched()
    sys.addaudithook(seen.open)
    with pytest.MonkeyPatch.context() as patch:
        plain = Cache.entry
        watched = set()

        def entry(self, task, **more):
            if type(task) not in watched:
                watched.add(type(task))
                do = type(task).do

                def watching(self, *arguments):
                    with seen.task(self):
                        return do(self, *arguments)

                patch.setattr(type(task), "do", watching)
            return plain(self, task, **more)

        patch.setattr(Cache, "entry", entry)
        finish(configuration)
    return types.SimpleNamespace(folder=folder, configuration=configuration, seen=seen)


def finish(configuration, force=()):
    """Do the study, its evidence and its report as the commands do."""
    console = Console(quiet=True)
    refresh_report(run_study(configuration, console, force=force).folders, console)
    refresh_report(measure_evidence(configuration, console).folders, console)


def with_sessions(cohort):
    """Give the first subject a session, with a table of sessions."""
    for anat in list(cohort.rglob("sub-01/anat")):
        target = anat.parent / "ses-a" / "anat"
        target.mkdir(parents=True)
        for file in anat.iterdir():
            file.rename(target / file.name.replace("sub-01_", "sub-01_ses-a_"))
        anat.rmdir()
    (cohort / "sub-01/sub-01_sessions.tsv").write_text("session_id\tage\tnote\nses-a\t40\tx\n")


def add_columns(cohort, split):
    """Give other groups, families, something that nobody asks for, and a table of a split."""
    head, *rows = (cohort / "participants.tsv").read_text().splitlines()
    place, parts = head.split("\t").index("group"), ["validation", "test", "train"]
    seen, table = {"control": 0, "RRMS": 0}, ["subject\tpart"]
    for number, row in enumerate(rows):
        cells = row.split("\t")
        count, seen[cells[place]] = seen[cells[place]], seen[cells[place]] + 1
        other = "control" if (cells[place] == "RRMS") != (count == 0) else "RRMS"
        rows[number] = f"{row}\t{other}\tfamily-{count}\tx"
        table.append(f"{cells[0]}\t{parts[count]}")
    (cohort / "participants.tsv").write_text("\n".join([f"{head}\tother_group\tfamily\tnote", *rows]) + "\n")
    split.write_text("\n".join(table) + "\n")


def again(configuration, force=()):
    """The steps that would be done again, found without doing them."""
    found = set()

    def do(self, step, entries, cache=None, *, networks=False):  # noqa: ARG001
        if any(not (cache or self.cache).is_done(step, name, one) for name, one in entries.items()):
            found.add(step.removesuffix(" make_seed-0").split(" make-")[0])
        return set(entries)

    def once(self, step, task, *, item="study", do=None):  # noqa: ARG001
        entry = task if isinstance(task, cache_module.Entry) else self.cache.entry(task)
        if not self.cache.is_done(step, item, entry):
            found.add(step)

    def is_done(self, step, item, entry):
        done = plain(self, step, item, entry)
        if step == "report" and not done:
            found.add(step)
        return done or step == "report"

    def nothing(*_):
        return None

    plain = Cache.is_done
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Work, "do", do)
        patch.setattr(Work, "once", once)
        patch.setattr(Cache, "is_done", is_done)
        for module, name in (
            (network_check, "check_precision_of"),  # there may be no card here
            (train, "_keep_earlier"),
            (train, "_rename_cohort"),
            (prepare, "_find_delivered"),
            (explain, "remove_other_maps"),
        ):
            patch.setattr(module, name, nothing)
        try:
            finish(configuration, force)
        except (InputError, FileNotFoundError):
            found.add(NEW_MODEL)
    return found


def test_nothing_is_done_again_where_nothing_has_changed(study):
    assert again(study.configuration) == set()


@pytest.mark.parametrize("name", [name for name, change in SETTINGS.items() if change])
def test_a_setting_does_again_what_it_decides_and_nothing_else(study, name):
    value, expected = SETTINGS[name]
    found = again(changed(study.configuration, name, value))
    if expected is NEW_MODEL:
        assert found >= {"train", NEW_MODEL}
        assert not found & {"prepare", "pictures", "measures"}
    else:
        assert found == expected


def test_another_order_of_sequences_is_another_order_of_channels(study):
    assert again(changed(study.configuration, "cohort.sequences", ("FLAIR", "T1w"))) == CHECK


@pytest.mark.parametrize("step", [step for step in STEPS if step not in {"leakage", "permutations"}])
def test_a_step_that_is_forced_does_again_what_reads_it_and_nothing_else(study, step, tmp_path):
    records = [study.configuration.out / ".stratacam", study.configuration.out / "prepared/.stratacam"]
    for number, folder in enumerate(records):
        shutil.copytree(folder, tmp_path / str(number))
    try:
        found = again(study.configuration, [step])
    finally:
        for number, folder in enumerate(records):
            shutil.rmtree(folder)
            shutil.copytree(tmp_path / str(number), folder)
    pretrained = (
        {"baselines"} if step == "activations" else set()
    )  # which read these where weights are pretrained
    assert found - REPORT == (after(step) | pretrained) - REPORT
    assert again(study.configuration) == set()


def test_the_code_that_runs_in_a_step_is_in_its_key(study):
    home = Path(stratacam.__file__).parent
    for kind, files in study.seen.ran.items():
        own = {Path(file) for file in files if Path(file).is_relative_to(home)}
        ran = {f"{path.parent.name}/{path.name}" for path in own if path.suffix != ".py"}
        for path in (path for path in own if path.suffix == ".py"):
            module = ".".join(("stratacam", *path.relative_to(home).with_suffix("").parts))
            ran.add(module.removesuffix(".__init__"))
        code = code_of(kind, study.seen.entries[kind])
        missing = {name for name in ran - NOT_OF_RESULTS if name not in code}
        shown = [(f"{one}.", f"{one.rpartition('.')[2]}/") for one in getattr(kind, "NOT_IN_CODE", ())]
        assert {name for name in missing if not name.startswith(sum(shown, ()))} == set(), kind
    assert len(study.seen.ran) == 18
    assert not any(name.startswith(("stratacam.cam", "stratacam.learning")) for name in code_of(Prepare))


def test_every_file_of_the_user_that_is_opened_is_changed_in_a_test(study):
    opened = {
        file.relative_to(study.folder).as_posix()
        for files in study.seen.opened.values()
        for file in files
        if file.is_relative_to(study.folder) and not file.is_relative_to(study.folder / "study")
    }
    kinds = {re.sub(r"sub-0\d|_?ses-a/?", "", file) for file in opened if not file.endswith((".pyc", "/"))}
    assert kinds == {
        *("cohort//anat/_T1w.nii.gz", "cohort//anat/_FLAIR.nii.gz", "atlas.nii.gz", "atlas.tsv"),
        "cohort/derivatives/masks//anat/_desc-brain_mask.nii.gz",
        "cohort/derivatives/truth//anat/_label-lesion_mask.nii.gz",
        *("nets.py", "weights.txt", "cohort/dataset_description.json"),
        *("cohort/participants.tsv", "cohort//_sessions.tsv"),
    }


def test_a_sequence_that_comes_to_the_registry_makes_no_scan_and_no_model_stale(study, monkeypatch):
    monkeypatch.setitem(SEQUENCES, "T2star", MRSequence("T2star"))
    later = changed(study.configuration, "prepare.full_scale", {})
    assert "T2star" in later.prepare.full_scale
    assert again(later) <= REPORT


@contextmanager
def replaced(path, content):
    """A file with other content, for a while; its times as they were, as if by a tool that keeps them."""
    whole, times = path.read_bytes(), path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    try:
        yield
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def other_voxel(path):
    """The bytes of an image with another first voxel."""
    header = bytearray(gzip.decompress(path.read_bytes()))
    header[-1] ^= 1
    return gzip.compress(bytes(header), mtime=0)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("cohort/sub-02/anat/sub-02_T1w.nii.gz", CHECK),
        (
            "cohort/sub-01/ses-a/anat/sub-01_ses-a_FLAIR.nii.gz",
            CHECK - {"truth"},
        ),  # a control: nothing to show
        ("cohort/derivatives/masks/sub-02/anat/sub-02_desc-brain_mask.nii.gz", CHECK),
        ("cohort/sub-02/anat/sub-02_T2w.nii.gz", set()),
        (
            "cohort/derivatives/truth/sub-02/anat/sub-02_label-lesion_mask.nii.gz",
            EVIDENCE - REPORT | {"truth"},
        ),
        ("atlas.nii.gz", EVIDENCE - REPORT),
    ],
)
def test_an_image_does_again_what_reads_it_and_nothing_else(study, file, expected):
    path = study.folder / file
    with replaced(path, other_voxel(path)):
        assert again(study.configuration) == expected - REPORT
    assert again(study.configuration) == set()


@pytest.mark.parametrize(
    ("file", "before", "after_", "expected"),
    [
        (
            "cohort/sub-01/sub-01_sessions.tsv",
            "40",
            "41",
            {"baselines", "comparison", "confounds", "evidence tables", "recommend"},
        ),
        ("cohort/sub-01/sub-01_sessions.tsv", "\tx", "\ty", set()),
        ("cohort/participants.tsv", "\tx\n", "\ty\n", REPORT),
        ("cohort/participants.tsv", "family-1", "family-9", REPORT),
        ("cohort/dataset_description.json", "stratacam phantom", "stratacam Phantom", REPORT),
        ("cohort/derivatives/truth/truth.json", '"lesion"', '"ventricle"', after("truth") - REPORT),
        ("atlas.tsv", "left", "lefT", EVIDENCE - REPORT),
        ("nets.py", "model = torch", "other = model = torch", FROZEN - REPORT),
        ("blocks.py", "padding=1", "padding=1, bias=True", FROZEN - REPORT),
        ("weights.txt", "0.1", "0.2", FROZEN - REPORT),
        ("nets.py", "def make", "# a comment\ndef make", set()),
    ],
)
def test_a_text_does_again_what_reads_it_and_nothing_else(study, file, before, after_, expected):
    path = study.folder / file
    text = path.read_text()
    assert before in text
    with replaced(path, text.replace(before, after_, 1).encode()):
        assert again(study.configuration) == expected
    assert again(study.configuration) == set()


def test_code_does_again_what_runs_it_and_nothing_else(study, monkeypatch):
    def with_changed(module):
        def changed_code(*arguments):
            return {name: digest + "!" * (name == module) for name, digest in code_of(*arguments).items()}

        monkeypatch.setattr(cache_module, "code_of", changed_code)
        return again(study.configuration)

    assert with_changed("stratacam.scans.register") == PREPARE - REPORT
    assert with_changed("stratacam.learning.epoch") == TRAIN - REPORT
    assert with_changed("stratacam.evidence.recommendation") == {"evidence tables", "recommend"}
    assert with_changed("stratacam.learning.evaluation.table") == {"comparison"}
    assert with_changed("SimpleITK".lower()) >= {"prepare"}
    assert with_changed("page/template.html.j2") == {"report"}
    assert with_changed("quality/page.html.j2") == with_changed("stratacam.scans.quality.page") == set()


def test_everything_that_a_study_leaves_is_watched(study):
    """What is removed or changed by hand is made again."""
    root = study.configuration.out
    watched = [root / "prepared", root]
    left = {path for path in root.rglob("*") if path.is_file() and ".stratacam" not in path.parts}
    for folder in watched:
        for record in (folder / ".stratacam").rglob("*.json"):
            for output in read_json(record).get("outputs", {}):
                path = folder / output
                left -= set(path.rglob("*")) if path.is_dir() else {path}
    assert {path.relative_to(root).as_posix() for path in left} == {
        *(
            "study.json",
            "provenance.json",
            "left_out.tsv",
            "resources.tsv",
            "models/runs.json",
        ),  # by every run
        *("prepared/index.html", "prepared/dataset_description.json", "prepared/.bidsignore"),
        *("maps/dataset_description.json", "maps/.bidsignore"),
        *(
            f"figures/{path.name}" for path in (root / "figures").iterdir()
        ),  # of the report, which holds them too
    }


@pytest.fixture(scope="module")
def trained_again(study, tmp_path_factory):
    """A copy of the study under another name with another setting of training, what was said, and what was there."""
    folder = shutil.copytree(study.folder, tmp_path_factory.mktemp("again") / "copy")
    text = STUDY.replace("epochs = 1", "epochs = 2").replace('"stale"', '"renamed"')
    (folder / "study.toml").write_text(text)
    before = weights_of(folder / "study/models/make_seed-0")
    said = io.StringIO()
    console = Console(file=said, width=500)
    refresh_report(run_study(read_configuration(folder / "study.toml"), console).folders, console)
    return types.SimpleNamespace(folder=folder, said=said.getvalue(), before=before)


def weights_of(folder):
    return (folder / "model.safetensors").read_bytes()


def test_why_a_step_is_done_again_is_said_and_the_model_that_was_there_is_kept(trained_again):
    models = trained_again.folder / "study/models"
    assert "train: again, since settings.epochs was 1 and is 2" in trained_again.said
    (kept,) = (models / "earlier").iterdir()
    assert f"the model make_seed-0 that was trained before is now in {kept}" in trained_again.said
    assert weights_of(kept) == trained_again.before != weights_of(models / "make_seed-0")


def test_evidence_of_the_model_that_was_there_is_not_shown(trained_again, study):
    assert "report: evidence was measured of models that were trained in another way" in trained_again.said
    assert not evidence_folders(StudyFolders(trained_again.folder / "study"))
    assert len(evidence_folders(StudyFolders(study.folder / "study"))) == 1


def test_a_model_comes_back_with_its_settings_and_a_new_name_trains_nothing(trained_again):
    folder, said = trained_again.folder, io.StringIO()
    (folder / "study.toml").write_text(STUDY.replace('"stale"', '"renamed again"'))
    console = Console(file=said, width=500)
    refresh_report(run_study(read_configuration(folder / "study.toml"), console).folders, console)
    assert "train: unchanged" in said.getvalue()
    model = folder / "study/models/make_seed-0"
    assert weights_of(model) == trained_again.before
    assert read_json(model / "card.json")["training"]["cohort"] == "renamed again"


class Recording(SerialExecutor):
    """An executor that remembers the kinds of the tasks that it was given."""

    def __init__(self):
        self.kinds = set()

    def submit(self, fn, /, *args, **more):
        self.kinds |= {type(one) for one in args}
        return super().submit(fn, *args, **more)


@pytest.fixture(scope="module")
def forced(trained_again):
    """What was said, and the kinds of the tasks in a given executor, where an earlier model is asked for by force."""
    folder, said, cluster = trained_again.folder, io.StringIO(), Recording()
    (kept,) = (folder / "study/models/earlier").iterdir()
    before = weights_of(kept)
    epochs = 2 if read_configuration(folder / "study.toml").training.epochs == 1 else 1
    (folder / "study.toml").write_text(STUDY.replace("epochs = 1", f"epochs = {epochs}"))
    run_study(
        read_configuration(folder / "study.toml"),
        Console(file=said, width=500),
        workers=Workers(executor=cluster),
        force=["train"],
    )
    after_ = weights_of(folder / "study/models/make_seed-0")
    return types.SimpleNamespace(said=said.getvalue(), kinds=cluster.kinds, before=before, after=after_)


def test_a_model_that_comes_back_is_trained_again_where_that_is_forced(forced):
    assert "train: unchanged" not in forced.said
    assert "--force asks for it" in forced.said
    assert forced.after == forced.before


def test_a_single_training_runs_in_the_executor_that_is_given(forced):
    assert Training in forced.kinds


def test_studies_share_prepared_scans_and_neither_prepares_them_in_another_way(study):
    prepared = study.folder / "study" / "prepared"
    other = study.configuration.model_copy(
        update={
            "out": study.folder / "other",
            "cohort": study.configuration.cohort.model_copy(update={"prepared": prepared}),
        }
    )
    assert "prepare" not in again(other)
    other = changed(other, "prepare.grid", 6.0)
    with pytest.raises(
        InputError, match=r'is shared, and sub-.* settings\.grid was "T1w" and is 6\.0\. Give the'
    ):
        run_study(other, Console(quiet=True))
