/** What the colours mean, in words and as a bar: method, networks, normalisation, raw range and unit. */

import { tableOf } from "./colours";
import { digits } from "./elements";
import { NORMALISED } from "./heat";
import type { Model, View } from "./model";

/** The scale of what is shown: its ends, and two sentences. */
export function scaleWords(model: Model, view: View): { ends: [string, string]; unit: string; scale: string } {
  const { shown } = view.overlay;
  const { quantity, normalisation } = model.state;
  const unit = quantity === "agreement" ? "share of networks" : view.store.unit;
  const raw = `raw range in this scan ${digits(shown.low)} to ${digits(shown.high)}`;
  if (quantity === "agreement") return { ends: ["0", "1"], unit, scale: "Not normalised: share of networks whose heat is at least half of their scale." };
  const meaning = view.store.unit_meaning ? ` ${view.store.unit_meaning}` : "";
  const most = Number.isNaN(shown.one) ? "1" : digits(shown.one);
  const least = shown.signed ? (Number.isNaN(shown.one) ? "−1" : digits(-shown.one)) : "0";
  return { ends: [least, most], unit: Number.isNaN(shown.one) ? "each slice by its own maximum" : unit, scale: `${NORMALISED[normalisation]}; ${raw}.${meaning}` };
}

/** What is shown, in a line. */
export function subject(model: Model, view: View): string {
  const { store, layer } = view;
  const quantity = { heat: "heat", signed: "signed map", agreement: "agreement", spread: "spread (SD)" }[model.state.quantity];
  return `${store.method} at ${layer.title}, ${quantity} for class ${store.explained[model.state.explained]}, ${store.networks}`;
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
