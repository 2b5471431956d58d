/** What the reader chooses: scan, maps, class, image, and how the map is drawn. */

import { DIVERGING, SEQUENTIAL } from "./colours";
import { choice, element, slider, tick } from "./elements";
import { NORMALISATIONS, QUANTITIES, type Normalisation, type Quantity } from "./heat";
import { titleOf, type Model } from "./model";
import { outlineColour } from "./panes";
import { PLANES } from "./planes";
import type { State } from "./state";

export type Change = (change: Partial<State>) => void;

const numbered = (names: string[]): [string, string][] => names.map((name, place) => [String(place), name]);

export function controls(model: Model, change: Change): HTMLElement {
  const { study, state } = model;
  const view = model.view!;
  const { scan, store } = view;
  const several = store.members > 1;
  const colours = state.quantity === "signed"
    ? choice("Colours", DIVERGING.map((name) => [name, name]), state.signedColours, (value) => change({ signedColours: value }))
    : choice("Colours", SEQUENTIAL.map((name) => [name, name]), state.colours, (value) => change({ colours: value }));
  const quantities = (Object.entries(QUANTITIES) as [Quantity, string][])
    .filter(([key]) => several || key === "heat" || key === "signed");
  return element("section", { class: "panel controls", "aria-label": "Settings" },
    element("h2", {}, "Scan"),
    choice("Scan", study.scans.map((one) => [String(one.id), scanWords(one.name, one.group, one.predicted)]), String(state.scan),
      (value) => change({ scan: Number(value), at: null })),
    element("p", { class: "quiet" }, `${scan.group || "Group not known"}; predicted ${store.predicted} (${
      store.probabilities[store.classes.indexOf(store.predicted)].toFixed(2)}); ${store.in_training}.${study.without_maps
      ? ` ${study.scans.length} of ${study.scans.length + study.without_maps} prepared scans have maps.` : ""}`),
    damagedMaps(study.damaged),
    choice("Image", numbered(scan.sequences.map((one) => one.name)), String(state.sequence), (value) => change({ sequence: Number(value) })),
    element("h2", {}, "Map"),
    choice("Maps", numbered(scan.stores.map(titleOf)),
      String(state.store), (value) => change(otherStore(model, Number(value)))),
    choice("Class", numbered(store.explained.map((one) => one === store.predicted ? `${one} (predicted)` : one)),
      String(state.explained), (value) => change({ explained: Number(value) })),
    choice("Show", quantities, state.quantity, (value) => change({ quantity: value as Quantity })),
    choice("Normalisation", Object.entries(NORMALISATIONS), state.normalisation, (value) => change({ normalisation: value as Normalisation })),
    colours,
    slider("Opacity", state.opacity, (value) => change({ opacity: value })),
    slider("Threshold", state.threshold, (value) => change({ threshold: value })),
    several ? tick("Pale where fewer than half of the networks agree", state.fade, (value) => change({ fade: value })) : "",
    tick("Map over the anatomy (space)", state.overlay, (value) => change({ overlay: value })),
    element("h2", {}, "Outlines"),
    ...scan.masks.map((mask) => tick(mask.name, state.outlines.includes(mask.name), (value) => change({
      outlines: value ? [...state.outlines, mask.name] : state.outlines.filter((name) => name !== mask.name),
    }), outlineColour(view, mask.name))),
    scan.regions ? tick("Regions of the brain", state.regions, (value) => change({ regions: value })) : "",
    tick("Crosshair", state.crosshair, (value) => change({ crosshair: value })),
  );
}

/** Maps that cannot be read: how many, and which and why when opened. */
function damagedMaps(damaged: string[]): HTMLElement | string {
  if (!damaged.length) return "";
  return element("details", { class: "quiet damaged" },
    element("summary", {}, damaged.length === 1 ? "One store of maps is damaged." : `${damaged.length} stores of maps are damaged.`),
    element("ul", {}, ...damaged.map((one) => element("li", {}, one))));
}

/** Planes or layers, and the plane of the layers. */
export function layoutBar(model: Model, change: Change): HTMLElement {
  const { state } = model;
  const button = (words: string, on: boolean, press: () => void) =>
    element("button", { type: "button", "aria-pressed": on ? "true" : "false", onclick: press }, words);
  return element("div", { class: "switch", role: "group", "aria-label": "Layout" },
    button("Planes", state.layout === "planes", () => change({ layout: "planes" })),
    button("Layers", state.layout === "layers", () => change({ layout: "layers" })),
    ...(state.layout === "layers" ? PLANES.map((plane) => button(plane, state.plane === plane, () => change({ plane }))) : []),
  );
}

/** Another store, at the same layer where it has that. */
export function otherStore(model: Model, place: number): Partial<State> {
  const { scan, layer } = model.view!;
  const same = scan.stores[place].layers.findIndex((one) => one.name === layer.name);
  return { store: place, layer: Math.max(same, 0) };
}

function scanWords(name: string, group: string, predicted: string): string {
  const wrong = group && predicted && group !== predicted ? `, classified as ${predicted}` : "";
  return group ? `${name}: ${group}${wrong}` : name;
}
