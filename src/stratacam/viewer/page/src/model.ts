/** What is shown now: the answers and volumes that a state needs, fetched when they are wanted. */

import type { Point } from "./affine";
import type { AtlasAnswer, ChartAnswer, LayerAnswer, Part, ScanAnswer, StoreAnswer, StudyAnswer } from "./answers";
import { DIVERGING, SEQUENTIAL } from "./colours";
import { NORMALISATIONS, QUANTITIES, shownOf, type Quantity, type Shown } from "./heat";
import type { Volume } from "./nifti";
import { PLANES } from "./planes";
import { Anatomy, type Overlay } from "./slice";
import * as source from "./source";
import { fromFragment, INITIAL, toFragment, type Names, type State } from "./state";

/** Bytes of values ready to be drawn that are held, so that a layer seen before is there at once. */
const MADE_BYTES = 300e6;

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
  /** What the reader must know of the last change: names in a link that there are not, files that cannot be read. */
  remarks: string[] = [];
  private turn = 0;
  /** What is wanted by name, until the lists are there in which it is looked up. */
  private names: Names = {};
  /** Whether these are a link's, so that it is said where one is not found. */
  private ofLink = false;
  /** The last state of which everything could be had. */
  private good: State | null = null;
  private readonly made = new Map<string, Shown>();
  private anatomies = new WeakMap<Volume, Anatomy>();

  constructor(readonly study: StudyAnswer, first: ScanAnswer, fragment: string) {
    const store = Math.max(first.stores.findIndex((one) => one.id === study.first.store), 0);
    this.usual = { ...INITIAL, scan: study.first.scan, store, layer: study.first.layer };
    this.state = this.usual;
    this.follow(fragment);
  }

  /** Want what a link shows. */
  follow(fragment: string): void {
    const said = fromFragment(fragment, this.usual, {
      quantity: Object.keys(QUANTITIES), normalisation: Object.keys(NORMALISATIONS), colours: SEQUENTIAL,
      signedColours: DIVERGING, layout: ["planes", "layers"], plane: PLANES,
    });
    this.state = said.state;
    this.names = said.names;
    this.ofLink = true;
  }

  /** Want something else; of another scan the same maps, class, layer and image, as far as there are such. */
  set(changed: Partial<State>): void {
    const { view } = this;
    if (view && changed.scan !== undefined) {
      const { scan: _, ...names } = this.named(view);
      this.names = names;
      this.ofLink = false;
    }
    if (view && changed.normalisation === "none" && this.state.quantity !== "agreement")
      this.state.scale = Number.isNaN(view.overlay.shown.one) ? 0 : view.overlay.shown.one;
    Object.assign(this.state, rounded(changed));
  }

  /** Want something else that needs nothing fetched. */
  adjust(changed: Partial<State>): void {
    Object.assign(this.state, rounded(changed));
    if (this.good) Object.assign(this.good, rounded(changed));
  }

  /** The address's fragment of what is shown. */
  get fragment(): string {
    return toFragment(this.state, this.usual, this.view ? this.named(this.view) : this.names);
  }

  private named(view: View): Names {
    const { scan, store, layer } = view;
    return {
      scan: scan.name, maps: titleOf(store), class: store.explained[this.state.explained], layer: layer.name,
      image: scan.sequences[this.state.sequence].name,
    };
  }

  /** Fetch what the state needs; false if another state was wanted meanwhile. If it cannot be had, all stays as it was. */
  async load(): Promise<boolean> {
    const turn = ++this.turn;
    try {
      return await this.loadState(turn);
    } catch (fault) {
      if (turn !== this.turn) return false;
      if (this.good) this.state = { ...this.good };
      this.names = {};
      throw fault;
    }
  }

  /** Fetch what is wanted first; where that cannot be had, the first scan that can. Returns what could not be had, in words. */
  async loadFirst(): Promise<string[]> {
    const faults: Error[] = [];
    const others = this.study.scans.filter((one) => one.id !== this.state.scan);
    for (const next of [null, ...others]) {
      try {
        if (next) this.state = { ...this.usual, scan: next.id, store: 0, layer: 0 };
        await this.load();
        return faults.length ? [`${faults[0].message} Another scan is shown.`] : [];
      } catch (fault) {
        faults.push(fault as Error);
      }
    }
    throw faults[0];
  }

  private async loadState(turn: number): Promise<boolean> {
    const { state, names } = this;
    const lost: string[] = [];
    /** The place of what is wanted by name; without a name, or where it is not found, the place that was wanted, if it is there. */
    const find = (key: keyof Names, known: string[], place: number): number => {
      const wanted = names[key];
      const found = wanted === undefined ? -1 : known.indexOf(wanted);
      if (wanted !== undefined && found < 0) lost.push(`${key} “${wanted}”`);
      return found >= 0 ? found : Math.min(place, known.length - 1);
    };
    const place = find("scan", this.study.scans.map((one) => one.name), state.scan);
    const scan = await source.scan(place);
    const storePlace = find("maps", scan.stores.map(titleOf), state.store);
    const store = scan.stores[storePlace];
    const explained = find("class", [...store.explained], state.explained);
    const layerPlace = presentLayer(store, find("layer", store.layers.map((one) => one.name), state.layer));
    const sequence = find("image", scan.sequences.map((one) => one.name), state.sequence);
    if (turn !== this.turn) return false;
    Object.assign(state, { scan: place, store: storePlace, explained, layer: layerPlace, sequence });
    if (store.members < 2 && state.quantity !== "signed") state.quantity = "heat";
    const layer = store.layers[layerPlace];
    if (!layer.parts.includes(PART[state.quantity])) state.quantity = "heat";
    if (state.normalisation !== "none") state.scale = 0;
    const [image, overlay] = await Promise.all([
      source.image(scan.id, scan.sequences[sequence].id), this.overlayOf(store, layer),
    ]);
    if (turn !== this.turn) return false;
    if (state.normalisation === "none" && state.quantity !== "agreement") state.scale ||= overlay.shown.one;
    const anatomy = this.anatomies.get(image) ?? new Anatomy(image, scan.white);
    this.anatomies.set(image, anatomy);
    if (this.view?.scan.id !== scan.id) {
      this.regions = null;
      this.outlines = [];
    }
    if (this.view?.store.id !== store.id) this.chart = null;
    const at = state.at ? anatomy.world(anatomy.voxel(state.at)) : hottest(overlay.shown, anatomy);
    Object.assign(state, rounded({ at }));
    this.view = { scan, store, layer, anatomy, overlay };
    this.remarks = lost.length && this.ofLink
      ? [`The address names what is not here: ${lost.join(", ")}. Something else is shown in its place.`] : [];
    this.names = {};
    this.good = { ...state };
    return true;
  }

  /** Fetch what may come later: the chart, outlines and regions; whether anything came. What cannot be had is remarked. */
  async loadMore(): Promise<boolean> {
    const { view, state } = this;
    if (!view) return false;
    const faults = new Set<string>();
    const had = <T>(work: Promise<T>): Promise<T | null> => work.catch((fault: Error) => {
      faults.add(fault.message);
      return null;
    });
    const chart = this.chart ?? (await had(source.chart(view.store.id))) ?? { measures: [], remark: "The measures cannot be read." };
    const atlas = this.atlas ?? (view.scan.regions ? await had(source.atlas()) : null);
    const regions = this.regions ?? (view.scan.regions ? await had(source.regions(view.scan.id)) : null);
    const wanted = view.scan.masks.filter((mask) => state.outlines.includes(mask.name));
    const outlines = await Promise.all(wanted.map(async (mask) => {
      const labels = await had(source.mask(view.scan.id, mask.id));
      return labels ? [{ name: mask.name, labels }] : [];
    }));
    if (this.view?.scan !== view.scan || this.view.store !== view.store) return false;
    const drawn = [this.chart, this.atlas, this.regions, ...this.outlines.map((one) => one.labels)];
    const found = outlines.flat();
    Object.assign(this, { chart, atlas, regions, outlines: found, remarks: [...new Set([...this.remarks, ...faults])] });
    this.fetchNeighbours(view);
    const now = [chart, atlas, regions, ...found.map((one) => one.labels)];
    return faults.size > 0 || now.length !== drawn.length || now.some((one, place) => one !== drawn[place]);
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
    const key = [store.id, layer.id, explained, quantity, normalisation, this.state.scale].join(" ");
    let shown = this.made.get(key);
    if (!shown) {
      shown = shownOf(await volume, quantity, normalisation, store, range, this.state.scale);
      this.made.set(key, shown);
      this.forgetOldest();
    }
    return {
      shown, agreement: agreement && (await agreement), threshold: this.state.threshold, opacity: this.state.opacity,
      colours: shown.signed ? this.state.signedColours : quantity === "agreement" ? "viridis" : this.state.colours,
    };
  }

  private forgetOldest(): void {
    let held = [...this.made.values()].reduce((sum, one) => sum + one.values.byteLength, 0);
    for (const [key, one] of this.made) {
      if (held <= MADE_BYTES || this.made.size === 1) return;
      held -= one.values.byteLength;
      this.made.delete(key);
    }
  }
}

/** A change of the state with its place to a nanometre, so that a link holds all of it. */
function rounded(changed: Partial<State>): Partial<State> {
  const at = changed.at?.map((one) => Number(one.toFixed(6))) as Point | undefined;
  return at ? { ...changed, at } : changed;
}

/** Maps of a scan in words, by which they are chosen and links name them. */
export function titleOf(store: StoreAnswer): string {
  return `${store.recommended ? "recommended: " : ""}${store.method}, ${store.networks}`;
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
