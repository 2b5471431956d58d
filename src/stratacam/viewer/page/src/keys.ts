/** The keyboard: what every key does, and the help that says so. */

import { element } from "./elements";

export interface KeyEvents {
  step(slices: number): void;
  layer(place: number): void;
  layerBy(places: number): void;
  scanBy(places: number): void;
  flip(): void;
  layout(): void;
  zoom(factor: number): void;
  help(): void;
}

const HELP: [string, string][] = [
  ["wheel, ↑ ↓, page up and down", "slice by slice in the plane used last; with page keys five"],
  ["click, drag", "move the crosshair"],
  ["1 … 9, 0; with shift", "first to tenth layer; eleventh to twentieth"],
  ["← →", "one layer shallower or deeper"],
  ["space", "map, or anatomy alone"],
  ["l", "three planes, or all layers side by side"],
  ["+ −, Ctrl and wheel", "zoom"],
  [", .", "previous and next scan"],
  ["?", "this help"],
];

export function listen(events: KeyEvents): void {
  const actions: Record<string, () => void> = {
    ArrowUp: () => events.step(1), ArrowDown: () => events.step(-1),
    PageUp: () => events.step(5), PageDown: () => events.step(-5),
    ArrowLeft: () => events.layerBy(-1), ArrowRight: () => events.layerBy(1),
    " ": events.flip, l: events.layout, "+": () => events.zoom(1.25), "=": () => events.zoom(1.25), "-": () => events.zoom(0.8),
    ",": () => events.scanBy(-1), ".": () => events.scanBy(1), "?": events.help,
  };
  for (let place = 0; place < 10; place++) actions[String((place + 1) % 10)] = () => events.layer(place);
  document.addEventListener("keydown", (event) => {
    const action = event.shiftKey && /^Digit\d$/.test(event.code)
      ? () => events.layer(10 + ((Number(event.code[5]) + 9) % 10)) : actions[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || !action || belongsTo(event.target as HTMLElement, event.key)) return;
    event.preventDefault();
    action();
  });
}

/** Whether a key does something of its own in the element that has the focus. */
function belongsTo(target: HTMLElement, key: string): boolean {
  if (target.closest("dialog")) return true;
  if (target.matches("select")) return /^(\w| |Arrow.*|Page.*)$/.test(key);
  if (target.matches('input[type="range"]')) return /^(Arrow|Page)/.test(key);
  return key === " " && target.matches("input, button, summary, a");
}

export function helpDialog(): HTMLDialogElement {
  const dialog = element("dialog", { "aria-label": "Help" },
    element("h2", {}, "Keys"),
    element("dl", {}, ...HELP.flatMap(([keys, words]) => [element("dt", {}, keys), element("dd", {}, words)])),
    element("p", { class: "quiet" }, "R is the patient’s right, which is on the left of the picture, as in radiology. "
      + "The address in the browser holds the view: copied, it shows the same again."),
    element("button", { type: "button", onclick: () => dialog.close() }, "Close"));
  return dialog;
}
