"""A sentence on how each number of an evaluation is obtained."""

from stratacam.learning.evaluation.calibration import BINS, SUBJECT_BINS
from stratacam.learning.evaluation.intervals import PERMUTATIONS, POOLED_FOLDS

METHODS = {
    "interval": "95 % interval over subjects; it says how far other held-out subjects could bring the number, not "
    "another training. Accuracy, sensitivity, specificity: Clopper-Pearson with the mid-p correction. Balanced "
    "accuracy: from those of the recalls by MOVER (Zou and Donner 2008). AUROC of a group: Newcombe (2006), method 5, "
    "scaled towards the observed variance (DeLong et al. 1988), and at 0 and 1 no shorter than complete separation of "
    "so few subjects allows; macro AUROC: from those by MOVER with their "
    "correlations. There is none for slices, which are not independent, nor for Brier score, log loss and calibration "
    "error, for which none held its 95 % at few subjects.",
    "folds": f"predictions of all folds are pooled. Intervals are {POOLED_FOLDS:g} times as wide, since models of the "
    "folds share training subjects. What hardly depends on the scan falls below chance, because a fold's training "
    "subjects have fewer of a group the more of it are held out; and probabilities of several models share one scale "
    "in AUROC and calibration.",
    "chance": "accuracy: share of the largest group; balanced accuracy: 1 / groups; AUROC: 0.5; Brier score and log "
    "loss: of giving every subject the groups' shares.",
    "p_value": f"one-sided, over subjects: accuracy, exact binomial test against chance; balanced accuracy and macro "
    f"AUROC, {PERMUTATIONS} permutations of the held-out subjects' groups, the observed one counted. With pooled "
    "folds these tests would not be valid: baselines are trained again on permuted groups, and networks by `stratacam "
    "permute`; else null.",
    "subjects": "the group of the highest mean probability over the slices of each subject.",
    "subjects_majority": "the group that most slices of the subject are given; of equals, the one with the higher "
    "mean probability.",
    "auroc": "one group against all others, by the probability of the group; macro: mean over the groups that occur.",
    "brier": "squared differences between probabilities and truth, summed over groups: 0 to 2.",
    "log_loss": "in nats; probabilities are taken as 2.2e-16 at least.",
    "expected_calibration_error": f"over bins of equal width of the highest probability (Guo et al. 2017), {BINS} for "
    f"slices and {SUBJECT_BINS} for subjects. With few in a bin it is above 0 even for perfect probabilities.",
    "calibrated": "after temperature scaling fitted on validation slices (Guo et al. 2017); a subject's probability is "
    "the mean over its scaled slices. Predictions are those of the probabilities as they came.",
}
"""Written beside the numbers; the names are those of scores, and of their parts."""
