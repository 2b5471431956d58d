/** The canvases: three planes with one crosshair, or all layers side by side in one plane. */

import type { Point } from "./affine";
import type { Plane } from "./answers";
import { OUTLINE_COLOURS } from "./colours";
import { element } from "./elements";
import { blankAt } from "./heat";
import type { Model, View } from "./model";
import { drawOutline } from "./outline";
import { AXES, SIDES } from "./planes";
import { drawSlice, frameOf, toPixel, toVoxel, type Frame, type Overlay } from "./slice";

/** Pixels of a canvas for each of the page, at most: more cost time and show nothing. */
const FINEST = 1.5;

export interface Pane {
  plane: Plane;
  /** Place of the layer that is drawn; null: the one that is chosen. */
  layer: number | null;
  figure: HTMLElement;
  canvas: HTMLCanvasElement;
  frame: Frame | null;
}

export interface PaneEvents {
  /** The crosshair goes to a point of the world. */
  go(world: Point): void;
  /** So many slices further in a plane. */
  step(plane: Plane, slices: number): void;
  zoom(factor: number): void;
  choose(layer: number): void;
  active(plane: Plane): void;
}

export function makePane(model: Model, events: PaneEvents, plane: Plane, layer: number | null): Pane {
  const canvas = element("canvas", { tabindex: 0, role: "img" });
  const pane: Pane = { plane, layer, canvas, figure: element("div", { class: `pane ${layer === null ? plane : "tile"}` }, canvas), frame: null };
  const go = (event: PointerEvent) => {
    if (!pane.frame || !model.view) return;
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    const voxel = toVoxel(pane.frame, (event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
    events.go(model.view.anatomy.world(model.view.anatomy.voxel(model.view.anatomy.world(voxel))));
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (layer !== null) events.choose(layer);
    go(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons & 1) go(event); });
  canvas.addEventListener("focus", () => events.active(plane));
  const notches = wheel();
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) return events.zoom(event.deltaY < 0 ? 1.25 : 0.8);
    const slices = notches(event);
    if (slices) events.step(plane, -slices);
  }, { passive: false });
  return pane;
}

/** Pixels by which browsers say that a wheel was turned by one notch, at least; a touch pad says fewer at a time. */
const NOTCH = 50;

/** Counts notches of a wheel: each is one slice, whatever unit and size the browser says it in. */
function wheel(): (event: WheelEvent) => number {
  let turned = 0;
  return ({ deltaMode, deltaY }) => {
    if (deltaMode !== 0) return Math.sign(deltaY) * Math.max(Math.round(Math.abs(deltaY) / 3), 1);
    if (Math.abs(deltaY) >= NOTCH) return Math.sign(deltaY) * Math.max(Math.round(Math.abs(deltaY) / 120), 1);
    turned += deltaY / 40;
    const whole = Math.trunc(turned);
    turned -= whole;
    return whole;
  };
}

/** Draw a pane at the size that it has on the page. */
export function drawPane(model: Model, view: View, pane: Pane, overlay: Overlay | null): void {
  const { canvas, plane } = pane;
  const { state } = model;
  const fine = Math.min(window.devicePixelRatio || 1, FINEST);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((length) => Math.max(Math.round(length * fine), 1));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const voxel = view.anatomy.voxel(state.at!);
  const frame = frameOf(view.anatomy, plane, width, height, voxel, state.zoom);
  pane.frame = frame;
  drawSlice(context, frame, view.anatomy, state.overlay ? overlay : null);
  const line = fine * (pane.layer === null ? 1.4 : 1);
  if (state.regions && model.regions) drawOutline(context, frame, model.regions, REGION_COLOUR, 0.8 * fine);
  for (const { name, labels } of model.outlines) drawOutline(context, frame, labels, outlineColour(view, name), line);
  if (state.crosshair) drawCrosshair(context, frame, voxel, fine, pane.layer === null ? Infinity : 5);
  const layer = view.store.layers[pane.layer ?? state.layer];
  drawWords(context, view, pane, frame, layer, fine, state.explained, state.overlay);
  canvas.setAttribute("aria-label", `${plane} slice ${frame.slice} of ${view.scan.name}: ${state.overlay
    ? `${layer.title}, ${view.store.method}, class ${view.store.explained[state.explained]}` : "anatomy alone"}`);
}

export const REGION_COLOUR = "#d7dde6b0";

/** Lesions have the colour that they have in the report. */
export function outlineColour(view: View, name: string): string {
  const order = view.scan.masks.map((mask) => mask.name).sort((one, other) =>
    Number(other.startsWith("lesion")) - Number(one.startsWith("lesion")));
  return OUTLINE_COLOURS[order.indexOf(name) % OUTLINE_COLOURS.length];
}

/** Lines to the crosshair, with a gap so that what is there is seen. */
function drawCrosshair(context: CanvasRenderingContext2D, frame: Frame, voxel: Point, fine: number, length: number): void {
  const [x, y] = toPixel(frame, voxel).map((value) => Math.round(value) + 0.5);
  const gap = Math.min(9, length) * fine;
  const end = gap + length * fine;
  context.beginPath();
  for (const [from, to] of [[Math.max(x - end, 0), x - gap], [x + gap, Math.min(x + end, frame.width)]]) { context.moveTo(from, y); context.lineTo(to, y); }
  for (const [from, to] of [[Math.max(y - end, 0), y - gap], [y + gap, Math.min(y + end, frame.height)]]) { context.moveTo(x, from); context.lineTo(x, to); }
  context.strokeStyle = "#6fb7ffb0";
  context.lineWidth = fine;
  context.stroke();
}

function drawWords(
  context: CanvasRenderingContext2D, view: View, pane: Pane, frame: Frame, layer: View["layer"], fine: number, explained: number, mapped: boolean,
): void {
  const { width, height } = frame;
  const pad = 7 * fine;
  const write = (text: string, x: number, y: number, align: CanvasTextAlign, size = 12, colour = "#dfe6ee") => {
    context.font = `${size * fine}px system-ui, sans-serif`;
    context.textAlign = align;
    context.textBaseline = "middle";
    context.lineWidth = 3 * fine;
    context.strokeStyle = "#000c";
    context.strokeText(text, x, y, width - 2 * pad);
    context.fillStyle = colour;
    context.fillText(text, x, y, width - 2 * pad);
  };
  const [left, right, top, bottom] = SIDES[pane.plane];
  const missing = mapped ? missingWords(view, pane, frame.slice, layer, explained) : "";
  if (pane.layer !== null) {
    write(layer.title, pad, pad + 5 * fine, "left", 11);
    write(left, pad, height / 2, "left", 11);
    write(missing, pad, height - pad - 4 * fine, "left", 10, "#ffd28a");
    return;
  }
  write(left, pad, height / 2, "left", 13);
  write(right, width - pad, height / 2, "right", 13);
  write(top, width / 2, pad + 6 * fine, "center", 13);
  write(bottom, width / 2, height - pad - 6 * fine, "center", 13);
  const count = view.anatomy.volume.size[AXES[pane.plane][0]];
  write(`${pane.plane} ${frame.slice + 1}/${count}`, pad, pad + 6 * fine, "left", 12);
  drawScale(context, frame, fine);
  write(missing, pad, height - pad - 22 * fine, "left", 12, "#ffd28a");
}

/** Why a slice shows no heat, or heat of its neighbours; "" where its own map is shown, and in planes across the slices. */
function missingWords({ store }: View, pane: Pane, slice: number, layer: View["layer"], explained: number): string {
  if (pane.plane !== store.plane) return "";
  if (slice < store.slices[0] || slice > store.slices[store.slices.length - 1]) return "no map here: this slice was not explained";
  const blank = blankAt(store, layer, explained, slice);
  return blank ? `blank map: ${blank}` : blank === null ? "between two explained slices" : "";
}

/** A bar of five centimetres, or one where the picture is small. */
function drawScale(context: CanvasRenderingContext2D, frame: Frame, fine: number): void {
  const mm = 50 * frame.scale < frame.width / 2 ? 50 : 10;
  const [x, y] = [frame.width - 8 * fine, frame.height - 9 * fine];
  context.beginPath();
  context.moveTo(x - mm * frame.scale, y);
  context.lineTo(x, y);
  context.strokeStyle = "#000c";
  context.lineWidth = 5 * fine;
  context.stroke();
  context.strokeStyle = "#fff";
  context.lineWidth = 2 * fine;
  context.stroke();
  context.font = `${11 * fine}px system-ui, sans-serif`;
  context.textAlign = "right";
  context.lineWidth = 3 * fine;
  context.strokeStyle = "#000c";
  context.strokeText(`${mm / 10} cm`, x, y - 11 * fine);
  context.fillStyle = "#dfe6ee";
  context.fillText(`${mm / 10} cm`, x, y - 11 * fine);
}
