/** Where answers come from: the server that gave the page, or the page itself where it is a single file. */

import type { AtlasAnswer, ChartAnswer, Part, RangeAnswer, ScanAnswer, StudyAnswer } from "./answers";
import { readNifti, type Volume } from "./nifti";

/** Bytes of volumes that are held; the ones used least recently go first. */
const HELD_BYTES = 600e6;

/** Whether the page is a single file. */
export const isFile = document.querySelector("script[data-path]") !== null;

const volumes = new Map<string, Promise<Volume>>();
const sizes = new Map<string, number>();
const answers = new Map<string, Promise<unknown>>();

export const study = () => json<StudyAnswer>("api/study");
export const scan = (place: number) => json<ScanAnswer>(`api/scans/${place}`);
export const chart = (store: number) => json<ChartAnswer>(`api/stores/${store}/chart`);
export const atlas = () => json<AtlasAnswer>("api/atlas");
export const range = (store: number, layer: number) => json<RangeAnswer>(`api/stores/${store}/layers/${layer}/range`);
export const image = (place: number, sequence: number) => volume(`api/scans/${place}/images/${sequence}`);
export const mask = (place: number, number: number) => volume(`api/scans/${place}/masks/${number}`);
export const regions = (place: number) => volume(`api/scans/${place}/regions`);
export const map = (store: number, layer: number, explained: number, part: Part) =>
  volume(`api/stores/${store}/layers/${layer}/classes/${explained}/${part}`);

function json<T>(path: string): Promise<T> {
  return once(answers, path, async () =>
    isFile ? JSON.parse(block(path)) : (await asked(path)).json()) as Promise<T>;
}

function volume(path: string): Promise<Volume> {
  const found = once(volumes, path, async () => {
    const read = await readNifti(isFile ? fromBase64(block(path)) : await (await asked(path)).arrayBuffer());
    sizes.set(path, read.data.byteLength);
    forgetOldest(path);
    return read;
  });
  volumes.delete(path); // the order of a map is that of insertion: the one asked for is now the newest
  volumes.set(path, found);
  return found;
}

/** What was found before under a path, or what `find` gives; a failure is not kept. */
function once<T>(kept: Map<string, Promise<T>>, path: string, find: () => Promise<T>): Promise<T> {
  let found = kept.get(path);
  if (!found) {
    found = find();
    kept.set(path, found);
    found.catch(() => kept.delete(path));
  }
  return found;
}

function forgetOldest(newest: string): void {
  let held = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  for (const path of [...volumes.keys()]) {
    if (held <= HELD_BYTES) return;
    if (path === newest || !sizes.has(path)) continue;
    held -= sizes.get(path)!;
    sizes.delete(path);
    volumes.delete(path);
  }
}

async function asked(path: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path);
  } catch {
    throw new Error("The server does not answer: start `stratacam view` again, and open the address that it prints.");
  }
  if (!response.ok) throw new Error(reason(await response.text()) ?? `The server could not answer (${response.status}, ${path}).`);
  return response;
}

/** The words of a refusal: a sentence under `detail`, or plain text. */
function reason(text: string): string | null {
  try {
    const { detail } = JSON.parse(text);
    return typeof detail === "string" ? detail : null;
  } catch {
    return text.length < 300 && text.trim() !== "Internal Server Error" ? text : null;
  }
}

function block(path: string): string {
  const found = document.querySelector(`script[data-path="${path}"]`);
  if (!found) throw new Error(`This file holds nothing of ${path}: it was left out to keep the file small.`);
  return found.textContent ?? "";
}

function fromBase64(text: string): ArrayBuffer {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) bytes[place] = letters.charCodeAt(place);
  return bytes.buffer;
}
