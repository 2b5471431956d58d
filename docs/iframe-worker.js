/*
Search in pages that are opened from disk, for which browsers start no worker: the worker's script runs in a hidden frame.
It has what the search of Material for MkDocs uses of a worker: messages to it and from it.
*/
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<!doctype html>";
      this.inside = new Promise((ready, failed) => {
        frame.addEventListener("load", () => {
          const inside = frame.contentWindow;
          inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          const script = frame.contentDocument.createElement("script");
          script.addEventListener("load", () => ready(inside));
          script.addEventListener("error", () => failed(new Error(`${address}: the script of the search cannot be read.`)));
          script.src = address;
          frame.contentDocument.head.append(script);
        });
      });
      document.body.append(frame);
    }

    postMessage(data) {
      this.inside.then((inside) => inside.dispatchEvent(new inside.MessageEvent("message", { data })));
    }
  };
}
