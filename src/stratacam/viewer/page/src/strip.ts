/** Probabilities of the classes by slice, to click. */

import { CLASS_COLOURS } from "./colours";
import { drawn, element } from "./elements";
import type { Model } from "./model";
import { AXES, ENDS } from "./planes";

const [WIDE, HIGH] = [600, 46];

export function strip(model: Model, go: (slice: number) => void): HTMLElement {
  const { view, state } = model;
  const { store, anatomy } = view!;
  const slices = store.slices;
  const step = slices.length > 1 ? slices[1] - slices[0] : 1;
  const [first, last] = [slices[0] - step / 2, slices[slices.length - 1] + step / 2];
  const x = (slice: number) => ((slice - first) / (last - first)) * WIDE;
  const shown = Math.round(anatomy.voxel(state.at!)[AXES[store.plane][0]]);
  const svg = drawn("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const class_ = store.explained[state.explained];
  slices.forEach((slice, place) => {
    let below = HIGH;
    store.classes.forEach((name, column) => {
      const height = store.slice_probabilities[place][column] * HIGH;
      below -= height;
      svg.append(drawn("rect", {
        x: x(slice - step / 2) + 0.5, width: Math.max(WIDE / slices.length - 1, 0.5), y: below, height,
        fill: CLASS_COLOURS[column % CLASS_COLOURS.length], opacity: name === class_ ? 1 : 0.45,
      }));
    });
  });
  if (shown >= first && shown <= last)
    svg.append(drawn("rect", { x: x(shown - 0.5), width: WIDE / (last - first), y: 0, height: HIGH, class: "here" }));
  const goTo = (event: PointerEvent) => {
    const box = svg.getBoundingClientRect();
    const wanted = first + ((event.clientX - box.left) / box.width) * (last - first);
    go(slices.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best)));
  };
  const near = slices.reduce((best, one) => (Math.abs(one - shown) < Math.abs(best - shown) ? one : best));
  const place = slices.indexOf(near);
  const said = store.classes.map((name, column) => `${name} ${store.slice_probabilities[place][column].toFixed(2)}`).join(", ");
  const bar = element("div", {
    class: "bars", role: "slider", tabindex: 0, "aria-label": "Slice, with the probability of each class",
    "aria-valuemin": slices[0] + 1, "aria-valuemax": slices[slices.length - 1] + 1, "aria-valuenow": near + 1,
    "aria-valuetext": `slice ${near + 1}: ${said}`,
    onpointerdown: goTo,
    onkeydown: (event: KeyboardEvent) => {
      const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -Infinity, End: Infinity }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      go(slices[Math.min(Math.max(place + by, 0), slices.length - 1)]);
    },
  }, svg);
  const keys = store.classes.map((name, column) => {
    const swatch = element("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = CLASS_COLOURS[column % CLASS_COLOURS.length];
    return element("span", { class: name === store.predicted ? "class predicted" : "class" }, swatch,
      `${name} ${store.probabilities[column].toFixed(2)}`);
  });
  return element("section", { class: "strip", "aria-label": "Probability by slice" },
    element("div", { class: "keys" }, element("span", { class: "quiet" }, `Probability of the scan, and by slice (${ENDS[store.plane]}):`), ...keys), bar);
}
