"""The features of the baselines: age and sex, intensities, volumes, lesions, or activations of a frozen network."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stratacam.learning.baselines.combat import MINIMUM_SCANS, Sites, numbered_sites
from stratacam.learning.baselines.logistic import Baseline, Features, Protocol, logistic, majority
from stratacam.learning.dataset import ScanPictures, SliceDataset

VOLUMES = ("brain_ml", "ventricle_ml")
"""The measures that the baseline "volume" takes."""

LESIONS = ("flair_hyperintense_ml", "t1_dark_ml")
"""The measures that the baseline "lesion_load" takes; "intensity" takes all others."""

BASELINES = {
    "age_sex": "logistic regression on age and sex",
    "intensity": "logistic regression on percentiles of the intensities",
    "volume": "logistic regression on brain and ventricle-like volume",
    "lesion_load": "logistic regression on FLAIR-bright and T1-dark volume in white matter",
    "all_measures": "logistic regression on all these measures together",
    "frozen_features": "logistic regression on what the network sees of a scan before training, mean over slices",
}


@dataclass(frozen=True)
class Harmonise:
    """By what scans are harmonised.

    Attributes:
        by: the column of the cohort's tables.
        site: by scan, its value there, where it has one.
        keep_groups: see `Sites`.
    """

    by: str
    site: Mapping[str, str]
    keep_groups: bool = False

    def of(self, scans: Sequence[str], measured: npt.NDArray[np.bool_]) -> Sites:
        """What is harmonised of a table with a row for each scan."""
        return Sites(numbered_sites([self.site.get(scan) for scan in scans]), measured, self.keep_groups)

    def unmoved(self, scans: Mapping[str, str], protocol: Protocol) -> dict[str, str]:
        """Held-out scans that stay as they are, with the reason.

        Args:
            scans: name of every scan to its subject.
            protocol: who is predicted, from whom.
        """
        found = {}
        for train, test in ((set(train), set(test)) for train, test in protocol.folds):
            count = Counter(self.site.get(scan) for scan, subject in scans.items() if subject in train)
            learned = {site for site, number in count.items() if site and number >= MINIMUM_SCANS}
            for scan in (scan for scan, subject in scans.items() if subject in test):
                site = self.site.get(scan)
                if site is None:
                    found[scan] = f"{self.by} is not known"
                elif site not in learned:
                    found[scan] = f"{count[site]} scans of {self.by} {site} to learn from"
                elif len(learned) < 2:
                    found[scan] = f"no other {self.by} to learn from"
        return found


def scan_baselines(
    scans: Sequence[ScanPictures],
    protocol: Protocol,
    *,
    people: Mapping[str, Mapping[str, str]],
    measures: Mapping[str, Mapping[str, float]],
    harmonise: Harmonise | None = None,
) -> tuple[list[Baseline], dict[str, str]]:
    """Make the baselines that need no network: the majority, and those on measures of people and scans.

    Args:
        scans: all sessions of all subjects, to train on and to predict; a subject's in their order.
        protocol: who is predicted.
        people: name of the scan to column ("age", "sex") to value, where there is one.
        measures: name of the scan to the measures of `stratacam.scans.measures`, the same ones for every scan.
        harmonise: how measures of scans, but not age and sex, are brought to one level over sites.

    Returns:
        The baselines, and the name of each that was left out with the reason.

    Raises:
        InputError: see `logistic`.
    """
    label = np.array([list(protocol.classes).index(scan.group) for scan in scans])
    subject = np.array([scan.subject for scan in scans])
    names = list(measures[scans[0].scan])
    tables = {
        "age_sex": {scan.scan: age_and_sex(people.get(scan.scan, {})) for scan in scans},
        "intensity": _chosen(measures, [name for name in names if name not in VOLUMES + LESIONS]),
        "volume": _chosen(measures, VOLUMES),
        "lesion_load": _chosen(measures, [name for name in names if name in LESIONS]),
    }
    tables["all_measures"] = {
        scan.scan: {name: value for table in tables.values() for name, value in table[scan.scan].items()}
        for scan in scans
    }
    left_out = {}
    if not any(tables["age_sex"].values()):
        left_out["age_sex"] = "no table of the cohort gives an age or a sex that can be read"
        del tables["age_sex"]
    if not any(tables["lesion_load"].values()):
        left_out["lesion_load"] = "there is no FLAIR"
        del tables["lesion_load"]
    baselines = [majority(label, subject, protocol)]
    for name, table in tables.items():
        columns = tuple(dict.fromkeys(column for scan in scans for column in table[scan.scan]))
        values = np.array([[table[scan.scan].get(column, np.nan) for column in columns] for scan in scans])
        measured = np.isin(columns, names)
        sites = (
            harmonise.of([scan.scan for scan in scans], measured) if harmonise and measured.any() else None
        )
        features = Features(columns, values, label, subject, sites)
        baselines.append(logistic(features, protocol, name=name, title=_title(name, sites, harmonise)))
    return baselines, left_out


def frozen_features(
    dataset: SliceDataset,
    features: npt.NDArray[np.floating],
    protocol: Protocol,
    harmonise: Harmonise | None = None,
) -> Baseline:
    """Make the baseline that trains nothing but a linear layer: on features of scans by the untrained network.

    The features of a scan are the means over its slices.

    Args:
        dataset: the slices of all subjects, to train on and to predict.
        features: (n_slices, d), such as the output of global average pooling, in the order of `dataset`.
        protocol: who is predicted.
        harmonise: how features are brought to one level over sites.

    Raises:
        InputError: see `logistic`.
    """
    scans, first, of_slice, slices = np.unique(
        dataset.scan, return_index=True, return_inverse=True, return_counts=True
    )
    sums = np.zeros((len(scans), features.shape[1]))
    np.add.at(sums, of_slice, features)
    rows = Features(
        tuple(f"feature_{number}" for number in range(features.shape[1])),
        sums / slices[:, None],
        dataset.label[first],
        np.array(dataset.subjects)[dataset.subject[first]],
        harmonise.of([dataset.scans[scan].scan for scan in scans], np.ones(features.shape[1], dtype=bool))
        if harmonise
        else None,
    )
    name = "frozen_features"
    return logistic(rows, protocol, name=name, title=_title(name, rows.sites, harmonise))


def age_and_sex(person: Mapping[str, str]) -> dict[str, float]:
    """Return age in years and sex (0 female, 1 male) as numbers, where they can be read.

    "89+", which keeps very old people from being known, is 89; other sexes than female and male are absent.

    Example:
        >>> age_and_sex({"age": "34.5", "sex": "Female"}), age_and_sex({"age": "old", "sex": "M"})
        ({'age': 34.5, 'sex': 0.0}, {'sex': 1.0})
    """
    numbers = {}
    try:
        age = float(person.get("age", "").removesuffix("+"))
    except ValueError:
        age = np.nan
    if np.isfinite(age):
        numbers["age"] = age
    sex = {"f": 0.0, "female": 0.0, "m": 1.0, "male": 1.0}.get(person.get("sex", "").casefold())
    if sex is not None:
        numbers["sex"] = sex
    return numbers


def _title(name: str, sites: Sites | None, harmonise: Harmonise | None) -> str:
    return BASELINES[name] + (f", harmonised by {harmonise.by} (ComBat)" if sites and harmonise else "")


def _chosen(measures: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> dict[str, dict[str, float]]:
    return {scan: {name: values[name] for name in names} for scan, values in measures.items()}
