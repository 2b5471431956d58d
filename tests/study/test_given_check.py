"""Classifiers that give probabilities are refused in every form, and those that give logits are not."""

from pathlib import Path

import pytest
import torch
from torch import nn

from stratacam.errors import InputError
from stratacam.networks import GivenCard, build, make_network
from stratacam.scans.cohort.bids import Scan
from stratacam.scans.cohort.sources import check_groups, group_fault
from stratacam.study.given_check import check_logits, check_trained_on

CARD = Path("card.toml")


class Net(nn.Module):
    """A classifier with `outputs`, which `last` makes of its logits."""

    def __init__(self, outputs, last, shift=0.0):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Linear(4, outputs)
        self.last = last
        with torch.no_grad():
            self.head.weight.mul_(3)
            self.head.bias.add_(shift)

    def forward(self, pictures):
        return self.last(self.head(self.conv(pictures).relu().mean((2, 3))))


def halves(probability):
    return torch.cat([probability, 1 - probability], dim=1)


def by_hand(logits):
    """A sigmoid of which no operation says that it is one."""
    return (logits / (1 + logits.abs()) + 1) / 2


FORMS = {
    "one sigmoid": (1, torch.sigmoid),
    "a sigmoid that is sure": (1, lambda logits: (logits - 30).sigmoid()),
    "one sigmoid, reshaped": (1, lambda logits: logits.sigmoid().flatten()[:, None].clone()),
    "one sigmoid in percent": (1, lambda logits: 100 * logits.sigmoid()),
    "sigmoids": (2, torch.sigmoid),
    "softmax": (3, lambda logits: logits.softmax(dim=1)),
    "softmax of its own making": (2, lambda logits: logits.exp() / logits.exp().sum(dim=1, keepdim=True)),
    "logarithms of a softmax": (2, lambda logits: logits.log_softmax(dim=1)),
    "a sigmoid and the rest": (1, lambda logits: halves(logits.sigmoid())),
    "a mean over an ensemble": (2, lambda logits: (logits.softmax(1) + (2 * logits).softmax(1)) / 2),
    "a probability by hand": (1, by_hand),
    "probabilities by hand": (2, by_hand),
    "a clipped value": (1, lambda logits: logits.relu() - (logits - 1).relu()),
}


class AsTwo(nn.Module):
    """One output as the two logits that an audit makes of it."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, pictures):
        output = self.net(pictures)
        return torch.cat([-output / 2, output / 2], dim=1) if output.shape[1] == 1 else output


@pytest.mark.parametrize("form", FORMS)
def test_probabilities_are_refused_in_every_form(form):
    with pytest.raises(InputError, match=r"probabilities, as .*; expected logits.*: save it without"):
        check_logits(CARD, AsTwo(Net(*FORMS[form])).eval(), 3, (16, 16))


@pytest.mark.parametrize(
    "network",
    [
        Net(1, nn.Identity()),
        Net(2, nn.Identity()),
        Net(3, lambda logits: 1e-3 * logits + 0.5),
        Net(1, lambda logits: 1e-4 * logits + 0.4),
        Net(2, lambda logits: torch.cat([logits[:, :1], 1 - logits[:, :1]], dim=1)),
        Net(2, lambda logits: (logits * logits.sigmoid()) @ torch.eye(2)),
        build("small_cnn", 2, weights="none"),
        build("densenet121", 2, weights="none"),
    ],
)
def test_logits_are_not_refused_though_some_lie_between_0_and_1(network):
    check_logits(CARD, AsTwo(network).eval(), 3, (64, 64))


def test_nearly_constant_logits_of_a_normalised_network_are_not_refused():
    network = nn.Sequential(
        nn.GroupNorm(1, 3),
        nn.Conv2d(3, 4, 3),
        nn.Flatten(),
        nn.LayerNorm(14 * 14 * 4),
        nn.Linear(14 * 14 * 4, 1),
    )
    with torch.no_grad():
        network[-1].weight.mul_(0.1)
        network[-1].bias.fill_(0.5)
    check_logits(CARD, AsTwo(network).eval(), 3, (16, 16))


def test_a_classifier_that_gives_no_numbers_is_refused():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    with torch.no_grad():
        network[0].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(
        InputError, match=r"card.toml: its classifier gives \[nan, nan\].*expected finite logits"
    ):
        check_logits(Path("card.toml"), network, 3, (32, 32))


def test_volumes_are_tried_as_volumes():
    network = nn.Sequential(nn.Conv3d(1, 2, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    check_logits(CARD, network.eval(), 1, (8, 8, 8))
    with pytest.raises(InputError, match="probabilities"):
        check_logits(CARD, nn.Sequential(network, nn.Sigmoid()).eval(), 1, (8, 8, 8))


def test_the_class_of_a_checkpoint_that_ends_in_a_sigmoid_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import torch\nfrom torch import nn\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.head = nn.Linear(3, 1)\n"
        "    def forward(self, x):\n        return torch.sigmoid(self.head(x.mean((2, 3))) - 20)\n"
    )
    torch.save({"state_dict": nn.ModuleDict({"head": nn.Linear(3, 1)}).state_dict()}, tmp_path / "net.ckpt")
    (tmp_path / "card.toml").write_text(
        f'file = "net.ckpt"\nclasses = ["a", "b"]\nnetwork = "{tmp_path / "mine.py"}:Net"\n'
    )
    network = make_network(f"given:{tmp_path / 'card.toml'}", 2, channels=3)
    with pytest.raises(InputError, match="sigmoid"):
        check_logits(tmp_path / "card.toml", network, 3, (16, 16))


def trained_on(*names):
    return GivenCard(file=Path("net.pt2"), classes=("a", "b"), trained_on=names)


@pytest.mark.parametrize("name", ["1", "sub-1", "SUB-01", "sub-01 ", "sub-01_ses-01", "Sub01"])
def test_people_of_the_training_who_are_spelled_otherwise_are_refused_with_who_is_meant(name):
    with pytest.raises(InputError, match=r"did you mean sub-01 by .*correct the names"):
        check_trained_on(trained_on("02", name), ["sub-01_ses-1", "sub-01_ses-2", "sub-02"])


def test_people_of_the_training_are_known_by_their_label_also_where_they_are_left_out():
    assert check_trained_on(trained_on("sub-01", "02"), ["sub-01_ses-1", "sub-02", "sub-03"]) == ""
    assert check_trained_on(trained_on(), []) == ""
    assert check_trained_on(None, ["sub-01"]) == ""


def test_a_cohort_of_nobody_but_people_of_the_training_is_refused():
    with pytest.raises(InputError, match=r"names all 2 people of the cohort.*give other scans"):
        check_trained_on(trained_on("sub-01", "02"), ["sub-01_ses-1", "sub-02"])


def test_people_of_the_training_who_are_not_of_the_cohort_are_said():
    said = check_trained_on(trained_on("sub-01", "nobody", "none"), ["sub-01", "sub-02"])
    assert said == "2 of 3 people in trained_on are not of the cohort: nobody, none"


GROUPS = {"sub-01": "control", "sub-02": "RRMS", "sub-03": "SPMS"}


@pytest.mark.parametrize("given", [False, True])
def test_groups_that_the_cohort_spells_otherwise_are_refused_with_those_that_may_be_meant(given):
    def check(*wanted):
        check_groups(Path("cohort"), GROUPS, "group", wanted, given=given)

    check("control", "RRMS")
    check("control", "PPMS")
    setting = r"model\.classes" if given else r"cohort\.groups"
    for wanted in (("Control", "rrms"), ("control", "rr-ms")):
        with pytest.raises(InputError, match=rf"\({setting}\); .*did you mean 'RRMS' by"):
            check(*wanted)
    with pytest.raises(InputError, match="holds RRMS, SPMS, control; expected the groups of the"):
        check("AD", "MCI")


def test_who_is_of_no_class_of_a_classifier_is_left_out_with_what_can_be_done():
    def fault(given):
        scan = Scan("03", None, {})
        return group_fault(Path("cohort"), scan, GROUPS, "group", ("control", "RRMS"), given=given)

    assert "name it in cohort.groups" in fault(given=False)
    assert "none of the classifier's classes (control, RRMS); correct it, or accept" in fault(given=True)
