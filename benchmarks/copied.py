"""Preparation that copies a scan which was prepared once, for `benchmarks.scale`."""

import shutil
from dataclasses import dataclass

from stratacam.study.steps.prepare import Prepare


@dataclass(frozen=True)
class Copied(Prepare):
    """A scan that is prepared by copying one that was, from the folder `model` beside the study's."""

    def do(self) -> None:
        """Copy every file, under the scan's name."""
        model = self.out.parent.parent / "model"
        for path in (path for path in model.rglob("*") if path.is_file()):
            place = path.relative_to(model).as_posix().replace("sub-model", f"sub-{self.scan.subject}")
            target = self.out / place
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".json":
                text = path.read_text(encoding="utf-8").replace("sub-model", f"sub-{self.scan.subject}")
                target.write_text(text, encoding="utf-8")
            else:
                shutil.copyfile(path, target)
