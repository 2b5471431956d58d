"""Milliseconds that NiiVue needs for a scan of 1 mm, a map over it and another slice, in headless Chromium.

    python -m benchmarks.niivue /usr/bin/chromium

Needs npm, which fetches NiiVue into a temporary folder.
"""

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.viewer import FLAGS

PAGE = """<!doctype html>
<body style="margin:0"><canvas id="gl" width="1000" height="700"></canvas>
<script type="module">{script}</script>
"""
MINUTES = 5


def main() -> None:
    """Build the page, open it, and print what it measured."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("chromium")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for name in ("package.json", "page.js"):
            shutil.copy(Path(__file__).parent / name, folder)
        bundle = ["npx", "esbuild", "page.js", "--bundle", "--format=esm", "--outfile=built.js"]
        bundle += ["--log-level=error"]
        for command in (
            ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
            bundle,
        ):
            subprocess.run(command, cwd=folder, check=True)
        script = Path(folder, "built.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
        Path(folder, "page.html").write_text(PAGE.replace("{script}", script), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=given.chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(Path(folder, "page.html").as_uri(), timeout=MINUTES * 60_000)
        page.wait_for_selector("html[data-done]", timeout=MINUTES * 60_000)
        for what, milliseconds in json.loads(page.title()).items():
            print(f"{what}: {milliseconds} ms")
        browser.close()


if __name__ == "__main__":
    main()
