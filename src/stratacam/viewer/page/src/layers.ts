/** The list of layers: what is chosen, its verdict, and a measure of this scan beside that of all subjects. */

import type { Bar, ChartAnswer, LayerAnswer, MeasureAnswer } from "./answers";
import { choice, digits, drawn, element } from "./elements";
import type { Model } from "./model";

/** By verdict, the sign, and what it is called in the style sheet. */
export const SIGNS: Record<string, [string, string]> = {
  recommended: ["✓", "good"],
  "says the same": ["✓", "good"],
  "not recommended": ["✕", "bad"],
  "cannot say": ["?", "unknown"],
  "not judged": ["·", "none"],
};

const WIDE = 150;
const PAD = 6;

export interface LayerEvents { choose(layer: number): void; measure(title: string): void; store(place: number): void }

export function layerPanel(model: Model, events: LayerEvents): HTMLElement {
  const view = model.view!;
  const { chart, state } = model;
  const measure = chart?.measures.find((one) => one.title === state.measure) ?? chart?.measures[0];
  const [low, high] = measure ? limitsOf(measure) : [0, 1];
  const rows = view.store.layers.map((layer) =>
    row(layer, layer.id === state.layer, measure, low, high, () => events.choose(layer.id)));
  return element("section", { class: "panel", "aria-label": "Layers" },
    element("h2", {}, "Layers, shallow to deep"),
    chart && chart.measures.length
      ? choice("Measure", chart.measures.map((one) => [one.title, one.title]), measure?.title ?? "", events.measure)
      : element("p", { class: "quiet" }, chart ? chart.remark : "Measures are being read …"),
    element("ol", { class: "layerlist" }, ...rows),
    ...(measure ? [axis(low, high), legend(measure, chart!)] : []),
    ...others(model, events),
  );
}

/** Other maps of the scan that have more layers: who looks at one alone may want the others. */
function others(model: Model, events: LayerEvents): HTMLElement[] {
  const { scan, store } = model.view!;
  return scan.stores.filter((one) => one.layers.length > store.layers.length).map((one) => element("button", {
    type: "button", onclick: () => events.store(scan.stores.indexOf(one)),
  }, `All ${one.layers.length} layers: ${one.method}, ${one.networks}`));
}

function row(
  layer: LayerAnswer, chosen: boolean, measure: MeasureAnswer | undefined, low: number, high: number, choose: () => void,
): HTMLElement {
  const [sign, kind] = SIGNS[layer.verdict] ?? SIGNS["not judged"];
  const bar = measure?.bars.find((one) => one.layer === layer.id);
  const absent = !layer.parts.includes("mean");
  const key = layer.id < 20 ? `${layer.id < 10 ? "" : "⇧"}${(layer.id + 1) % 10}` : "";
  return element("li", {}, element("button", {
    type: "button", class: "layer", "aria-pressed": chosen ? "true" : "false", disabled: absent, onclick: choose,
    title: absent ? "left out of this file" : `${layer.rows} × ${layer.columns} cells, ${layer.verdict}${bar ? `, ${words(bar)}` : ""}`,
  },
    element("kbd", { "aria-hidden": "true" }, key),
    element("span", { class: "name" }, layer.title),
    element("span", { class: `verdict ${kind}`, role: "img", "aria-label": layer.verdict }, sign),
    measure ? dots(bar, low, high) : "",
  ));
}

function words(bar: Bar): string {
  const mean = bar.mean === null ? "" : `, mean of ${bar.subjects} subjects ${digits(bar.mean)}${
    bar.low === null ? "" : ` (${digits(bar.low)} to ${digits(bar.high!)})`}`;
  return `this scan ${bar.value === null ? "not measured" : digits(bar.value)}${mean}`;
}

/** This scan as a dot, the mean over subjects as a line across its interval. */
function dots(bar: Bar | undefined, low: number, high: number): SVGElement {
  const x = (value: number) => PAD + ((value - low) / (high - low || 1)) * (WIDE - 2 * PAD);
  const svg = drawn("svg", { viewBox: `0 0 ${WIDE} 20`, class: "dots", "aria-hidden": "true", preserveAspectRatio: "none" });
  svg.append(drawn("line", { x1: PAD, x2: WIDE - PAD, y1: 10, y2: 10, class: "track" }));
  if (!bar) return svg;
  if (bar.low !== null && bar.high !== null)
    svg.append(drawn("line", { x1: x(bar.low), x2: x(bar.high), y1: 10, y2: 10, class: "interval" }));
  if (bar.mean !== null) svg.append(drawn("line", { x1: x(bar.mean), x2: x(bar.mean), y1: 4, y2: 16, class: "mean" }));
  if (bar.value !== null) svg.append(drawn("circle", { cx: x(bar.value), cy: 10, r: 4, class: "own" }));
  return svg;
}

function axis(low: number, high: number): HTMLElement {
  return element("div", { class: "axis", "aria-hidden": "true" }, element("span", {}, digits(low)), element("span", {}, digits(high)));
}

function legend(measure: MeasureAnswer, chart: ChartAnswer): HTMLElement {
  const better = measure.better ? ` ${measure.better[0].toUpperCase()}${measure.better.slice(1)} is better.` : "";
  return element("p", { class: "quiet" },
    element("span", { class: "key own", "aria-hidden": "true" }), " this scan ",
    element("span", { class: "key mean", "aria-hidden": "true" }), " mean of subjects, 95 % interval. ",
    `${measure.definition[0].toUpperCase()}${measure.definition.slice(1)}.${better} ${chart.remark}`);
}

function limitsOf(measure: MeasureAnswer): [number, number] {
  const all = measure.bars.flatMap((bar) => [bar.value, bar.mean, bar.low, bar.high]).filter((one) => one !== null) as number[];
  return [Math.min(0, ...all), Math.max(...all, 0.001)];
}
