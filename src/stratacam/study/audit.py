"""A trained classifier of others and scans, as a study that trains nothing: maps, evidence and report."""

import filecmp
import json
import math
import re
import shutil
import tomllib
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from stratacam.errors import InputError
from stratacam.files import write_text
from stratacam.maps.pictures import picture_settings
from stratacam.networks import GivenCard
from stratacam.networks.cards import CARD, WEIGHTS, ModelCard, read_card
from stratacam.networks.files.open import what_is_there
from stratacam.networks.given import SECTION, check_given
from stratacam.networks.registry import GIVEN
from stratacam.scans.cohort.sources import check_out
from stratacam.scans.pictures import PictureSettings
from stratacam.scans.prepare import PrepareSettings
from stratacam.study.configuration import read_configuration

MODEL = "model"
"""Folder of the classifier and its card in that of the audit."""

CARD_OF_MODEL = "card.toml"
STUDY = "study.toml"
RESULTS = "study"
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
    own = _own_card(model)
    if card is None and own is None:
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
    given = check_given({**content.get(SECTION, {}), "file": str(model.resolve())}, card or model)
    _check_same(out, model, scans)
    described = {**content.get(SECTION, {}), "file": model.name}
    if card and given.network and given.network.partition(":")[0].endswith(".py"):
        described["network"] = str((card.parent / described["network"].partition(":")[0]).resolve()) + (
            ":" + described["network"].partition(":")[2]
        )
    _copy(model, folder / model.name)
    write_text(folder / CARD_OF_MODEL, _toml({SECTION: described}))
    settings = {name: content[name] for name in FROM_CARD if name in content}
    write_text(file, HEAD + _toml(_study(given, own, scans, settings)))
    return file


def _own_card(model: Path) -> ModelCard | None:
    """The card of a model that stratacam trained; None for a file of others.

    Raises:
        InputError: it is a folder of anything else, or lacks its weights.
    """
    if not model.is_dir():
        return None
    if not (model / CARD).is_file():
        inside = sorted(
            path.parent for end in ("*", "*/models/*", "models/*") for path in model.glob(f"{end}/{CARD}")
        )
        such = f", such as {inside[0]}" if inside else ""
        raise InputError(
            f"{model}: {what_is_there(model)}; expected the file of a classifier, or the folder of a model that "
            f"stratacam trained, with {CARD} and {WEIGHTS}: name that{such}."
        )
    if not (model / WEIGHTS).is_file():
        raise InputError(
            f"{model}: holds {CARD} and no {WEIGHTS}; expected both, as stratacam writes them: copy the whole folder."
        )
    return read_card(model)


def _check_same(out: Path, model: Path, scans: Path) -> None:
    """Refuse a folder with results of another classifier or other scans, which would be mixed with the new ones.

    Raises:
        InputError: it is such a folder.
    """
    if not (out / STUDY).is_file() or not (out / RESULTS).is_dir():
        return
    before = read_configuration(out / STUDY)
    judged = before.cohort.input
    if judged.resolve() != scans.resolve():
        raise InputError(
            f"{out}: holds the audit of a classifier on {judged}; expected a new folder for {scans}: choose another. "
            f"If the same scans have moved, correct cohort.input in {out / STUDY}."
        )
    copied = before.given.file if before.given else out
    names = (CARD, WEIGHTS) if model.is_dir() else ("",)
    if copied.name != model.name or not all(
        (copied / name).is_file() and filecmp.cmp(copied / name, model / name, shallow=False)
        for name in names
    ):
        raise InputError(
            f"{out}: holds the audit of {copied.name}, a classifier with other content than {model}; expected a new "
            "folder for each classifier: choose another."
        )


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
        "out": RESULTS,
        "cohort": cohort,
        "network": {"architecture": f"{GIVEN}{MODEL}/{CARD_OF_MODEL}"},
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
    flat = [name for name in (SECTION, *FROM_CARD[2:]) if not isinstance(content.get(name, {}), Mapping)]
    if flat:
        raise InputError(
            f"{card}: found {flat[0]} = {content[flat[0]]!r}; expected a section, [{flat[0]}], with a setting on each "
            "line: write it so."
        )
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
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for name, section in content.items():
        if isinstance(section, Mapping) and section:
            lines += ["", f"[{name}]", *(f"{_key(key)} = {_value(value)}" for key, value in section.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # nan, inf, which JSON writes otherwise
    if isinstance(value, date | time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
