/** A picture of what is shown, with its legend, as a PNG. */

import { digits } from "./elements";
import { drawBar, legendWords } from "./legend";
import type { Model } from "./model";
import { outlineColour, REGION_COLOUR } from "./panes";

const [PAD, LINE] = [16, 19];

export function screenshot(model: Model, stage: HTMLElement): HTMLCanvasElement {
  const view = model.view!;
  const canvases = [...stage.querySelectorAll("canvas")];
  const box = stage.getBoundingClientRect();
  const whole = Math.max(box.height, stage.scrollHeight); // of many layers the lower ones may be out of sight
  const fine = canvases[0].width / canvases[0].clientWidth;
  const { state } = model;
  const { ends, unit, sentences } = legendWords(model, view);
  const outlines = [
    ...model.outlines.map(({ name }) => ({ name, colour: outlineColour(view, name) })),
    ...(state.regions && model.regions ? [{ name: "regions of the brain", colour: REGION_COLOUR }] : []),
  ];
  const lines = [
    `${view.scan.name}${view.scan.group ? ` (${view.scan.group})` : ""}, ${view.scan.sequences[model.state.sequence].name}, at ${
      model.state.at!.map((one) => digits(Math.round(one * 10) / 10)).join(", ")} mm. Predicted ${view.store.predicted}; ${view.store.in_training}.`,
    sentences.join(" "),
    ...(state.overlay ? [`Verdict of the rule on ${view.layer.title}: ${view.layer.verdict}. Opacity ${Math.round(100 * state.opacity)} %.`] : []),
    `stratacam ${model.study.version}. For research, not for diagnosis.`,
  ];
  const wide = Math.round(box.width + 2 * PAD);
  const canvas = document.createElement("canvas");
  let context = canvas.getContext("2d")!;
  context.font = "13px system-ui, sans-serif";
  const wrapped = lines.flatMap((line) => wrap(context, line, wide - 2 * PAD));
  const high = Math.round(whole + 3 * PAD + (state.overlay ? 26 : 0) + wrapped.length * LINE + (outlines.length ? LINE + 4 : 0));
  Object.assign(canvas, { width: Math.round(wide * fine), height: Math.round(high * fine) });
  context = canvas.getContext("2d")!;
  context.scale(fine, fine);
  context.fillStyle = "#0b0e13";
  context.fillRect(0, 0, wide, high);
  for (const one of canvases) {
    const place = one.getBoundingClientRect();
    context.drawImage(one, place.left - box.left + PAD, place.top - box.top + stage.scrollTop + PAD, place.width, place.height);
  }
  let top = whole + 2 * PAD;
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = "#dfe6ee";
  if (state.overlay) {
    const bar = document.createElement("canvas");
    Object.assign(bar, { width: 256, height: 1 });
    drawBar(bar, view);
    const left = PAD + context.measureText(ends[0]).width + 8;
    context.fillText(ends[0], PAD, top + 7);
    context.drawImage(bar, left, top, 256, 14);
    context.fillText(`${ends[1]}   ${unit}`, left + 264, top + 7);
    top += 26;
  }
  if (outlines.length) top += drawKey(context, outlines, top);
  wrapped.forEach((line, place) => context.fillText(line, PAD, top + 7 + place * LINE));
  return canvas;
}

/** A line of outlines with their names; returns how high it is. */
function drawKey(context: CanvasRenderingContext2D, outlines: { name: string; colour: string }[], top: number): number {
  const ink = context.fillStyle;
  let x = PAD;
  for (const { name, colour } of outlines) {
    context.fillStyle = colour;
    context.fillRect(x, top + 5, 18, 4);
    context.fillStyle = ink;
    context.fillText(name, x + 24, top + 7);
    x += 24 + context.measureText(name).width + 20;
  }
  return LINE + 4;
}

/** Save a canvas as a file of that name. */
export function save(canvas: HTMLCanvasElement, name: string): Promise<void> {
  return new Promise((done) => canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob!);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    done();
  }));
}

function wrap(context: CanvasRenderingContext2D, text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line ? `${line} ${word}` : word;
    if (line && context.measureText(longer).width > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
