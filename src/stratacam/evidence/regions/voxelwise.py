"""Two groups compared voxel by voxel, with family-wise errors held by permutation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import nibabel
import numpy as np
from nilearn.maskers import NiftiMasker
from nilearn.mass_univariate import permuted_ols
from numpy.typing import NDArray
from scipy import ndimage

from stratacam.scans.resampling import Grid

Volume = NDArray[np.float32]

LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class VoxelwiseComparison:
    """What was found.

    Attributes:
        t: (X, Y, Z), of the first group less the second.
        log_p: (X, Y, Z), -log10 of the family-wise p-value of the largest t.
        log_p_tfce: (X, Y, Z), the same of threshold-free cluster enhancement.
        statement: in words.
    """

    t: Volume
    log_p: Volume
    log_p_tfce: Volume
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
    covariates: NDArray[np.float64] | None = None,
    covariate_names: Sequence[str] = (),
    permutations: int = 1000,
    seed: int = 0,
) -> VoxelwiseComparison:
    """Compare the maps of two groups, by nilearn's `permuted_ols`, two-sided, with the largest t and with TFCE.

    TFCE takes most of the time, which grows with the box around the voxels that differ and with the permutations.

    Args:
        maps: (subjects, X, Y, Z), NaN where a subject's slices do not reach; only voxels that those of all subjects
            of the two groups reach are compared.
        groups: of the subjects.
        pair: the two groups; subjects of others are left out.
        mask: (X, Y, Z), where to compare.
        grid: of the maps.
        covariates: (subjects, c), regressed out.
        covariate_names: for the statement.
        permutations: how many.
        seed: of these.
    """
    chosen = [number for number, group in enumerate(groups) if group in pair]
    tested = np.array([1.0 if groups[number] == pair[0] else -1.0 for number in chosen])[:, None]
    seen = mask & ~np.isnan(maps[chosen]).any(axis=0)
    varies = seen & (np.where(seen, maps[chosen], 0).std(axis=0) > 0)
    counts = [sum(groups[number] == group for number in chosen) for group in pair]
    if not varies.any():
        nothing = np.zeros(grid.shape, dtype=np.float32)
        words = (
            f"{pair[0]} ({counts[0]}) less {pair[1]} ({counts[1]}): all maps are alike, nothing was compared."
        )
        return VoxelwiseComparison(nothing, nothing, nothing, words)
    (box,) = ndimage.find_objects(varies.astype(np.uint8))
    image = nibabel.Nifti1Image(varies[box].astype(np.uint8), grid.affine)
    masker = NiftiMasker(mask_img=image, standardize=None).fit()
    found = permuted_ols(
        tested,
        maps[chosen][:, varies].astype(np.float64),
        confounding_vars=None if covariates is None else covariates[chosen],
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

    return VoxelwiseComparison(
        t=volume(found["t"]),
        log_p=volume(found["logp_max_t"]),
        log_p_tfce=volume(found["logp_max_tfce"]),
        statement=_statement(
            pair,
            counts,
            int(varies.sum()),
            float(seen.sum() / mask.sum()),
            covariates=covariate_names,
            permutations=permutations,
        ),
    )


def _statement(
    pair: tuple[str, str],
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
        f"{pair[0]} ({counts[0]}) less {pair[1]} ({counts[1]}) in {voxels} voxels{beside}: two-sided, family-wise "
        f"error over voxels by {permutations} permutations, for the largest t and for threshold-free cluster "
        f"enhancement. The slices of all these subjects reach {seen:.0%} of the brain; the rest was not "
        f"compared.{limit}"
    )
