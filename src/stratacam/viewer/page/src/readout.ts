/** What lies under the crosshair: place, region, and the values of the map there. */

import { apply, type Affine, type Point } from "./affine";
import { digits, element } from "./elements";
import { Sampler } from "./heat";
import type { Model, View } from "./model";
import type { Volume } from "./nifti";
import * as source from "./source";

/** Voxels of the regions that are read, at most: enough for a mean. */
const READ = 150_000;

export async function readout(model: Model, view: View): Promise<Node[]> {
  const at = model.state.at!;
  const { store, layer, anatomy } = view;
  const { explained } = model.state;
  const voxel = anatomy.voxel(at);
  const value = async (part: "mean" | "spread") => {
    if (!layer.parts.includes(part)) return null;
    const volume = await source.map(store.id, layer.id, explained, part);
    return raw(volume, anatomy.volume.toWorld, view.overlay.shown.beyond).at(voxel) * volume.slope;
  };
  const [mean, spread] = await Promise.all([value("mean"), value("spread")]);
  const agreement = layer.parts.includes("agreement")
    ? nearest(await source.map(store.id, layer.id, explained, "agreement"), at) : null;
  const lines: [string, string][] = [["Place", `${at.map((one) => digits(Math.round(one * 10) / 10)).join(", ")} mm (R, A, S)`]];
  const region = regionAt(model, voxel);
  if (region) lines.push(["Region", region.name]);
  lines.push(["Raw value", `${digits(mean!)}${spread === null ? "" : ` ± ${digits(spread)} (SD)`} ${store.unit}`]);
  if (agreement !== null) {
    const agreeing = Math.round(agreement * store.members);
    const differ = agreeing > 0 && agreeing < store.members ? ": they differ" : "";
    lines.push(["Networks", `${agreeing} of ${store.members} show heat here, half of their scale or more${differ}`]);
  }
  if (region) {
    const found = meanOf(model, view, region.label);
    if (found) lines.push(["Region’s heat", `mean ${digits(found.mean)} ${store.unit}, ${digits(100 * found.share)} % of the heat in all regions`]);
  }
  return lines.flatMap(([term, words]) => [element("dt", {}, term), element("dd", {}, words)]);
}

/** The value of the nearest cell: a count of networks is not to be interpolated. */
function nearest(volume: Volume, world: Point): number {
  const [x, y, z] = apply(volume.fromWorld, world).map((place, axis) => Math.min(Math.max(Math.round(place), 0), volume.size[axis] - 1));
  return volume.data[x + volume.size[0] * (y + volume.size[1] * z)] * volume.slope;
}

function raw(volume: Volume, toWorld: Affine, beyond: number): Sampler {
  return new Sampler(volume, volume.data, toWorld, beyond);
}

function regionAt(model: Model, voxel: Point): { label: number; name: string } | null {
  const { regions, atlas } = model;
  if (!regions || !atlas) return null;
  const [x, y, z] = voxel.map(Math.round);
  const label = regions.data[x + regions.size[0] * (y + regions.size[1] * z)];
  return label ? { label, name: atlas.names[label] ?? String(label) } : null;
}

interface RegionHeat { mean: number; share: number }
const found = new WeakMap<Float32Array, Map<number, RegionHeat>>();

/** Mean raw heat of a region over the slices with maps, and its share of all heat in the regions. */
function meanOf(model: Model, view: View, label: number): RegionHeat | undefined {
  const { shown } = view.overlay;
  if (model.state.quantity !== "heat" || Number.isNaN(shown.one)) return undefined;
  let means = found.get(shown.values);
  if (!means) {
    means = byRegion(model.regions!, view);
    found.set(shown.values, means);
  }
  return means.get(label);
}

function byRegion(regions: Volume, view: View): Map<number, RegionHeat> {
  const { shown } = view.overlay;
  const sampler = new Sampler(shown.volume, shown.values, view.anatomy.volume.toWorld, shown.beyond);
  const across = { axial: 2, coronal: 1, sagittal: 0 }[view.store.plane];
  const [low, high] = [view.store.slices[0], view.store.slices[view.store.slices.length - 1]];
  const stride = Math.max(Math.ceil(Math.cbrt(regions.data.length / READ)), 1);
  const sums = new Map<number, [number, number]>();
  let all = 0;
  const [nx, ny, nz] = regions.size;
  for (let z = 0; z < nz; z += stride)
    for (let y = 0; y < ny; y += stride)
      for (let x = 0; x < nx; x += stride) {
        const label = regions.data[x + nx * (y + ny * z)];
        const slice = [x, y, z][across];
        if (!label || slice < low || slice > high) continue;
        const value = Math.max(sampler.at([x, y, z]), 0) * shown.one;
        const sum = sums.get(label) ?? [0, 0];
        sums.set(label, [sum[0] + value, sum[1] + 1]);
        all += value;
      }
  return new Map([...sums].map(([label, [sum, count]]) => [label, { mean: sum / count, share: all ? sum / all : 0 }]));
}
