"""A trained classifier of others and scans, as a study that trains nothing: maps, evidence and report."""

import json
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.files import write_text
from stratacam.maps.pictures import picture_settings
from stratacam.networks import GivenCard, read_given
from stratacam.networks.cards import CARD, WEIGHTS, ModelCard, read_card
from stratacam.networks.given import SECTION
from stratacam.networks.registry import GIVEN
from stratacam.scans.cohort.sources import check_out
from stratacam.scans.pictures import PictureSettings
from stratacam.scans.prepare import PrepareSettings

MODEL = "model"
"""Folder of the classifier and its card in that of the audit."""

STUDY = "study.toml"
HEAD = "# What `stratacam audit` judged, and how. `stratacam run` on this file does again what has changed.\n"

FROM_CARD = ("name", "seed", "cohort", "prepare", "pictures", "explain", "confounds", "evidence", "run")
"""Settings of a study that a card may hold beside `[model]`."""


def write_audit(model: Path, scans: Path, out: Path, card: Path | None = None) -> Path:
    """Copy a classifier and its card into `out`, and write the study that judges it; return the study's file.

    Args:
        model: a file, see `stratacam.open_model`, or the folder of a model that stratacam trained.
        scans: a cohort as delivered.
        out: folder of the audit.
        card: see `stratacam.networks.GivenCard`, with sections of a study's settings if wanted; of a model that
            stratacam trained its own card is enough.

    Raises:
        InputError: there is no such classifier, its card is absent or is none, or `out` holds another study.
    """
    check_out(out, model, scans)
    own = (model / CARD).is_file()
    if card is None and not own:
        raise InputError(
            f"{model}: found no card; expected --card FILE, a TOML file with the section [{SECTION}] that names at "
            'least the classes, such as classes = ["control", "MS"], in the order of the outputs.'
        )
    file, content = out / STUDY, _read(card) if card else {}
    if file.is_file() and not file.read_text(encoding="utf-8").startswith(HEAD):
        raise InputError(
            f"{file}: is of another study; expected a new folder, or that of an audit: choose one."
        )
    folder = out / MODEL
    described = {**content.get(SECTION, {}), "file": model.name}
    if card and described.get("network", "").partition(":")[0].endswith(".py"):
        described["network"] = str((card.parent / described["network"].partition(":")[0]).resolve()) + (
            ":" + described["network"].partition(":")[2]
        )
    _copy(model, folder / model.name)
    write_text(folder / "card.toml", _toml({SECTION: described}))
    given = read_given(folder / "card.toml")
    settings = {name: content[name] for name in FROM_CARD if name in content}
    write_text(file, HEAD + _toml(_study(given, read_card(model) if own else None, scans, settings)))
    return file


def _study(
    given: GivenCard, own: ModelCard | None, scans: Path, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings of the study that judges a classifier."""
    known = _of_own(own) if own else {"pictures": {"dimensions": given.dimensions}}
    sections = {
        name: {**known.get(name, {}), **settings.get(name, {})}
        for name in FROM_CARD
        if name not in {"name", "seed"}
    }
    cohort = {**sections.pop("cohort"), "input": str(scans.resolve()), "groups": list(given.classes)}
    return {
        "name": settings.get("name", f"Audit of {given.file.name}"),
        "seed": settings.get("seed", 0),
        "out": "study",
        "cohort": cohort,
        "network": {"architecture": f"{GIVEN}{MODEL}/card.toml"},
        **sections,
        "explain": {"subjects": "test", **sections["explain"]},
    }


def _of_own(card: ModelCard) -> dict[str, Any]:
    """How the scans and pictures of a model of this package were made."""
    pictures = picture_settings(card).model_dump(mode="json", exclude_defaults=True)
    prepare = {
        key: value
        for key, value in card.input.get("normalisation", {}).items()
        if key in PrepareSettings.model_fields and value is not None
    }
    return {
        "cohort": {"sequences": list(card.input.get("prepared", card.input["sequences"]))},
        "pictures": {key: value for key, value in pictures.items() if key in PictureSettings.model_fields},
        "prepare": prepare,
    }


def _read(card: Path) -> dict[str, Any]:
    """The content of a card, whose sections are `[model]` and some of a study's."""
    try:
        content = tomllib.loads(card.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise InputError(
            f"{card}: is no TOML ({fault}); expected the card of a classifier: mend it."
        ) from fault
    if SECTION not in content:
        content = {SECTION: content}
    unknown = sorted({*content} - {SECTION, *FROM_CARD})
    if unknown:
        raise InputError(
            f"{card}: found the settings {', '.join(unknown)}; expected [{SECTION}] and, of a study, "
            f"{', '.join(FROM_CARD)}: take the others out."
        )
    return content


def _copy(source: Path, target: Path) -> None:
    """Copy a file, or of a model of this package its card and weights; nothing where it is the same already."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        target.mkdir(exist_ok=True)
        for name in (CARD, WEIGHTS):
            shutil.copy2(source / name, target / name)
        return
    shutil.copy2(source, target)


def _toml(content: Mapping[str, Any]) -> str:
    """Settings as TOML: values first, then sections; dictionaries in sections are inline."""
    plain = {key: value for key, value in content.items() if not isinstance(value, Mapping)}
    lines = [f"{key} = {_value(value)}" for key, value in plain.items()]
    for name, section in content.items():
        if isinstance(section, Mapping) and section:
            lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in section.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
