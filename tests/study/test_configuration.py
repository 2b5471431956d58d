"""The study's TOML file: every fault is named with key, value and what is allowed."""

import pytest
from test_stale import SETTINGS, leaves

from stratacam.errors import InputError
from stratacam.study.configuration import StudyConfiguration, read_configuration

MINIMAL = 'out = "results"\n[cohort]\ninput = "scans"\n'


def read(tmp_path, text):
    path = tmp_path / "study.toml"
    path.write_text(text)
    return read_configuration(path)


def test_a_minimal_file_gives_the_defaults_and_paths_beside_it(tmp_path):
    configuration = read(tmp_path, MINIMAL)
    assert configuration.out == tmp_path / "results"
    assert configuration.cohort.input == tmp_path / "scans"
    assert configuration.split.train == 0.75
    assert configuration.network.architecture == "vgg16"


@pytest.mark.parametrize(
    ("split", "folds"), [("", 5), ("[split]\nfolds = 3\n", 3), ("[split]\ntest = 0.25\n", 1)]
)
def test_a_file_without_a_split_means_five_folds_and_one_with_fractions_a_single_split(
    tmp_path, split, folds
):
    """Settings at their defaults must not count as given once paths are anchored."""
    text = split.replace("test = 0.25", "train = 0.5\nvalidation = 0.25\ntest = 0.25")
    assert read(tmp_path, MINIMAL + text).split.maximum_folds == folds


def test_anchoring_paths_sets_nothing_that_the_file_leaves_out(tmp_path):
    configuration = read(tmp_path, MINIMAL + "[training]\nepochs = 3\n")
    assert configuration.model_fields_set == {"out", "cohort", "training"}
    assert configuration.training.model_fields_set == {"epochs"}


def test_networks_weights_and_tables_beside_the_configuration_are_found_from_anywhere(tmp_path):
    text = '[network]\narchitecture = ["vgg16", "nets.py:make", "nets:make_other"]\n[split]\ntable = "split.tsv"\n'
    configuration = read(tmp_path, MINIMAL + text)
    assert configuration.network.architectures == ("vgg16", f"{tmp_path}/nets.py:make", "nets:make_other")
    assert configuration.split.table == tmp_path / "split.tsv"


def test_a_weights_file_is_beside_the_configuration_too(tmp_path):
    configuration = read(tmp_path, MINIMAL + '[network]\nweights = "vgg16.h5"\n')
    assert configuration.network.weights == str(tmp_path / "vgg16.h5")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[training]\nepoch = 3\n",
            r"training\.epoch is not known; did you mean epochs\? Allowed here: .*batch_size",
        ),
        ("[trainings]\n", r"trainings is not known; did you mean training\?"),
        (
            "[training]\nepochs = -1\n",
            r"training\.epochs = -1: .*greater than or equal to 1; it is the largest number of passes over",
        ),
        (
            '[network]\narchitecture = "vgg11"\n',
            r"network\.architecture = 'vgg11': .*'vgg11' is not known; it is one of vgg16, vgg19, resnet18",
        ),
        ("[prepare]\ngrid = 50\n", r"^(?!.*constrained)(?!.*\n.*\n.*grid).*prepare\.grid = 50"),
        ('[network]\narchitecture = ["vgg16", "vgg16"]\n', r"a network is named twice"),
        ("[split]\ntrain = 0.9\n", r"split: train, validation and test add up to .*must add up to 1"),
        ('[split]\nunit = "slice"\nfolds = 5\n', r'split: unit = "slice" knows no folds; leave folds out'),
        (
            '[pictures]\nsequences = ["PD"]\n',
            r"pictures\.sequences: found PD; expected some of those prepared",
        ),
        (
            '[prepare]\nplane = "sagittal"\n[training.augmentation]\nflip = 0.5\n',
            r"training\.augmentation\.flip would turn front and back around",
        ),
        ('[pictures]\nsize = "big"\n', r"pictures\.size = 'big': .*integer"),
    ],
)
def test_faults_name_key_value_and_what_is_allowed(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, MINIMAL + text)
    assert str(caught.value).startswith(str(tmp_path / "study.toml"))


def test_every_fault_is_told_at_once(tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, '[cohort]\ninput = "b"\ncolour = 1\n')
    assert "out is missing" in str(caught.value)
    assert "cohort.colour is not known" in str(caught.value)


def test_a_consensus_of_one_network_is_said_to_be_none(tmp_path):
    consensus = '[explain]\nmodels = "all"\n'
    (said,) = read(tmp_path, MINIMAL + consensus).without_effect
    assert 'explain.models: found "all" with repeats = 1; expected several seeds' in said
    assert read(tmp_path, "repeats = 3\n" + MINIMAL + consensus).without_effect == ()
    assert read(tmp_path, MINIMAL).without_effect == ()


def test_no_file_and_no_toml_are_told_apart(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_configuration(tmp_path / "absent.toml")
    with pytest.raises(InputError, match=r"is not TOML .*line 1"):
        read(tmp_path, "out = \n")


def test_what_every_setting_makes_be_done_again_is_tested():
    """The tests themselves take long: a new setting is missed at once."""
    assert set(SETTINGS) == set(leaves(StudyConfiguration))
