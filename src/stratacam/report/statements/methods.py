"""A methods section, generated from configuration, model cards and versions."""

from collections.abc import Mapping
from typing import Any

from stratacam.networks import ARCHITECTURES, cited_as, network_title
from stratacam.report.content import StudyContent
from stratacam.report.names import method_title
from stratacam.report.numbers import counted, decimal, listed
from stratacam.report.words.done import (
    OVER,
    how_it_was_guided,
    how_it_was_split,
    how_split_was_chosen,
    late_fusion_in_words,
    pictures_in_words,
    starting_weights,
)
from stratacam.report.words.found import together
from stratacam.report.words.taken import how_it_is_taken, sequences_taken

INTENSITIES = {
    "white_matter": "scaled by the peak of the white matter",
    "percentiles": "scaled by percentiles of the brain",
    "z_score": "scaled to z-scores of the brain",
}

BALANCES = {
    "weights": "groups, and the people of a group, had equal weight in the loss",
    "sampling": "slices were sampled so that groups, and the people of a group, had equal weight",
    "none": "groups were not weighted",
}

AUGMENTATIONS = {
    "rotation": "rotation up to {:g} degrees",
    "translation": "shifts up to {:g} of the picture",
    "scaling": "changes of size up to a factor of {:g}",
    "flip": "mirroring with a probability of {:g}",
    "gamma": "changes of gamma up to {:g}",
    "bias_field": "smooth fields of intensity up to {:g}",
    "noise": "noise with a standard deviation of {:g} of full intensity",
}


def methods_section(study: StudyContent) -> list[tuple[str, str]]:
    """Headings and paragraphs; works are cited as `[@key]` of `references.REFERENCES`."""
    paragraphs = {
        "Scans": _scans(study),
        "Split": f"{how_it_was_split(study)} {how_split_was_chosen(study)}",
        "Networks and training": f"{_networks(study)} {_training(study)}",
        "Evaluation": _evaluation(study),
        "Maps": _maps(study),
        "Trust in maps": _evidence(study),
        "Software": _software(study),
    }
    return [(heading, text) for heading, text in paragraphs.items() if text]


def _scans(study: StudyContent) -> str:
    prepare, pictures = study.configuration.get("prepare", {}), study.configuration.get("pictures", {})
    sequences = listed(study.card.input["sequences"])
    delivered = study.card.input.get("delivered_mm", {})
    voxels = f" (voxels as delivered: {_voxels(delivered)})" if delivered else ""
    intensity = INTENSITIES.get(prepare.get("intensity", "white_matter"), "scaled")
    frame = (
        f"squares of {pictures['width_mm']:g} mm"
        if pictures.get("width_mm")
        else f"pictures cut to the longest brain with a margin of {pictures.get('margin_mm', 4):g} mm"
    )
    pixel = study.card.input.get("pixel_mm")
    part = study.card.input.get("part", (0, 1))
    return (
        f"{sequences} of {counted(len(study.group), 'person')}{voxels} were prepared with stratacam [@stratacam]: the "
        f"brain was found on the T1w {_brain_masks(study)}, the other sequences were registered rigidly to the T1w "
        "by mutual information with SimpleITK [@simpleitk], and all were corrected for the bias field by N4 [@n4], "
        f"resampled once, stripped of the skull and {intensity}. Slices with a brain area of at least "
        f"{100 * prepare.get('slice_area_fraction', 0.05):g} % of the largest were kept; those from {100 * part[0]:g} "
        f"to {100 * part[1]:g} % of the way through them became {frame}, {study.card.input['size']} pixels "
        f"long{f' ({pixel:.2f} mm a pixel)' if pixel else ''}. Scans left out: {len(study.left_out)}."
    )


def _voxels(delivered: Mapping[str, Any]) -> str:
    found = []
    for sequence, (low, high) in delivered.items():
        words = " x ".join(
            f"{first:.2g}" if f"{first:.2g}" == f"{last:.2g}" else f"{first:.2g} to {last:.2g}"
            for first, last in zip(low, high, strict=True)
        )
        found.append(f"{sequence} {words} mm")
    return "; ".join(found)


def _brain_masks(study: StudyContent) -> str:
    makers = {scan.read_record().get("BrainMask", "deepbet") == "deepbet" for scan in study.scans.values()}
    if makers == {True}:
        return "with deepbet [@deepbet]"
    return (
        "with masks of the cohort" if makers == {False} else "with masks of the cohort or deepbet [@deepbet]"
    )


def _networks(study: StudyContent) -> str:
    titles = []
    for model in study.networks:
        start = starting_weights(study, model.network)
        imagenet = " [@imagenet]" if "ImageNet" in start else ""
        cite = cited_as(model.network)
        titles.append(
            f"{network_title(model.network)}{f' [@{cite}]' if cite else ''}, "
            f"{'with' if study.given else 'starting from'} {start}{imagenet},"
        )
    known = all(model.network in ARCHITECTURES for model in study.networks)
    pooling = f" with global average pooling{OVER[study.card.brain]}" if known else ""
    classifiers = f"{listed(titles)}{pooling}".rstrip(",")
    channels = len(sequences_taken(study))
    as_channels = channels > 1 and study.card.input.get("channels") == "sequences" and not study.card.branches
    return (
        f"Classifiers of {pictures_in_words(study)} ({listed(sequences_taken(study))}"
        f"{' as channels' if as_channels else ''}) into {listed(study.card.classes)}: {classifiers}."
        f"{' ' if study.card.branches else ''}{late_fusion_in_words(study)} {how_it_is_taken(study)}".rstrip()
    )


def _training(study: StudyContent) -> str:
    settings = study.card.training.get("settings", {})
    if study.given:
        return "The classifier was given with its weights, and nothing was trained."
    if not settings:
        return ""
    frozen = settings.get("frozen") or []
    augmentation = settings.get("augmentation") or {}
    changes = [
        words.format(augmentation[key] + (key == "scaling"))
        for key, words in AUGMENTATIONS.items()
        if augmentation.get(key)
    ]
    body = settings.get("body_rate")
    rates = f"peak learning rates of {settings['head_rate']:g} (head)" + (
        f" and {body:g} (body)" if body else ""
    )
    guided = how_it_was_guided(study)
    seeds = len({model.seed for model in study.models})
    return (
        f"Layers {', '.join(frozen) or 'none'} were frozen. AdamW [@adamw] with {rates}, weight decay "
        f"{settings['weight_decay']:g}, batches of {settings['batch_size']} {study.picture}s, label smoothing "
        f"{settings['label_smoothing']:g}, at most {settings['epochs']} epochs, stopped after {settings['patience']} "
        "without a lower validation loss; the weights of the lowest were kept. "
        f"{BALANCES[settings['balance']].capitalize()}. Augmentation: {', '.join(changes) or 'none'}. Every network "
        f"was trained with {counted(seeds, 'seed')}.{f' {guided} [@relevance]' if guided else ''}"
    )


def _evaluation(study: StudyContent) -> str:
    temperature = study.card.training.get("temperature")
    scaled = (
        f" Probabilities were also scaled by a temperature ({decimal(temperature)}) fitted to validation "
        f"{study.picture}s [@calibration]."
        if temperature
        else ""
    )
    pooled = (
        " Predictions of all folds were pooled, and intervals widened for it [@folds]."
        if study.main.folds
        else ""
    )
    baselines = study.baselines.get("titles", {})
    compared = (
        f" Compared with {counted(len(baselines), 'baseline')}: {together(list(baselines.values()))}."
        if baselines
        else ""
    )
    confounds = study.configuration.get("confounds", {})
    harmonised = (
        f" Measures of scans were harmonised by {confounds['harmonise']} with ComBat [@combat] [@neurocombat], "
        "fitted to the training subjects of each fold."
        if baselines and confounds.get("harmonise")
        else ""
    )
    return (
        f"A subject's class is that of the highest mean probability over its {study.picture}s. Intervals of 95 % are "
        "over held-out subjects: of shares by Clopper and Pearson with the mid-p correction [@midp], of balanced "
        f"accuracy by MOVER [@mover], of AUROC by Newcombe [@auroc].{pooled}{scaled}{compared}{harmonised}"
    )


def _maps(study: StudyContent) -> str:
    explain, one = study.configuration.get("explain", {}), next(iter(study.maps.values()))
    smooth = f" averaged over {explain['smooth']} noisy copies [@smooth]" if explain.get("smooth") else ""
    of_all = (
        f"the mean of {len(one.members)} networks, each in units of its scale"
        if one.members
        else "one network"
    )
    recommended = study.recommended and study.recommended.chosen
    also = (
        f" The recommended map is {study.recommended.title(recommended)}{_cite(recommended.method)}."
        if study.recommended and recommended
        else ""
    )
    return (
        f"Maps of {counted(len(one.layers), 'layer')} by {method_title(one.method)}{_cite(one.method)}{smooth}, after "
        f"[@abstract]: signed, at each layer's resolution, of {of_all}. Drawn after ReLU, upsampled linearly, each "
        "layer divided by its maximum over the explained slices of the scan. Held-out scans are explained by "
        f"networks that did not train on them.{also}"
    )


def _cite(method: str) -> str:
    known = {"gradcam", "gradcam++", "xgradcam", "hirescam", "layercam"}
    return f" [@{method}]" if method in known else ""


def _evidence(study: StudyContent) -> str:
    if study.recommended is None:
        return ""
    judged = study.recommended.judged
    methods = [f"{method_title(name)}{_cite(name)}" for name in dict.fromkeys(one.method for one in judged)]
    consensus = sorted({one.networks for one in judged})
    who = listed(["one network" if count == 1 else f"the consensus of {count}" for count in consensus])
    return (
        f"{counted(len(judged), 'map')} of {network_title(study.recommended.network)} ({who}; {listed(methods)}) were "
        "measured on held-out subjects: faithfulness by ROAD [@road] against random maps and maps of other subjects, "
        "agreement with what the network loses when regions are filled, randomisation of the weights [@sanity], "
        "repeatability, heat in the brain and, where stated, localisation of the truth. A map is recommended if it "
        "meets every criterion, with bounds that hold for all maps together. Faithful is not correct [@haufe]."
    )


def _software(study: StudyContent) -> str:
    versions = study.provenance.get("versions", {})
    names = ", ".join(f"{name} {version}" for name, version in versions.items())
    python = study.provenance.get("python")
    seed = study.provenance.get("seed", study.configuration.get("seed"))
    return (
        f"{names or 'Versions were not recorded'}{f', Python {python}' if python else ''}; PyTorch [@pytorch] and "
        f"scikit-learn [@sklearn]. One seed ({seed}) determines all random numbers; the settings are in the appendix."
    )
