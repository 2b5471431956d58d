/** Outlines of structures and regions in a slice. */

import type { Volume } from "./nifti";
import { AXES } from "./planes";
import { toPixel, type Frame } from "./slice";

/** Draw lines between voxels of different labels: through the middle of every edge that joins two of them. */
export function drawOutline(context: CanvasRenderingContext2D, frame: Frame, labels: Volume, colour: string, width: number): void {
  const [across, row, column] = AXES[frame.plane];
  const strides = [1, labels.size[0], labels.size[0] * labels.size[1]];
  const [right, down] = [strides[column], strides[row]];
  const voxel = [0, 0, 0];
  voxel[across] = frame.slice;
  const pixel = (x: number, y: number) => {
    voxel[column] = x;
    voxel[row] = y;
    return toPixel(frame, voxel);
  };
  context.beginPath();
  for (let y = 0; y < labels.size[row] - 1; y++) {
    let at = frame.slice * strides[across] + y * down;
    for (let x = 0; x < labels.size[column] - 1; x++, at += right) {
      const { data } = labels;
      const [a, b, c, d] = [data[at], data[at + right], data[at + right + down], data[at + down]];
      if (a === b && b === c && c === d) continue;
      const crossings: [number, number][] = [];
      if (a !== b) crossings.push([x + 0.5, y]);
      if (b !== c) crossings.push([x + 1, y + 0.5]);
      if (c !== d) crossings.push([x + 0.5, y + 1]);
      if (d !== a) crossings.push([x, y + 0.5]);
      const middle = pixel(x + 0.5, y + 0.5);
      const places = crossings.map(([cx, cy]) => pixel(cx, cy));
      if (places.length === 2) {
        context.moveTo(...places[0]);
        context.lineTo(...places[1]);
      } else
        for (const place of places) {
          context.moveTo(...middle);
          context.lineTo(...place);
        }
    }
  }
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}
