"""A sentence on how each number of an evaluation is obtained."""

from stratacam.learning.evaluation.calibration import BINS, SUBJECT_BINS
from stratacam.learning.evaluation.intervals import PERMUTATIONS, RESAMPLES

METHODS = {
    "bootstrap": f"95 % percentile interval over {RESAMPLES} resamples of subjects, with all slices of each; it says "
    "how far other held-out subjects could bring the number, not another training. "
    "The balanced accuracy of a resample is the mean recall over the groups present in it; resamples that lack what "
    "a sensitivity, specificity or AUROC needs (for the macro AUROC, any group) are left out, and there is no "
    "interval where these are more than a quarter.",
    "small_sample": "95 % interval for few subjects, where the bootstrap degenerates (no width when all are "
    "right): accuracy, sensitivity and specificity, exact Clopper-Pearson; balanced accuracy, posterior of the mean "
    "recall with uniform priors (Brodersen et al. 2010), extended to the observed value where that lies outside.",
    "folds": "predictions of all folds are pooled. What hardly depends on the scan then falls below chance, because a "
    "fold's training subjects have fewer of a group the more of it are held out; and probabilities of several models "
    "share one scale in AUROC and calibration.",
    "chance": "accuracy: share of the largest group; balanced accuracy: 1 / groups; AUROC: 0.5; Brier score and log "
    "loss: of giving every subject the groups' shares.",
    "p_value": f"one-sided, over subjects: accuracy, exact binomial test against chance; balanced accuracy and macro "
    f"AUROC, {PERMUTATIONS} permutations of the subjects' groups, the observed one counted; the network is not "
    "trained again for each.",
    "subjects": "the group of the highest mean probability over the slices of each subject.",
    "subjects_majority": "the group that most slices of the subject are given; of equals, the one with the higher "
    "mean probability.",
    "auroc": "one group against all others, by the probability of the group; macro: mean over the groups that occur.",
    "brier": "squared differences between probabilities and truth, summed over groups: 0 to 2.",
    "log_loss": "in nats; probabilities are taken as 2.2e-16 at least.",
    "expected_calibration_error": f"over bins of equal width of the highest probability (Guo et al. 2017), {BINS} for "
    f"slices and {SUBJECT_BINS} for subjects. With few in a bin it is above 0 even for perfect probabilities, and "
    "resampling adds to it, so that its interval may lie above it.",
    "calibrated": "after temperature scaling fitted on validation slices (Guo et al. 2017); a subject's probability is "
    "the mean over its scaled slices. Predictions are those of the probabilities as they came.",
}
"""Written beside the numbers; the names are those of scores, and of their parts."""
