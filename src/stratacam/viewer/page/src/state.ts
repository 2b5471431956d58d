/** What is looked at, and how: everything that a link reproduces. */

import type { Normalisation, Quantity } from "./heat";

export interface State {
  scan: number;
  /** Place among the stores of the scan, and in the lists of that store. */
  store: number;
  explained: number;
  layer: number;
  sequence: number;
  quantity: Quantity;
  normalisation: Normalisation;
  /** Raw value that is drawn as 1 where nothing is normalised; 0: not known yet. */
  scale: number;
  /** Colour map of values from 0, and of signed ones. */
  colours: string;
  signedColours: string;
  opacity: number;
  threshold: number;
  /** Whether heat is pale where fewer than half of the networks agree. */
  fade: boolean;
  /** Whether the map is drawn over the anatomy. */
  overlay: boolean;
  crosshair: boolean;
  /** Structures that are outlined, by name, and whether regions are. */
  outlines: string[];
  regions: boolean;
  layout: "planes" | "layers";
  plane: "axial" | "coronal" | "sagittal";
  zoom: number;
  /** The crosshair, RAS millimetres; null until the first image is there. */
  at: [number, number, number] | null;
  /** Title of the measure that is charted; "": the first. */
  measure: string;
}

export const INITIAL: State = {
  scan: 0, store: 0, explained: 0, layer: 0, sequence: 0,
  quantity: "heat", normalisation: "scan", scale: 0, colours: "plasma", signedColours: "coolwarm",
  opacity: 0.8, threshold: 0.1, fade: true, overlay: true, crosshair: true,
  outlines: [], regions: false, layout: "planes", plane: "axial", zoom: 1, at: null, measure: "",
};

/** What a link names, and not by its place: lists may have changed when it is opened. */
export const NAMED = ["scan", "maps", "class", "layer", "image"] as const;
export type Names = Partial<Record<(typeof NAMED)[number], string>>;

const TEXT = ["quantity", "normalisation", "colours", "signedColours", "layout", "plane"] as const;
const NUMBERS = ["scale", "opacity", "threshold", "zoom"] as const;
const SWITCHES = ["fade", "overlay", "crosshair", "regions"] as const;

/** The fragment of an address: what is looked at, by name, and what differs from `usual`. */
export function toFragment(state: State, usual: State, names: Names): string {
  const said = new URLSearchParams();
  for (const key of NAMED) if (names[key] !== undefined) said.set(key, names[key]);
  for (const key of NUMBERS) if (state[key] !== usual[key]) said.set(key, String(state[key]));
  for (const key of TEXT) if (state[key] !== usual[key]) said.set(key, state[key]);
  for (const key of SWITCHES) if (state[key] !== usual[key]) said.set(key, state[key] ? "1" : "0");
  if (state.measure) said.set("measure", state.measure);
  if (state.outlines.length) said.set("outlines", state.outlines.join(","));
  if (state.at) said.set("at", state.at.join(","));
  return `#${said}`;
}

/** What a fragment says, on top of `usual`, and what it names; numbers and settings that there are not are passed over. */
export function fromFragment(
  fragment: string, usual: State, allowed: Record<(typeof TEXT)[number], string[]>,
): { state: State; names: Names } {
  const said = new URLSearchParams(fragment.replace(/^#/, ""));
  const state: State = { ...usual };
  for (const key of NUMBERS) {
    const value = Number(said.get(key) ?? NaN);
    if (Number.isFinite(value) && value >= 0) state[key] = value;
  }
  for (const key of TEXT) {
    const value = said.get(key);
    if (value && allowed[key].includes(value)) (state as unknown as Record<string, string>)[key] = value;
  }
  for (const key of SWITCHES) if (said.has(key)) state[key] = said.get(key) === "1";
  state.measure = said.get("measure") ?? usual.measure;
  state.outlines = said.get("outlines")?.split(",") ?? usual.outlines;
  const at = said.get("at")?.split(",").map(Number);
  if (at?.length === 3 && at.every(Number.isFinite)) state.at = at as [number, number, number];
  state.opacity = Math.min(state.opacity, 1);
  state.threshold = Math.min(state.threshold, 1);
  state.zoom = Math.min(Math.max(state.zoom, 1), 8);
  const names: Names = {};
  for (const key of NAMED) if (said.has(key)) names[key] = said.get(key)!;
  return { state, names };
}
