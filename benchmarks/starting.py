"""What `import stratacam` costs a process that has imported torch."""

import subprocess
import sys

IMPORTS = {
    "import stratacam": "import stratacam",
    "import stratacam; stratacam.explain": "import stratacam; stratacam.explain",
}

_MEASURE = "import time, torch; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def import_seconds(statement: str) -> float:
    """Seconds that `statement` takes after `import torch`, in a new process."""
    command = [sys.executable, "-c", _MEASURE.format(statement)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
