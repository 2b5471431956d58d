"""Whether heat is true to the network: what its score does when hot or cold pixels are taken away."""

from stratacam.evidence.faithfulness.curves import faithfulness

__all__ = ["faithfulness"]
