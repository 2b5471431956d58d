"""A software bill of materials in the format CycloneDX: `make sbom`, or `python -m release.sbom [FILE]`.

The same environment gives the same bytes, up to its time, which is `SOURCE_DATE_EPOCH` where that is set.
"""

import json
import os
import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.utils import canonicalize_name

from release.dependencies import BASE, PROJECT, ROOT, Dependency, find, parts, roots

NAME, VERSION = PROJECT["name"], PROJECT["version"]


def purl(name: str, version: str) -> str:
    """The address of a package in every format for such bills: "pkg:pypi/numpy@2.4.6"."""
    return f"pkg:pypi/{canonicalize_name(name)}@{quote(version)}"


def component(one: Dependency) -> dict[str, Any]:
    """What the bill says of a package."""
    version = one.distribution.version
    reference = purl(one.name, version)
    licences: list[dict[str, Any]] = []
    if one.expression:
        licences = [{"expression": one.expression}]
    elif one.licence:
        licences = [{"license": {"name": one.licence}}]
    return {
        "type": "library",
        "bom-ref": reference,
        "name": one.name,
        "version": version,
        "purl": reference,
        "licenses": licences,
    }


def bill(now: datetime) -> dict[str, Any]:
    """The whole bill of what this Python has installed, with every extra of which nothing is missing."""
    _, missing = find([BASE])
    if missing:
        sys.exit(
            f"release.sbom: found no {', '.join(sorted(missing))} installed; expected all that every installation "
            "needs: `pip install -c constraints.txt .`, or `make sbom`."
        )
    held = [part for part in parts() if not find([part])[1]]
    found, _ = find(held)
    components = [component(found[name]) for name in sorted(found)]
    reference = {name: purl(one.name, one.distribution.version) for name, one in found.items()}
    needed = {reference[canonicalize_name(one.name)] for part in held for one in roots(part)}
    graph = [{"ref": purl(NAME, VERSION), "dependsOn": sorted(needed)}]
    graph += [
        {"ref": reference[name], "dependsOn": sorted(reference[one] for one in found[name].needs)}
        for name in sorted(found)
    ]
    content = json.dumps([components, graph], sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "component": {
                "type": "application",
                "bom-ref": purl(NAME, VERSION),
                "name": NAME,
                "version": VERSION,
                "purl": purl(NAME, VERSION),
                "licenses": [{"expression": PROJECT["license"]}],
                "properties": [{"name": "stratacam:extras", "value": ", ".join(held[1:])}],
            },
        },
        "components": components,
        "dependencies": graph,
    }


def main() -> None:
    """Write the bill to the file that is named, or to dist/."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / f"{NAME}-{VERSION}.cdx.json"
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(bill(now), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
