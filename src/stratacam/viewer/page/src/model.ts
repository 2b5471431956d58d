/** What is shown now: the answers and volumes that a state needs, fetched when they are wanted. */

import type { Point } from "./affine";
import type { AtlasAnswer, ChartAnswer, LayerAnswer, Part, ScanAnswer, StoreAnswer, StudyAnswer } from "./answers";
import { DIVERGING, SEQUENTIAL } from "./colours";
import { NORMALISATIONS, QUANTITIES, shownOf, type Quantity, type Shown } from "./heat";
import type { Volume } from "./nifti";
import { PLANES } from "./planes";
import { Anatomy, type Overlay } from "./slice";
import * as source from "./source";
import { fromFragment, INITIAL, toFragment, type State } from "./state";

const PART: Record<Quantity, Part> = { heat: "mean", signed: "mean", agreement: "agreement", spread: "spread" };

/** Outlines that are drawn: the mask, and its name. */
export interface Outlined { name: string; labels: Volume }

/** What can be drawn at once. */
export interface View {
  scan: ScanAnswer;
  store: StoreAnswer;
  layer: LayerAnswer;
  anatomy: Anatomy;
  overlay: Overlay;
}

export class Model {
  state: State;
  readonly usual: State;
  view: View | null = null;
  chart: ChartAnswer | null = null;
  atlas: AtlasAnswer | null = null;
  regions: Volume | null = null;
  outlines: Outlined[] = [];
  private turn = 0;
  private readonly made = new Map<string, Shown>();
  private anatomies = new WeakMap<Volume, Anatomy>();
  /** Raw value that is drawn as 1 where nothing is normalised: that of the map which was shown before. */
  private held = 0;

  constructor(readonly study: StudyAnswer, first: ScanAnswer, fragment: string) {
    const store = Math.max(first.stores.findIndex((one) => one.id === study.first.store), 0);
    this.usual = { ...INITIAL, scan: study.first.scan, store, layer: study.first.layer };
    this.state = fromFragment(fragment, this.usual, {
      quantity: Object.keys(QUANTITIES), normalisation: Object.keys(NORMALISATIONS), colours: SEQUENTIAL,
      signedColours: DIVERGING, layout: ["planes", "layers"], plane: PLANES,
    });
  }

  /** The address's fragment of what is shown. */
  get fragment(): string {
    return toFragment(this.state, this.usual);
  }

  /** Fetch what the state needs; false if another state was wanted meanwhile. */
  async load(): Promise<boolean> {
    const turn = ++this.turn;
    const state = this.state;
    state.scan = Math.min(state.scan, this.study.scans.length - 1);
    const scan = await source.scan(state.scan);
    const store = scan.stores[Math.min(state.store, scan.stores.length - 1)];
    state.store = scan.stores.indexOf(store);
    state.explained = Math.min(state.explained, store.explained.length - 1);
    state.layer = presentLayer(store, state.layer);
    state.sequence = Math.min(state.sequence, scan.sequences.length - 1);
    if (store.members < 2 && state.quantity !== "signed") state.quantity = "heat";
    const layer = store.layers[state.layer];
    if (!layer.parts.includes(PART[state.quantity])) state.quantity = "heat";
    const [image, overlay] = await Promise.all([
      source.image(scan.id, scan.sequences[state.sequence].id), this.overlayOf(store, layer),
    ]);
    if (turn !== this.turn) return false;
    const anatomy = this.anatomies.get(image) ?? new Anatomy(image, scan.white);
    this.anatomies.set(image, anatomy);
    if (this.view?.scan.id !== scan.id) {
      this.regions = null;
      this.outlines = [];
    }
    if (this.view?.store.id !== store.id) this.chart = null;
    state.at ??= hottest(overlay.shown, anatomy);
    this.view = { scan, store, layer, anatomy, overlay };
    return true;
  }

  /** Fetch what may come later: the chart, outlines and regions; whether anything came. */
  async loadMore(): Promise<boolean> {
    const { view, state } = this;
    if (!view) return false;
    const chart = this.chart ?? (await source.chart(view.store.id));
    if (!this.atlas && view.scan.regions) this.atlas = await source.atlas();
    const regions = this.regions ?? (view.scan.regions ? await source.regions(view.scan.id) : null);
    const wanted = view.scan.masks.filter((mask) => state.outlines.includes(mask.name));
    const outlines = await Promise.all(
      wanted.map(async (mask) => ({ name: mask.name, labels: await source.mask(view.scan.id, mask.id) })));
    if (this.view?.scan !== view.scan || this.view.store !== view.store) return false;
    Object.assign(this, { chart, regions, outlines });
    this.fetchNeighbours(view);
    return true;
  }

  /** The layers before and after this one are likely to be wanted next. */
  private fetchNeighbours({ store, layer }: View): void {
    for (const next of [store.layers[layer.id - 1], store.layers[layer.id + 1]])
      for (const part of ["mean", "agreement"] as const)
        if (next?.parts.includes(part)) source.map(store.id, next.id, this.state.explained, part).catch(() => undefined);
  }

  /** A layer's map as the state wants it drawn. */
  async overlayOf(store: StoreAnswer, layer: LayerAnswer): Promise<Overlay> {
    const { quantity, normalisation, explained, fade } = this.state;
    const part = layer.parts.includes(PART[quantity]) ? PART[quantity] : "mean";
    const volume = source.map(store.id, layer.id, explained, part);
    const fades = fade && quantity === "heat" && layer.parts.includes("agreement");
    const agreement = fades ? source.map(store.id, layer.id, explained, "agreement") : null;
    const range = normalisation === "layer" && store.explained.length > 1 && part === "mean"
      ? await source.range(store.id, layer.id) : null;
    const key = [store.id, layer.id, explained, quantity, normalisation].join(" ");
    let shown = this.made.get(key);
    if (!shown || normalisation === "none") {
      shown = shownOf(await volume, quantity, normalisation, store, range, this.held);
      this.made.set(key, shown);
      if (this.made.size > 24) this.made.delete(this.made.keys().next().value!);
    }
    if (normalisation !== "none" && !Number.isNaN(shown.one) && part === "mean") this.held = shown.one;
    return {
      shown, agreement: agreement && (await agreement), threshold: this.state.threshold, opacity: this.state.opacity,
      colours: shown.signed ? this.state.signedColours : quantity === "agreement" ? "viridis" : this.state.colours,
    };
  }
}

/** The layer wanted, or the nearest deeper or shallower one whose maps there are. */
function presentLayer(store: StoreAnswer, wanted: number): number {
  const present = store.layers.filter((layer) => layer.parts.includes("mean")).map((layer) => layer.id);
  return present.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best), present[0]);
}

/** The place of the highest value, where the reader begins; the middle of the brain where nothing is shown. */
function hottest(shown: Shown, anatomy: Anatomy): Point {
  const { values, volume } = shown;
  let best = 0;
  for (let place = 1; place < values.length; place++) if (values[place] > values[best]) best = place;
  const centre = anatomy.low.map((low, axis) => Math.round((low + anatomy.high[axis]) / 2)) as Point;
  if (!(values[best] > 0)) return anatomy.world(centre);
  const [nx, ny] = volume.size;
  const m = volume.toWorld;
  const [x, y, z] = [best % nx, Math.floor(best / nx) % ny, Math.floor(best / (nx * ny))];
  const world = [0, 1, 2].map((row) => m[4 * row] * x + m[4 * row + 1] * y + m[4 * row + 2] * z + m[4 * row + 3]);
  return anatomy.world(anatomy.voxel(world as Point).map(Math.round) as Point);
}
