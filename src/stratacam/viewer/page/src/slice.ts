/** One slice of the anatomy with heat over it, drawn pixel by pixel at the resolution of the screen. */

import { apply, spacing, type Point } from "./affine";
import type { Plane } from "./answers";
import { tableOf } from "./colours";
import { Sampler, type Shown } from "./heat";
import type { Values, Volume } from "./nifti";
import { AXES } from "./planes";

/** Heat from which on the opacity, which grows in proportion to the heat, is at its maximum; as in the report. */
const STRONG = 0.5;
/** Share of networks from which on their mean is shown as it is, and the opacity below; as in the report. */
export const AGREED = 0.5;
const PALE = 0.3;
const MARGIN_MM = 8;

/** The anatomy: voxels as they are drawn, and the box that the brain fills. */
export class Anatomy {
  readonly spacing: Point;
  readonly low: Point;
  readonly high: Point;

  constructor(readonly volume: Volume, readonly white: number) {
    this.spacing = spacing(volume.toWorld);
    [this.low, this.high] = boxOf(volume);
  }

  /** The nearest slice of each plane to a point of the world, within the volume; and the exact place. */
  voxel(world: Point): Point {
    return apply(this.volume.fromWorld, world).map((value, axis) =>
      Math.min(Math.max(value, 0), this.volume.size[axis] - 1)) as Point;
  }

  world(voxel: Point): Point {
    return apply(this.volume.toWorld, voxel);
  }
}

/** How a slice lies in a picture. */
export interface Frame {
  plane: Plane;
  width: number;
  height: number;
  /** Pixels of the picture for a millimetre. */
  scale: number;
  /** Voxel coordinates, along the column axis and row axis, in the middle of the picture. */
  middle: [number, number];
  slice: number;
  spacing: Point;
}

export function frameOf(anatomy: Anatomy, plane: Plane, width: number, height: number, voxel: Point, zoom: number): Frame {
  const [across, row, column] = AXES[plane];
  const { low, high, spacing } = anatomy;
  const mm = [column, row].map((axis) => (high[axis] - low[axis] + 1) * spacing[axis] + 2 * MARGIN_MM);
  const scale = Math.min(width / mm[0], height / mm[1]) * zoom;
  const middle = [column, row].map((axis) => {
    const centre = (low[axis] + high[axis]) / 2;
    return centre + (voxel[axis] - centre) * (1 - 1 / zoom);
  }) as [number, number];
  return { plane, width, height, scale, middle, slice: Math.round(voxel[across]), spacing };
}

/** Pixel of the picture at a voxel. */
export function toPixel(frame: Frame, voxel: ArrayLike<number>): [number, number] {
  const [, row, column] = AXES[frame.plane];
  return [
    frame.width / 2 - (voxel[column] - frame.middle[0]) * frame.spacing[column] * frame.scale,
    frame.height / 2 - (voxel[row] - frame.middle[1]) * frame.spacing[row] * frame.scale,
  ];
}

/** Voxel at a pixel of the picture. */
export function toVoxel(frame: Frame, x: number, y: number): Point {
  const [across, row, column] = AXES[frame.plane];
  const voxel: Point = [0, 0, 0];
  voxel[across] = frame.slice;
  voxel[column] = frame.middle[0] - (x - frame.width / 2) / (frame.spacing[column] * frame.scale);
  voxel[row] = frame.middle[1] - (y - frame.height / 2) / (frame.spacing[row] * frame.scale);
  return voxel;
}

export interface Overlay {
  shown: Shown;
  /** Share of networks that agree, by which heat is pale; null: heat is not. */
  agreement: Volume | null;
  colours: string;
  opacity: number;
  threshold: number;
}

export function drawSlice(context: CanvasRenderingContext2D, frame: Frame, anatomy: Anatomy, overlay: Overlay | null): void {
  const { width, height } = frame;
  const picture = context.createImageData(width, height);
  const pixels = picture.data;
  const grey = new Float32Array(width);
  const heat = new Float32Array(width);
  const agree = new Float32Array(width);
  const table = overlay && tableOf(overlay.colours);
  const toWorld = anatomy.volume.toWorld;
  const sampler = overlay && new Sampler(overlay.shown.volume, overlay.shown.values, toWorld, overlay.shown.beyond);
  const agreeing = overlay?.agreement && new Sampler(overlay.agreement, overlay.agreement.data, toWorld, overlay.shown.beyond);
  const agreed = overlay?.agreement ? (AGREED - 1e-3) / overlay.agreement.slope : 0;
  const brightness = (255 * anatomy.volume.slope) / anatomy.white;
  const step = toVoxel(frame, 1, 0).map((value, axis) => value - toVoxel(frame, 0, 0)[axis]);
  for (let y = 0; y < height; y++) {
    const start = toVoxel(frame, 0.5, y + 0.5);
    greyRow(anatomy.volume, frame, start, step, width, grey);
    sampler?.row(start, step, width, heat);
    agreeing?.row(start, step, width, agree);
    let at = 4 * width * y;
    for (let x = 0; x < width; x++, at += 4) {
      const level = Math.min(grey[x] * brightness, 255);
      let red = level, green = level, blue = level;
      if (overlay && table) {
        const value = Math.min(Math.max(heat[x], -1), 1);
        const strength = Math.abs(value);
        if (strength > 0 && strength >= overlay.threshold) {
          let share = overlay.opacity * Math.min(strength / STRONG, 1);
          if (agreeing && agree[x] < agreed) share *= PALE;
          const colour = 3 * Math.round(255 * (overlay.shown.signed ? (value + 1) / 2 : value));
          red += share * (table[colour] - level);
          green += share * (table[colour + 1] - level);
          blue += share * (table[colour + 2] - level);
        }
      }
      pixels[at] = red;
      pixels[at + 1] = green;
      pixels[at + 2] = blue;
      pixels[at + 3] = 255;
    }
  }
  context.putImageData(picture, 0, 0);
}

/** Intensities along a row of pixels, bilinear in the slice; 0 outside. */
function greyRow(volume: Volume, frame: Frame, start: Point, step: number[], count: number, out: Float32Array): void {
  const [across, row, column] = AXES[frame.plane];
  const strides = [1, volume.size[0], volume.size[0] * volume.size[1]];
  const [rows, columns] = [volume.size[row], volume.size[column]];
  const y = start[row];
  if (y < -0.5 || y > rows - 0.5 || frame.slice < 0 || frame.slice >= volume.size[across]) {
    out.fill(0);
    return;
  }
  const cy = Math.min(Math.max(y, 0), rows - 1);
  const y0 = cy | 0;
  const fy = cy - y0;
  const base = frame.slice * strides[across] + y0 * strides[row];
  const down = y0 < rows - 1 ? strides[row] : 0;
  const data: Values = volume.data;
  const along = strides[column];
  let x = start[column];
  for (let place = 0; place < count; place++, x += step[column]) {
    if (x < -0.5 || x > columns - 0.5) {
      out[place] = 0;
      continue;
    }
    const cx = x < 0 ? 0 : x > columns - 1 ? columns - 1 : x;
    const x0 = cx | 0;
    const fx = cx - x0;
    const at = base + x0 * along;
    const right = x0 < columns - 1 ? along : 0;
    const above = data[at] + fx * (data[at + right] - data[at]);
    const below = data[at + down] + fx * (data[at + down + right] - data[at + down]);
    out[place] = above + fy * (below - above);
  }
}

/** First and last voxel along each axis that is not 0; the whole volume where all are. */
function boxOf(volume: Volume): [Point, Point] {
  const [nx, ny, nz] = volume.size;
  const low: Point = [nx, ny, nz];
  const high: Point = [-1, -1, -1];
  for (let z = 0, at = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, at++)
        if (volume.data[at] !== 0) {
          if (x < low[0]) low[0] = x;
          if (x > high[0]) high[0] = x;
          if (y < low[1]) low[1] = y;
          if (y > high[1]) high[1] = y;
          if (z < low[2]) low[2] = z;
          high[2] = z;
        }
  return high[0] < 0 ? [[0, 0, 0], [nx - 1, ny - 1, nz - 1]] : [low, high];
}
