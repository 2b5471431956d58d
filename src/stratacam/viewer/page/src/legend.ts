/** What the colours mean, in words and as a bar: method, networks, normalisation, raw range and unit. */

import { tableOf } from "./colours";
import { digits } from "./elements";
import { NORMALISED } from "./heat";
import type { Model, View } from "./model";
import { AXES } from "./planes";

interface Scale { ends: [string, string]; unit: string; words: string }

/** The scale of what is shown: the ends of the bar with their unit, and what they mean. */
function scaleOf(model: Model, view: View): Scale {
  const { shown } = view.overlay;
  const { quantity, normalisation, layout } = model.state;
  const { unit, unit_meaning } = view.store;
  if (quantity === "agreement")
    return { ends: ["0", "1"], unit: "share of networks", words: "Not normalised: share of networks whose heat is at least half of their scale." };
  const normalised = quantity === "spread" && normalisation === "layer" ? "scan" : normalisation; // of spread there is no range over classes
  const range = `raw range${layout === "layers" ? ` of ${view.layer.title}` : ""} in this scan ${digits(shown.low)} to ${digits(shown.high)} ${unit}`;
  const words = `${NORMALISED[normalised]}; ${range}.${unit_meaning ? ` ${unit_meaning}` : ""}`;
  const share = normalised === "map" ? "share of each slice’s own maximum"
    : layout === "layers" && normalised !== "none" ? "share of each layer’s own maximum" : "";
  if (share) return { ends: [shown.signed ? "−1" : "0", "1"], unit: share, words };
  return { ends: [shown.signed ? digits(-shown.one) : "0", digits(shown.one)], unit, words };
}

export interface LegendWords { ends: [string, string]; unit: string; sentences: string[] }

/** The legend of what is shown; its first sentence says what that is. */
export function legendWords(model: Model, view: View): LegendWords {
  const { state } = model;
  const { ends, unit, words } = scaleOf(model, view);
  const slice = state.layout === "layers" ? [sliceWords(model, view)] : [];
  if (!state.overlay)
    return { ends, unit, sentences: [`${view.scan.sequences[state.sequence].name} alone: the map is hidden.`, ...slice] };
  return { ends, unit, sentences: [
    `${subject(model, view)}.`, ...slice, words,
    ...(state.threshold > 0 ? [`Below ${Math.round(100 * state.threshold)} % of the scale nothing is drawn.`] : []),
    ...(view.overlay.agreement ? ["Pale: fewer than half of the networks agree."] : []),
  ] };
}

function sliceWords(model: Model, view: View): string {
  const { plane } = model.state;
  const axis = AXES[plane][0];
  const word = `${plane[0].toUpperCase()}${plane.slice(1)}`;
  return `${word} slice ${Math.round(view.anatomy.voxel(model.state.at!)[axis]) + 1} of ${view.anatomy.volume.size[axis]}.`;
}

/** What is shown, in a line. */
function subject(model: Model, view: View): string {
  const { store, layer } = view;
  const quantity = { heat: "heat", signed: "signed map", agreement: "agreement", spread: "spread (SD)" }[model.state.quantity];
  const method = `${store.method[0].toUpperCase()}${store.method.slice(1)}`;
  const where = model.state.layout === "layers" ? `, all layers (chosen: ${layer.title})` : ` at ${layer.title}`;
  return `${method}${where}, ${quantity} for class ${store.explained[model.state.explained]}, ${store.networks}`;
}

/** Draw the colour bar over middle grey, as it looks over tissue; a mark stands at the threshold. */
export function drawBar(canvas: HTMLCanvasElement, view: View): void {
  const context = canvas.getContext("2d")!;
  const { shown, colours, opacity, threshold } = view.overlay;
  const table = tableOf(colours);
  const { width, height } = canvas;
  for (let x = 0; x < width; x++) {
    const value = shown.signed ? (2 * x) / (width - 1) - 1 : x / (width - 1);
    const colour = 3 * Math.round((255 * x) / (width - 1));
    const strength = Math.abs(value);
    const share = strength < threshold ? 0 : opacity * Math.min(2 * strength, 1);
    const mixed = [0, 1, 2].map((channel) => Math.round(110 * (1 - share) + table[colour + channel] * share));
    context.fillStyle = `rgb(${mixed.join(",")})`;
    context.fillRect(x, 0, 1, height);
  }
}
