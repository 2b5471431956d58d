"""What is to be trained: every run with its network, its split and its frozen layers."""

import json
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from torch import nn

from stratacam.learning import AnySplit, Split, SplitSettings, TrainSettings, make_splits
from stratacam.networks import (
    BRANCH_CHANNELS,
    BrainUse,
    Dimensions,
    GivenCard,
    default_weights,
    frozen_prefix,
    initial_weights,
    is_given,
    made_of,
    make_network,
    short_name,
)
from stratacam.networks.cards import read_card
from stratacam.study.cohort import Cohort
from stratacam.study.configuration import StudyConfiguration
from stratacam.study.folders import StudyFolders
from stratacam.study.given_check import trained_on
from stratacam.study.keys import NOT_IN_KEY, short_hash
from stratacam.study.network_check import settings_of
from stratacam.study.runs import Run, models_of


@dataclass(frozen=True)
class FirstNetwork:
    """A network as it is before training.

    Attributes:
        architecture: name, or reference of a custom function.
        weights: where its weights start, see `stratacam.networks.initial_weights`.
        head: name of its classifier head; found if absent.
        made_of: what its weights and its code are, wherever they lie; see `stratacam.networks.made_of`.
        brain: what it does with the brain, see `stratacam.networks.build`.
        branches: the sequences that have a branch each; none with early fusion.
    """

    architecture: str = field(metadata=NOT_IN_KEY)
    weights: str = field(metadata=NOT_IN_KEY)
    head: str | None
    classes: int
    channels: int
    seed: int
    made_of: str
    brain: BrainUse
    dimensions: Dimensions = 2
    branches: tuple[str, ...] = ()

    def make(self) -> tuple[nn.Module, str]:
        """Make the network, and say where its weights come from."""
        model, source = make_once(self)
        return deepcopy(model), source

    @property
    def given(self) -> bool:
        """Whether it is a trained classifier, which is not trained again."""
        return is_given(self.architecture)


@lru_cache(maxsize=1)
def make_once(first: FirstNetwork) -> tuple[nn.Module, str]:
    """The network, made once in each worker."""
    channels = BRANCH_CHANNELS if first.branches else first.channels
    pretrained = initial_weights(first.architecture, first.weights, channels, dimensions=first.dimensions)
    model = make_network(
        first.architecture,
        first.classes,
        channels=first.channels,
        weights=pretrained or "none",
        seed=first.seed,
        brain=first.brain,
        dimensions=first.dimensions,
        branches=first.branches,
    )
    if first.given:
        return model, f"given: {first.made_of}"
    return model, pretrained.source if pretrained else "random"


@dataclass(frozen=True)
class Planned:
    """A run that is to be done, or is done already.

    Attributes:
        run: network, seed and fold.
        first: the network before training.
        settings: of training, with what depends on the network filled in.
        split: who is in which part.
        kept: folder of what its frozen layers give; None where nothing is kept.
    """

    run: Run
    first: FirstNetwork
    settings: TrainSettings
    split: AnySplit
    kept: Path | None


def plan_runs(
    configuration: StudyConfiguration,
    folders: StudyFolders,
    cohort: Cohort,
    split: SplitSettings,
    *,
    kept_seed: int | None = None,
) -> list[Planned]:
    """Every training of a study: for each network and seed one, or one for each fold; of a given classifier none.

    Those whom a given classifier was trained on are in the part for training, everybody else is held out.

    `kept_seed` is that of the augmented copies whose activations are kept; the study's own if absent.

    Raises:
        InputError: the split, the layers to freeze or the network do not suit.
    """
    given = configuration.given
    if given:
        (model,) = models_of(configuration)
        of_its_training = trained_on(given)
        of_its_training |= _learnt_from(given, cohort)
        everybody = sorted(cohort.labels())
        judged = Split(
            train=tuple(one for one in everybody if one in of_its_training),
            validation=(),
            test=tuple(one for one in everybody if one not in of_its_training),
        )
        return [plan_network(configuration, folders, model, judged, len(cohort.classes))]
    planned = []
    for model in models_of(configuration):
        seed = split.seed_for(model.seed, configuration.seed)
        splits = make_splits(cohort.labels(), split, seed=seed, clusters=cohort.clusters)
        plan = plan_network(
            configuration, folders, model, splits[0], len(cohort.classes), kept_seed=kept_seed
        )
        for number, part in enumerate(splits, start=1):
            run = replace(model, fold=number if len(splits) > 1 else 0)
            planned.append(replace(plan, run=run, split=part))
    return planned


def plan_network(
    configuration: StudyConfiguration,
    folders: StudyFolders,
    run: Run,
    split: AnySplit,
    classes: int,
    *,
    kept_seed: int | None = None,
) -> Planned:
    """One run of a study, of which other splits may follow; see `plan_runs`.

    Raises:
        InputError: the layers to freeze or the network do not suit.
    """
    network = configuration.network
    dimensions = configuration.pictures.dimensions
    chosen = default_weights(run.network, dimensions) if network.weights == "default" else network.weights
    channels, brain = configuration.channels, brain_of(configuration, run.network)
    branches = branches_in(configuration)
    made = made_of(
        run.network,
        classes,
        channels=channels,
        weights=chosen,
        seed=run.seed,
        brain=brain,
        dimensions=dimensions,
        branches=branches,
    )
    first = FirstNetwork(
        architecture=run.network,
        weights=chosen,
        head=network.head,
        classes=classes,
        channels=channels,
        seed=run.seed,
        made_of=made,
        brain=brain,
        dimensions=dimensions,
        branches=branches,
    )
    untrained = make_network(
        run.network,
        classes,
        channels=channels,
        weights="none",
        brain=brain,
        dimensions=dimensions,
        branches=branches,
    )
    if first.given:
        return Planned(run, first, configuration.training, split, None)
    settings = settings_of(configuration, run.network, untrained)
    seed = configuration.seed if kept_seed is None else kept_seed
    return Planned(run, first, settings, split, _kept_folder(folders, first, settings, seed, untrained))


def _learnt_from(given: GivenCard, cohort: Cohort) -> set[str]:
    """People of a cohort whose images a given model of this package was trained on, or stopped by; told by hashes."""
    known = read_card(given.file).training.get("images", {}) if given.is_own else {}
    return {
        subject
        for subject, digests in cohort.images.items()
        if {known.get(digest) for digest in digests} & {"train", "validation"}
    }


def brain_of(configuration: StudyConfiguration, architecture: str) -> BrainUse:
    """What a network does with the brain; a given one of this package what its card says."""
    given = configuration.given
    if given and given.is_own:
        return read_card(given.file).brain
    return configuration.network.brain_of(architecture)


def branches_in(configuration: StudyConfiguration) -> tuple[str, ...]:
    """The sequences that have a branch each; of a given network of this package what its card says."""
    given = configuration.given
    return read_card(given.file).branches if given and given.is_own else configuration.branches


def _kept_folder(
    folders: StudyFolders, first: FirstNetwork, settings: TrainSettings, seed: int, untrained: nn.Module
) -> Path | None:
    """Where the outputs of the frozen layers are kept; None where there are none to keep."""
    frozen = settings.frozen if settings.cache_activations and first.dimensions == 2 else ()
    if not frozen or not len(frozen_prefix(untrained, frozen)[0]):
        return None
    content = [
        first.made_of,
        first.seed if first.weights == "none" else None,
        first.head,
        settings.model_dump(mode="json", include={"frozen", "copies", "augmentation"}),
        seed,
        *([settings.guide] if settings.guide else []),
    ]
    digest = short_hash(json.dumps(content, sort_keys=True))[:8]
    return folders.activations / f"{short_name(first.architecture)}-{digest}"
