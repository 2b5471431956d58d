/** The keyboard: what every key does, and the help that says so. */

import { element, tick } from "./elements";

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
    " ": events.flip, l: events.layout, L: events.layout, "+": () => events.zoom(1.25), "=": () => events.zoom(1.25), "-": () => events.zoom(0.8),
    ",": () => events.scanBy(-1), ".": () => events.scanBy(1), "?": events.help,
  };
  document.addEventListener("keydown", (event) => {
    // the key of a digit, wherever a keyboard has its signs; on the number pad what it writes
    const digit = /^Digit(\d)$/.exec(event.code)?.[1] ?? (/^\d$/.test(event.key) ? event.key : undefined);
    const action = digit === undefined ? actions[event.key]
      : () => events.layer((event.shiftKey ? 10 : 0) + ((Number(digit) + 9) % 10));
    if (event.key.length === 1 && !singleKeys) return;
    if (event.ctrlKey || event.metaKey || event.altKey || !action || belongsTo(event.target as HTMLElement, event.key)) return;
    event.preventDefault();
    action();
  });
}

/** What was pressed with a mouse gives the focus back, so that space is the viewer's key again. */
export function releaseAfterClick(): void {
  document.addEventListener("click", (event) => {
    const focused = document.activeElement;
    if (event.detail > 0 && focused instanceof HTMLElement && focused.matches('button, summary, input[type="checkbox"]') && !focused.closest("dialog"))
      focused.blur();
  });
}

/** Whether keys that write a sign do something: speech input may press them by mistake. */
let singleKeys = true;

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
    tick("Letters, digits, signs and space are keys of the viewer", singleKeys, (value) => { singleKeys = value; }),
    element("button", { type: "button", onclick: () => dialog.close() }, "Close"));
  return dialog;
}
