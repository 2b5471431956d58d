/** Raw maps as they are shown: rectified or signed, normalised, blank where they show no place. */

import { after, type Affine } from "./affine";
import type { LayerAnswer, RangeAnswer, StoreAnswer } from "./answers";
import type { Volume } from "./nifti";

export type Quantity = "heat" | "signed" | "agreement" | "spread";
export type Normalisation = "map" | "scan" | "layer" | "none";

export const QUANTITIES: Record<Quantity, string> = {
  heat: "Heat, for the class",
  signed: "Signed, for and against",
  agreement: "Agreement of networks",
  spread: "Spread of networks (SD)",
};

/** The same in a sentence. */
export const NORMALISED: Record<Normalisation, string> = {
  scan: "Normalised by scan: the maximum over all slices is 1",
  map: "Normalised by map: each slice has its own maximum, so that slices cannot be compared",
  layer: "Normalised by layer: the maximum over all classes is 1",
  none: "Not normalised: the scale is held, whatever is shown",
};

export const NORMALISATIONS: Record<Normalisation, string> = {
  scan: "Scan: one maximum",
  map: "Map: each slice by itself",
  layer: "Layer: all classes together",
  none: "None: raw, scale held",
};

/** Difference within a map, as a share of its largest value, that is that of single precision. */
const ROUNDING = 1e-5;

/** Values to draw, from 0 to 1 or from -1 to 1, and what they mean. */
export interface Shown {
  volume: Volume;
  values: Float32Array;
  signed: boolean;
  /** Raw value that is drawn as 1; NaN where every slice has its own. */
  one: number;
  /** Lowest and highest raw value of this map in this scan. */
  low: number;
  high: number;
  /** Margin in slices by which a map is shown beyond its first and last slice: half a slice of the scan. */
  beyond: number;
}

/**
 * @param held raw value drawn as 1 where nothing is normalised
 * @param range of all classes
 */
export function shownOf(
  volume: Volume, quantity: Quantity, normalisation: Normalisation, store: StoreAnswer, range: RangeAnswer | null, held: number,
): Shown {
  const { data, slope, size } = volume;
  const plane = size[0] * size[1];
  const values = new Float32Array(data.length);
  const signed = quantity === "signed";
  const plain = quantity === "agreement" || quantity === "spread";
  const highest = new Float64Array(size[2]);
  let [low, high] = [Infinity, -Infinity];
  for (let slice = 0; slice < size[2]; slice++) {
    const end = (slice + 1) * plane;
    let [least, most] = [Infinity, -Infinity];
    for (let place = slice * plane; place < end; place++) {
      const value = data[place] * slope;
      if (value < least) least = value;
      if (value > most) most = value;
    }
    if (least < low) low = least;
    if (most > high) high = most;
    const constant = !plain && !(most - least > ROUNDING * Math.max(Math.abs(most), Math.abs(least)));
    highest[slice] = constant ? 0 : signed ? Math.max(most, -least) : Math.max(most, 0);
  }
  const ofScan = highest.reduce((one, other) => Math.max(one, other), 0);
  const ofClasses = range ? (signed ? Math.max(range.high, -range.low) : Math.max(range.high, 0)) : ofScan;
  const one = quantity === "agreement" ? 1
    : normalisation === "map" ? NaN
    : normalisation === "layer" && !plain ? ofClasses
    : normalisation === "none" && held > 0 ? held : ofScan;
  for (let slice = 0; slice < size[2]; slice++) {
    const scale = highest[slice] === 0 ? 0 : slope / (Number.isNaN(one) ? highest[slice] : one || 1);
    const end = (slice + 1) * plane;
    if (scale === 0) continue;
    if (signed) for (let place = slice * plane; place < end; place++) values[place] = data[place] * scale;
    else for (let place = slice * plane; place < end; place++) values[place] = data[place] > 0 ? data[place] * scale : 0;
  }
  const step = store.slices.length > 1 ? store.slices[1] - store.slices[0] : 1;
  return { volume, values, signed, one, low, high, beyond: 0.5 / step };
}

/** Reads values of a map at voxels of another volume, linearly; 0 where the map does not reach. */
export class Sampler {
  private readonly m: Affine;

  constructor(readonly map: Volume, private readonly values: ArrayLike<number>, toWorld: Affine, private readonly beyond: number) {
    this.m = after(map.fromWorld, toWorld);
  }

  /** Values along a row of places that begins at `start` and goes on by `step`, added into `out`. */
  row(start: readonly number[], step: readonly number[], count: number, out: Float32Array): void {
    const m = this.m;
    const [nx, ny, nz] = this.map.size;
    const values = this.values;
    let x = m[0] * start[0] + m[1] * start[1] + m[2] * start[2] + m[3];
    let y = m[4] * start[0] + m[5] * start[1] + m[6] * start[2] + m[7];
    let z = m[8] * start[0] + m[9] * start[1] + m[10] * start[2] + m[11];
    const dx = m[0] * step[0] + m[1] * step[1] + m[2] * step[2];
    const dy = m[4] * step[0] + m[5] * step[1] + m[6] * step[2];
    const dz = m[8] * step[0] + m[9] * step[1] + m[10] * step[2];
    const above = nz - 1 + this.beyond;
    for (let place = 0; place < count; place++, x += dx, y += dy, z += dz) {
      if (x < -0.5 || y < -0.5 || z < -this.beyond - 1e-4 || x > nx - 0.5 || y > ny - 0.5 || z > above + 1e-4) {
        out[place] = 0;
        continue;
      }
      const cx = x < 0 ? 0 : x > nx - 1 ? nx - 1 : x;
      const cy = y < 0 ? 0 : y > ny - 1 ? ny - 1 : y;
      const cz = z < 0 ? 0 : z > nz - 1 ? nz - 1 : z;
      const x0 = cx | 0, y0 = cy | 0, z0 = cz | 0;
      const fx = cx - x0, fy = cy - y0, fz = cz - z0;
      const right = x0 < nx - 1 ? 1 : 0;
      const down = y0 < ny - 1 ? nx : 0;
      const at = x0 + nx * (y0 + ny * z0);
      let value = plane(values, at, right, down, fx, fy);
      if (fz > 0) value += fz * (plane(values, at + nx * ny, right, down, fx, fy) - value);
      out[place] = value;
    }
  }

  /** The value at one place. */
  at(point: readonly number[]): number {
    const out = new Float32Array(1);
    this.row(point, [0, 0, 0], 1, out);
    return out[0];
  }
}

function plane(values: ArrayLike<number>, at: number, right: number, down: number, fx: number, fy: number): number {
  const above = values[at] + fx * (values[at + right] - values[at]);
  const below = values[at + down] + fx * (values[at + down + right] - values[at + down]);
  return above + fy * (below - above);
}

/** Why a layer's map shows nothing in the slice of the scan that is nearest; "" where it does, null between slices. */
export function blankAt(store: StoreAnswer, layer: LayerAnswer, explained: number, slice: number): string | null {
  const place = store.slices.indexOf(slice);
  return place < 0 ? null : layer.blank[explained][place];
}
