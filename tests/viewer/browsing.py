"""A headless Chromium that records what it asks for, and a server in this process."""

import base64
import io
import shutil
import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import uvicorn
from PIL import Image

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium():
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def serving(application):
    """Where an application is served: `http://127.0.0.1:<port>`."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


class Visit:
    """A page of the browser; what it asked for, and what went wrong in it."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        self.page = self.context.new_page()
        self.asked, self.faults = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on(
            "console", lambda message: self.faults.append(message.text) if message.type != "log" else None
        )
        self.page.on("pageerror", lambda fault: self.faults.append(str(fault)))
        self.page.goto(address)
        self.settle()

    def settle(self):
        """Wait until all is drawn."""
        self.page.wait_for_selector("html[data-complete]:not([data-busy])")

    def follow(self, fragment):
        """Open a link in the page that is there."""
        self.page.evaluate(
            "fragment => new Promise(done => { addEventListener('hashchange', done, {once: true});"
            " location.hash = fragment; })",
            fragment,
        )
        self.settle()

    def address(self):
        """The address, when it says what is shown."""
        self.page.wait_for_selector("html[data-address]")
        return self.page.url

    def notice(self):
        """What the page says went wrong, or is otherwise than wanted."""
        return " ".join(self.page.locator(".notice:visible").all_inner_texts())

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def choose(self, label, option):
        self.page.get_by_label(label, exact=True).select_option(label=option)
        self.settle()

    def click(self, pane, row, column):
        """Click at a pixel of a pane."""
        canvas = self.page.locator(".pane canvas").nth(pane)
        rows, columns = self.canvas(pane).shape[:2]
        box = canvas.bounding_box()
        canvas.click(position={"x": column * box["width"] / columns, "y": row * box["height"] / rows})
        self.settle()

    def canvas(self, place=0):
        """The pixels of a pane, (rows, columns, 3)."""
        url = self.page.locator(".pane canvas").nth(place).evaluate("canvas => canvas.toDataURL()")
        return np.asarray(
            Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
        ).astype(int)

    def canvases(self):
        return [self.canvas(place) for place in range(self.page.locator(".pane canvas").count())]

    def read(self, term):
        """What stands under the crosshair for a term."""
        return self.page.locator(f'.readout dt:text-is("{term}") + dd').inner_text()

    def place(self):
        """World coordinates of the crosshair in mm."""
        return np.array(
            [
                float(one.replace("\N{MINUS SIGN}", "-"))
                for one in self.read("Place").partition(" mm")[0].split(", ")
            ]
        )


def colour_of(pixels):
    """How far each pixel of a picture is from grey; 0 where it is nearly grey, as words are."""
    found = np.ptp(pixels, axis=2)
    return np.where(found > 30, found, 0)
