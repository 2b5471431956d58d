"""Nothing is said of what a network learned unless it was shown that it learned."""

NOT_LEARNED = "the network was not shown to do better than chance on people held out"
"""The reason for which no map of such a network is recommended."""


def not_learned(learnt: bool | None) -> str:
    """Why nothing is said of a network; "" where something is.

    Args:
        learnt: whether it was shown to do better than chance on people held out; None: not known.
    """
    if learnt is None:
        return "whether the network learned was not measured"
    return "" if learnt else NOT_LEARNED
