/** NIfTI files as the server writes them: little-endian, one file, whole numbers with a slope or float32. */

import { inverse, type Affine } from "./affine";

export type Values = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Float32Array;

/** Voxels, and where they lie. */
export interface Volume {
  /** Along x, y and z. */
  size: [number, number, number];
  /** Stored values, x fastest; a value is `slope` times what is stored. */
  data: Values;
  slope: number;
  /** Voxels to RAS millimetres, and back. */
  toWorld: Affine;
  fromWorld: Affine;
}

const KINDS: Record<number, new (buffer: ArrayBuffer, from: number, length: number) => Values> = {
  2: Uint8Array, 256: Int8Array, 512: Uint16Array, 4: Int16Array, 768: Uint32Array, 16: Float32Array,
};

export async function readNifti(file: ArrayBuffer): Promise<Volume> {
  const start = new Uint8Array(file, 0, 2);
  const content = start[0] === 0x1f && start[1] === 0x8b ? await unpacked(file) : file;
  const header = new DataView(content);
  const kind = KINDS[header.getInt16(70, true)];
  if (header.getInt32(0, true) !== 348 || !kind) throw new Error("A volume is damaged: it is no NIfTI file of a known kind.");
  const size: [number, number, number] = [42, 44, 46].map((at) => header.getInt16(at, true)) as [number, number, number];
  const toWorld = Array.from({ length: 12 }, (_, place) => header.getFloat32(280 + 4 * place, true)) as Affine;
  const slope = header.getFloat32(112, true);
  const data = new kind(content, header.getFloat32(108, true), size[0] * size[1] * size[2]);
  return { size, data, slope: slope || 1, toWorld, fromWorld: inverse(toWorld) };
}

function unpacked(file: ArrayBuffer): Promise<ArrayBuffer> {
  return new Response(new Blob([file]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
