/** The viewer: state in, picture out. */

import type { Point } from "./affine";
import type { Plane } from "./answers";
import { banner, verdict } from "./banner";
import { controls, layoutBar, otherStore, type Change } from "./controls";
import { element } from "./elements";
import { helpDialog, listen, releaseAfterClick } from "./keys";
import { layerPanel } from "./layers";
import { drawBar, legendWords } from "./legend";
import { Model } from "./model";
import { drawPane, makePane, type Pane, type PaneEvents } from "./panes";
import { AXES, PLANES } from "./planes";
import { readout } from "./readout";
import { save, screenshot } from "./screenshot";
import * as source from "./source";
import type { State } from "./state";
import { strip } from "./strip";

/** Pixels across. */
const SMALLEST_TILE = 96;

const root = document.getElementById("viewer")!;
/** Changes that need neither other volumes nor other controls. */
const LIGHT: (keyof State)[] = ["at", "zoom", "opacity", "threshold"];
/** Milliseconds between changes of the address: browsers refuse many in a short time. */
const ADDRESS_AFTER = 250;

async function start(): Promise<void> {
  const study = await source.study();
  const model = new Model(study, await source.scan(study.first.scan), location.hash);
  document.title = `${study.title || "Study"}: stratacam viewer`;

  const stage = element("div", { class: "stage" });
  const [legend, ruling] = [element("div"), element("div")];
  const strips = element("div");
  const values = element("dl", { class: "readout", "aria-live": "polite" });
  const [left, right, bar] = [element("div", { class: "left" }), element("div", { class: "layerbox" }), element("div", { class: "bar" })];
  const notice = element("p", { class: "notice", role: "alert", hidden: true });
  const help = helpDialog();
  let panes: Pane[] = [];
  let built = "";
  let active: Plane | null = null;

  /** Say what went wrong or is otherwise than wanted; nothing: take it back. */
  const remark = (words: string[]) => {
    const said = words.join(" ");
    if (notice.textContent !== said) notice.textContent = said;
    notice.hidden = !said;
  };
  const busy = (work: Promise<void>) => counted(work.catch((fault: Error) => remark([fault.message])));

  const change: Change = (changed) => {
    if (Object.keys(changed).every((key) => LIGHT.includes(key as keyof State)) && model.view) {
      model.adjust(changed);
      Object.assign(model.view.overlay, { opacity: model.state.opacity, threshold: model.state.threshold });
      draw();
    } else {
      model.set(changed);
      busy(refresh());
    }
  };

  const step = (plane: Plane, slices: number) => {
    if (!model.view) return;
    const { anatomy } = model.view;
    const voxel = anatomy.voxel(model.state.at!);
    const axis = AXES[plane][0];
    voxel[axis] = Math.min(Math.max(Math.round(voxel[axis]) + slices, 0), anatomy.volume.size[axis] - 1);
    change({ at: anatomy.world(voxel) });
  };
  const plane = () => active ?? (model.state.layout === "layers" ? model.state.plane : model.view!.store.plane);
  const zoom = (factor: number) => change({ zoom: Math.min(Math.max(model.state.zoom * factor, 1), 8) });
  const choose = (layer: number) => {
    if (model.view?.store.layers[layer]?.parts.includes("mean")) change({ layer });
  };
  const events: PaneEvents = {
    go: (world: Point) => change({ at: world }), step, zoom, choose, active: (one) => { active = one; },
  };

  async function refresh(): Promise<void> {
    try {
      if (!(await model.load())) return;
    } catch (fault) {
      rebuild(); // what was chosen could not be had: the controls show again what is
      draw();
      remark([(fault as Error).message]);
      return;
    }
    rebuild();
    draw();
    remark(model.remarks);
    performance.mark("shown");
    await after(0);
    await more();
  }

  async function more(): Promise<void> {
    if (!(await model.loadMore())) return;
    rebuildAfter();
    draw();
    remark(model.remarks);
  }

  /** Canvases and controls for what is shown. */
  function rebuild(): void {
    const view = model.view!;
    const wanted = `${model.state.layout} ${model.state.plane} ${view.store.id}`;
    if (wanted !== built) {
      built = wanted;
      active = null;
      panes = model.state.layout === "planes"
        ? PLANES.map((one) => makePane(model, events, one, null))
        : view.store.layers.filter((layer) => layer.parts.includes("mean"))
          .map((layer) => makePane(model, events, model.state.plane, layer.id));
      stage.className = `stage ${model.state.layout}`;
      stage.replaceChildren(...panes.map((pane) => pane.figure));
      fitTiles();
    }
    keepFocus(left, () => left.replaceChildren(controls(model, change)));
    keepFocus(bar, () => bar.replaceChildren(layoutBar(model, change), ...buttons()));
    rebuildAfter();
  }

  function rebuildAfter(): void {
    keepFocus(right, () => right.replaceChildren(layerPanel(model, { choose, measure: (measure) => change({ measure }), store: (place) => change(otherStore(model, place)) })));
  }

  /** As many columns of tiles as make them largest; so many layers that they would be tiny are scrolled. */
  function fitTiles(): void {
    const count = model.state.layout === "layers" ? panes.length : 0;
    const size = (columns: number) => Math.min(stage.clientWidth / columns, (stage.clientHeight / Math.ceil(count / columns)) * 0.85);
    let columns = 1;
    for (let more = 2; more <= count; more++) if (size(more) > size(columns)) columns = more;
    columns = Math.max(Math.min(columns, Math.floor(stage.clientWidth / SMALLEST_TILE)), 1);
    stage.style.gridTemplateColumns = count ? `repeat(${columns}, minmax(0, 1fr))` : "";
  }

  let waiting = false;
  let turn = 0;

  function draw(): void {
    const view = model.view!;
    for (const pane of panes) {
      if (pane.layer === null) drawPane(model, view, pane, view.overlay);
      else {
        pane.figure.classList.toggle("chosen", pane.layer === model.state.layer);
        busy(drawTile(pane));
      }
    }
    drawLegend();
    keepFocus(strips, () => strips.replaceChildren(strip(model, (slice) => step(view.store.plane, slice - sliceShown()))));
    busy(say(++turn));
    if (waiting) return;
    waiting = true;
    delete document.documentElement.dataset.address;
    void after(ADDRESS_AFTER).then(() => {
      waiting = false;
      history.replaceState(null, "", model.fragment);
      document.documentElement.dataset.address = "1";
    });
  }

  const sliceShown = () => Math.round(model.view!.anatomy.voxel(model.state.at!)[AXES[model.view!.store.plane][0]]);

  async function drawTile(pane: Pane): Promise<void> {
    const view = model.view!;
    const overlay = await model.overlayOf(view.store, view.store.layers[pane.layer!]);
    if (model.view === view && panes.includes(pane)) drawPane(model, view, pane, overlay);
  }

  async function say(mine: number): Promise<void> {
    const said = await readout(model, model.view!);
    if (mine === turn) values.replaceChildren(...said);
  }

  let ruled = "";

  function drawLegend(): void {
    const view = model.view!;
    const { ends, unit, sentences } = legendWords(model, view);
    const canvas = element("canvas", { width: 256, height: 14, role: "img", "aria-label": `Colours from ${ends[0]} to ${ends[1]}` });
    const scale = element("div", { class: "scale" },
      element("span", {}, ends[0]), canvas, element("span", {}, ends[1]), element("span", { class: "quiet" }, unit));
    legend.replaceChildren(...(model.state.overlay ? [scale] : []),
      element("p", {}, element("strong", {}, sentences[0]), ` ${sentences.slice(1).join(" ")}`));
    drawBar(canvas, view);
    const map = `${view.store.id} ${view.layer.id}`;
    if (ruled === map) return; // what the reader has unfolded stays so
    ruled = map;
    ruling.replaceChildren(verdict(view));
  }

  function buttons(): HTMLElement[] {
    const made = (words: string, title: string, press: (button: HTMLButtonElement) => void) => {
      const button = element("button", { type: "button", title, onclick: () => press(button) }, words);
      return button;
    };
    return [
      element("span", { class: "grow" }),
      made("Copy link", "The address that shows this view again", (button) => {
        history.replaceState(null, "", model.fragment);
        const refused = () => { button.textContent = "Copy it from the address bar"; };
        if (!navigator.clipboard) return refused(); // browsers have none where the connection is not secure
        navigator.clipboard.writeText(location.href).then(() => { button.textContent = "Copied"; }, refused);
      }),
      made("Save picture", "What is shown, with its legend, as PNG", () =>
        void save(screenshot(model, stage), `${model.view!.scan.name}_${model.view!.layer.name}.png`.replace(/[^\w.+-]+/g, "-"))),
      made("Theme", "Light or dark", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark")),
      made("Keys", "What the keys do", () => help.showModal()),
    ];
  }

  setTheme(matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  const unreadable = await model.loadFirst();
  root.replaceChildren(
    element("header", {}, element("h1", {}, study.title || "Study"), element("p", { class: "quiet" }, "stratacam viewer. For research, not for diagnosis.")),
    banner(model),
    element("main", {}, left, element("div", { class: "middle" }, bar, notice, stage, element("section", { class: "legend", "aria-label": "Legend" }, legend, ruling), strips),
      element("div", { class: "right" }, crosshairBox(values), right)), help);
  rebuild();
  draw();
  remark([...unreadable, ...model.remarks]);
  performance.mark("first-view");
  document.documentElement.dataset.ready = "1";
  releaseAfterClick();
  listen({
    step: (slices) => step(plane(), slices),
    layer: choose,
    layerBy: (places) => {
      const { layers } = model.view!.store;
      for (let one = model.state.layer + places; layers[one]; one += places) if (layers[one].parts.includes("mean")) return choose(one);
    },
    scanBy: (places) => {
      const scan = model.state.scan + places;
      if (study.scans[scan]) change({ scan, at: null });
    },
    flip: () => change({ overlay: !model.state.overlay }),
    layout: () => change({ layout: model.state.layout === "planes" ? "layers" : "planes" }),
    zoom,
    help: () => help.showModal(),
  });
  new ResizeObserver(() => {
    fitTiles();
    draw();
  }).observe(stage);
  addEventListener("hashchange", (event) => {
    const wanted = new URL(event.newURL).hash; // the address may have been brought up to date meanwhile
    if (wanted === model.fragment) return;
    model.follow(wanted);
    active = null;
    busy(refresh());
  });
  model.remarks.unshift(...unreadable);
  await more();
  document.documentElement.dataset.complete = "1";
}

/** Counts what is under way, so that the page says when all is done. */
let works = 0;

function counted(work: Promise<void>): void {
  document.documentElement.dataset.busy = String(++works);
  void work.finally(() => {
    if (--works) document.documentElement.dataset.busy = String(works);
    else delete document.documentElement.dataset.busy;
  });
}

const after = (milliseconds: number) => new Promise<void>((done) => setTimeout(done, milliseconds));

function crosshairBox(values: HTMLElement): HTMLElement {
  return element("section", { class: "panel", "aria-label": "Under the crosshair" }, element("h2", {}, "Under the crosshair"), values);
}

/** Do something that makes elements anew, and give the focus back to the one of the same name, or else to what is chosen. */
function keepFocus(within: HTMLElement, remake: () => void): void {
  const focusable = "button, select, input, summary, [tabindex]";
  const focused = document.activeElement;
  const had = focused && within.contains(focused) ? nameOf(focused) : null;
  remake();
  if (had === null) return;
  const made = [...within.querySelectorAll<HTMLElement>(focusable)];
  (made.find((one) => nameOf(one) === had) ?? within.querySelector<HTMLElement>('[aria-pressed="true"]') ?? made[0])?.focus();
}

function nameOf(one: Element): string {
  const label = (one as HTMLInputElement).labels?.[0];
  return `${one.tagName} ${one.getAttribute("aria-label") ?? (label ?? one).textContent}`;
}

function setTheme(theme: string): void {
  document.documentElement.dataset.theme = theme;
}

start().catch((fault: Error) => {
  root.replaceChildren(element("p", { class: "notice", role: "alert" }, fault.message));
});
