/** A picture of what is shown, with its legend, as a PNG. */

import { digits } from "./elements";
import { drawBar, scaleWords, subject } from "./legend";
import type { Model } from "./model";

const [PAD, LINE] = [16, 19];

export function screenshot(model: Model, stage: HTMLElement): HTMLCanvasElement {
  const view = model.view!;
  const canvases = [...stage.querySelectorAll("canvas")];
  const box = stage.getBoundingClientRect();
  const fine = canvases[0].width / canvases[0].clientWidth;
  const { ends, unit, scale } = scaleWords(model, view);
  const networks = model.state.fade && view.overlay.agreement ? " Pale: fewer than half of the networks agree." : "";
  const lines = [
    `${view.scan.name}${view.scan.group ? ` (${view.scan.group})` : ""}, ${view.scan.sequences[model.state.sequence].name}, at ${
      model.state.at!.map((one) => digits(Math.round(one * 10) / 10)).join(", ")} mm. Predicted ${view.store.predicted}; ${view.store.in_training}.`,
    `${subject(model, view)}. Verdict of the rule: ${view.layer.verdict}.`,
    `${ends[0]} to ${ends[1]}: ${unit}. ${scale} Threshold ${Math.round(100 * model.state.threshold)} % of it.${networks}`,
    `stratacam ${model.study.version}. For research, not for diagnosis.`,
  ];
  const wide = Math.round(box.width + 2 * PAD);
  const canvas = document.createElement("canvas");
  let context = canvas.getContext("2d")!;
  context.font = "13px system-ui, sans-serif";
  const wrapped = lines.flatMap((line) => wrap(context, line, wide - 2 * PAD));
  const high = Math.round(box.height + 3 * PAD + 26 + wrapped.length * LINE);
  Object.assign(canvas, { width: Math.round(wide * fine), height: Math.round(high * fine) });
  context = canvas.getContext("2d")!;
  context.scale(fine, fine);
  context.fillStyle = "#0b0e13";
  context.fillRect(0, 0, wide, high);
  for (const one of canvases) {
    const place = one.getBoundingClientRect();
    context.drawImage(one, place.left - box.left + PAD, place.top - box.top + PAD, place.width, place.height);
  }
  const top = box.height + 2 * PAD;
  const bar = document.createElement("canvas");
  Object.assign(bar, { width: 256, height: 1 });
  drawBar(bar, view);
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.fillStyle = "#dfe6ee";
  const left = PAD + context.measureText(ends[0]).width + 8;
  context.fillText(ends[0], PAD, top + 7);
  context.drawImage(bar, left, top, 256, 14);
  context.fillText(`${ends[1]}   ${model.state.quantity === "agreement" ? "" : "raw value"}`, left + 264, top + 7);
  wrapped.forEach((line, place) => context.fillText(line, PAD, top + 32 + place * LINE));
  return canvas;
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
