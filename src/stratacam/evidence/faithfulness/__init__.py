"""Whether heat is faithful to the network: how its score changes when hot or cold pixels are removed."""

from stratacam.evidence.faithfulness.curves import faithfulness

__all__ = ["faithfulness"]
