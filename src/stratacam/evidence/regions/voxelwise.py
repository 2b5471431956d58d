"""Two groups compared voxel by voxel, with family-wise errors held by permutation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.evidence.regions.ancova import numbered, obstacle, unexplained
from stratacam.scans.resampling import Grid

Volume = NDArray[np.float32]

LEVEL = 0.05

LEAST = 3
"""Subjects named whose slices reach least."""


@dataclass(frozen=True, eq=False)
class VoxelwiseComparison:
    """What was found.

    Attributes:
        t: (X, Y, Z), of the first group less the second.
        log_p: (X, Y, Z), -log10 of the family-wise p-value of the largest t.
        log_p_tfce: (X, Y, Z), the same of threshold-free cluster enhancement.
        voxels: in how many; 0: nothing was compared.
        statement: in words.
    """

    t: Volume
    log_p: Volume
    log_p_tfce: Volume
    voxels: int
    statement: str

    def summary(self, comparisons: int = 1) -> dict[str, float]:
        """Of each statistic the smallest family-wise p-value, and how many voxels have one of at most 0.05.

        Args:
            comparisons: for how many comparisons, of which this is one, p-values are corrected (Bonferroni).
        """
        found: dict[str, float] = {}
        for name, log_p in (("t", self.log_p), ("tfce", self.log_p_tfce)):
            found[f"smallest_p_{name}"] = min(float(10.0 ** -log_p.max()) * comparisons, 1.0)
            found[f"voxels_{name}"] = int((log_p >= -math.log10(LEVEL / comparisons) - 1e-9).sum())
        return found


def compare_voxels(
    maps: Volume,
    groups: Sequence[str],
    pair: tuple[str, str],
    mask: NDArray[np.bool_],
    grid: Grid,
    *,
    subjects: Sequence[str] = (),
    covariates: NDArray[np.float64] | None = None,
    covariate_names: Sequence[str] = (),
    permutations: int = 1000,
    seed: int = 0,
) -> VoxelwiseComparison:
    """Compare the maps of two groups, by nilearn's `permuted_ols`, two-sided, with the largest t and with TFCE.

    TFCE takes most of the time, which grows with the box around the voxels that differ and with the permutations.
    Nothing is compared where the groups cannot be told apart from a covariate, or few degrees of freedom are left;
    voxels that do not vary within the groups beside the covariates are left out.

    Args:
        maps: (subjects, X, Y, Z), NaN where a subject's slices do not reach; only voxels that those of all subjects
            of the two groups reach are compared.
        groups: of the subjects.
        pair: the two groups; subjects of others are left out.
        mask: (X, Y, Z), where to compare.
        grid: of the maps.
        subjects: their names, for the statement.
        covariates: (subjects, c), regressed out.
        covariate_names: of their columns.
        permutations: how many.
        seed: of these.
    """
    from nilearn.maskers import NiftiMasker  # noqa: PLC0415 - as in scans/mni152.py
    from nilearn.mass_univariate import permuted_ols  # noqa: PLC0415

    covariate_names = covariate_names or numbered(covariates)
    chosen = [number for number, group in enumerate(groups) if group in pair]
    label = np.array([int(groups[number] == pair[0]) for number in chosen])
    beside = None if covariates is None else covariates[chosen]
    reached = mask & ~np.isnan(maps[chosen])
    seen = np.asarray(reached.all(axis=0))
    counts = (int(label.sum()), int((1 - label).sum()))
    who = f"{pair[0]} ({counts[0]}) less {pair[1]} ({counts[1]})"
    heat = maps[chosen][:, seen].astype(np.float64)
    why_not = obstacle(label, beside, covariate_names)
    if not seen.any():
        names = [subjects[number] if subjects else f"subject {number + 1}" for number in chosen]
        why_not = f"no voxel is reached by the slices of all{_few(names, reached, mask)}"
    varies = seen.copy()
    if not why_not:
        varies[seen] = unexplained(heat, label, beside)
        if not varies.any():
            alike = bool((heat == heat[0]).all())
            within = "within the groups, beside the covariates" if beside is not None else "within the groups"
            why_not = "all maps are alike" if alike else f"nothing varies {within}"
    if why_not:
        nothing = np.zeros(grid.shape, dtype=np.float32)
        words = f"{who}: nothing was compared, as {why_not}."
        return VoxelwiseComparison(nothing, nothing, nothing, 0, words)
    (box,) = ndimage.find_objects(varies.astype(np.uint8))
    image = nibabel.Nifti1Image(varies[box].astype(np.uint8), grid.affine)
    masker = NiftiMasker(mask_img=image, standardize=None).fit()
    found = permuted_ols(
        2.0 * label[:, None] - 1,
        maps[chosen][:, varies].astype(np.float64),
        confounding_vars=beside,
        n_perm=permutations,
        two_sided_test=True,
        random_state=seed,
        n_jobs=1,
        tfce=True,
        masker=masker,
        output_type="dict",
    )

    def volume(values: NDArray[np.float64]) -> Volume:
        laid = np.zeros(grid.shape, dtype=np.float32)
        laid[varies] = values[0]
        return laid

    left_out = int(seen.sum() - varies.sum())
    constant = f" {left_out} voxel(s) that vary in no group were left out." if left_out else ""
    return VoxelwiseComparison(
        t=volume(found["t"]),
        log_p=volume(found["logp_max_t"]),
        log_p_tfce=volume(found["logp_max_tfce"]),
        voxels=int(varies.sum()),
        statement=_statement(
            who,
            counts,
            int(varies.sum()),
            float(seen.sum() / mask.sum()),
            covariates=tuple(dict.fromkeys(covariate_names)),
            permutations=permutations,
        )
        + constant,
    )


def _few(names: Sequence[str], reached: NDArray[np.bool_], mask: NDArray[np.bool_]) -> str:
    """Whose slices reach least of the mask."""
    shares = reached.reshape(len(names), -1).sum(axis=1) / max(int(mask.sum()), 1)
    least = np.argsort(shares, kind="stable")[:LEAST]
    return (
        "; those of "
        + ", ".join(f"{names[number]} ({shares[number]:.0%})" for number in least)
        + " reach least"
    )


def _statement(
    who: str,
    counts: Sequence[int],
    voxels: int,
    seen: float,
    *,
    covariates: Sequence[str],
    permutations: int,
) -> str:
    ways = math.comb(sum(counts), counts[0])
    mirrored = 2 if counts[0] == counts[1] else 1  # of groups of one size, each way has its mirror image
    limit = (
        f" There are only {ways} ways to share these subjects out, so that no p-value can fall below "
        f"{mirrored / ways:.3f}."
        if ways < permutations and not covariates
        else ""
    )
    beside = f", beside {' and '.join(covariates)}" if covariates else ""
    return (
        f"{who} in {voxels} voxels{beside}: two-sided, family-wise "
        f"error over voxels by {permutations} permutations, for the largest t and for threshold-free cluster "
        f"enhancement. The slices of all these subjects reach {seen:.0%} of the brain; the rest was not "
        f"compared.{limit}"
    )
