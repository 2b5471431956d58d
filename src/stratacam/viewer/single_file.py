"""One scan as a single file: the page with everything that the server would answer in it, to open from disk or send."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from stratacam.errors import InputError
from stratacam.files import write_text
from stratacam.viewer.answers import LayerAnswer, ScanAnswer, StoreAnswer
from stratacam.viewer.built import BuiltPage
from stratacam.viewer.content import Viewed

MAXIMUM_BYTES = 25_000_000
"""Of a file: what mail and most hospitals' portals take."""

SPARE = 2000
"""Bytes set aside for words on what is left out beside maps."""

LABEL = "Scan"
"""What a scan is called where nobody asks for another name."""

SCRIPT = '<script src="viewer.js" defer></script>'
STYLE = '<link rel="stylesheet" href="viewer.css">'
POLICY_AT = '<meta charset="utf-8">'


@dataclass
class _File:
    """Blocks of data, as long as there is room for them."""

    room: int
    blocks: list[str] = field(default_factory=list)

    def add(self, path: str, kind: str, text: str) -> bool:
        """Add what is asked for under a path; False if there is no room."""
        block = f'<script type="{kind}" data-path="{path}">{text}</script>\n'
        size = len(block.encode())
        if size > self.room:
            return False
        self.room -= size
        self.blocks.append(block)
        return True

    def add_json(self, path: str, answer: object) -> bool:
        """Add an answer."""
        return self.add(path, "application/json", _as_json(answer))

    def add_bytes(self, path: str, content: bytes) -> bool:
        """Add a volume."""
        return self.add(path, "application/octet-stream", base64.b64encode(content).decode("ascii"))


def write_page(
    viewed: Viewed, page: BuiltPage, name: str, out: Path, *, label: str = LABEL, maximum: int = MAXIMUM_BYTES
) -> ScanAnswer:
    """Write the page of one scan to a file.

    Maps have 8 bits. What there is no room for is left out, the shallowest layers and the spread of networks first, and
    the page says so.

    Args:
        viewed: the study.
        page: as built.
        name: of the scan or its subject.
        out: the file.
        label: what the scan is called in the file, in which its name does not occur.
        maximum: bytes of the file.

    Returns:
        What is in the file.

    Raises:
        InputError: there is no such scan, or not even its image has room.
    """
    one = viewed.only(name, label)
    scan = one.scan(0)
    longest = replace(scan, left_out=[*_left_out(scan, set())])
    file = _File(maximum - len(_document(page, "").encode()) - len(_as_json(longest).encode()) - SPARE)
    file.add_json("api/study", one.study())
    for store in scan.stores:
        file.add_json(f"api/stores/{store.id}/chart", one.chart(store.id))
    sequences = [
        sequence
        for sequence in scan.sequences
        if file.add_bytes(f"api/scans/0/images/{sequence.id}", one.image(0, sequence.id, packed=True))
    ]
    if not sequences:
        raise InputError(
            f"{out}: {maximum / 1e6:g} MB have no room for an image of {name}; use `stratacam view` without --export."
        )
    kept = _add_maps(file, one, scan)
    masks = [
        mask
        for mask in scan.masks
        if file.add_bytes(f"api/scans/0/masks/{mask.id}", one.mask(0, mask.id, packed=True))
    ]
    named = scan.regions and file.add_bytes("api/scans/0/regions", one.regions(0, packed=True))
    named = named and file.add_json("api/atlas", one.atlas())
    left_out = [
        *(f"image {sequence.name}" for sequence in scan.sequences if sequence not in sequences),
        *_left_out(scan, kept),
        *(f"outline of {mask.name}" for mask in scan.masks if mask not in masks),
        *(["regions"] if scan.regions and not named else []),
    ]
    content = replace(
        scan,
        sequences=sequences,
        masks=masks,
        regions=named,
        stores=[replace(store, layers=_layers_kept(store, kept)) for store in scan.stores],
        left_out=left_out,
    )
    file.room = maximum  # room for it was set aside
    file.add_json("api/scans/0", content)
    write_text(out, _document(page, "".join(file.blocks)))
    return content


Kept = set[tuple[int, int, str]]
"""Store, layer and part that are in the file."""


def _add_maps(file: _File, one: Viewed, scan: ScanAnswer) -> Kept:
    """Add the maps of every layer, deep before shallow; then where networks agree, then their spread."""
    kept: Kept = set()
    for part in ("mean", "agreement", "spread"):
        for store, layer in _deep_first(one, scan):
            if part not in layer.parts:
                continue
            base = f"api/stores/{store.id}/layers/{layer.id}"
            added = [
                file.add_bytes(
                    f"{base}/classes/{explained}/{part}",
                    one.map(store.id, layer.id, explained, part, packed=True),
                )
                for explained in range(len(store.explained))
            ]
            if all(added):
                kept.add((store.id, layer.id, part))
                if part == "mean":
                    file.add_json(f"{base}/range", one.range(store.id, layer.id))
    return kept


def _deep_first(one: Viewed, scan: ScanAnswer) -> Iterator[tuple[StoreAnswer, LayerAnswer]]:
    """The layer that is seen first, then all others."""
    first = one.study().first
    every = [(store, layer) for store in scan.stores for layer in reversed(store.layers)]
    every.sort(key=lambda pair: (pair[0].id, pair[1].id) != (first.store, first.layer))
    yield from every


def _layers_kept(store: StoreAnswer, kept: Kept) -> list[LayerAnswer]:
    return [
        replace(layer, parts=[part for part in layer.parts if (store.id, layer.id, part) in kept])
        for layer in store.layers
    ]


def _left_out(scan: ScanAnswer, kept: Kept) -> Iterator[str]:
    """Parts of maps that are not in the file, in words."""
    words: dict[str, Callable[[str], str]] = {
        "mean": lambda layer: f"maps of {layer}",
        "agreement": lambda layer: f"agreement of networks at {layer}",
        "spread": lambda layer: f"spread of networks at {layer}",
    }
    for store in scan.stores:
        for layer in store.layers:
            for part in layer.parts:
                if (store.id, layer.id, part) not in kept:
                    yield words[part](layer.title)


def _document(page: BuiltPage, data: str) -> str:
    """The page with its script, its style and data within it; nothing else may run, and nothing be fetched."""
    policy = (
        f"default-src 'none'; script-src '{_hash(page.script)}'; style-src '{_hash(page.style)}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    parts = {
        POLICY_AT: f'{POLICY_AT}\n<meta http-equiv="Content-Security-Policy" content="{policy}">',
        STYLE: f"<style>{page.style}</style>",
        SCRIPT: f"{data}<script>{page.script}</script>",
    }
    html = page.html
    for mark, content in parts.items():
        before, found, after = html.partition(mark)
        if not found:
            raise ValueError(f"the built page lacks {mark}")
        html = before + content + after
    return html


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _as_json(answer: object) -> str:
    """An answer as JSON that no parser of HTML takes for a tag."""
    text = json.dumps(asdict(answer), ensure_ascii=False, allow_nan=False)  # type: ignore[call-overload]
    return str(text).replace("<", "\\u003c")
