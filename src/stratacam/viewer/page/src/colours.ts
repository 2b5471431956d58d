/** Colours of maps: perceptually uniform, readable with colour blindness, from matplotlib. */

export type Table = Uint8Array; // 256 colours, red, green and blue

const ANCHORS: Record<string, string> = {
  plasma: "0d08873105974c02a16600a77e03a89511a1aa2395bc3587cc4778da5a6ae66c5cf0804ef89540fdac33fdc527f8df25f0f921",
  viridis: "44015448186a472d7b4240863b528b33638d2c728e26828e21918c1fa08828ae803fbc735ec96284d44baddc30d8e219fde725",
  cividis: "00224e002e6a1a386f32436d434e6c535a6d61656f6f70737d7c788c88789b9476aba072bcae6ccdbb63dec958f0d846fee838",
  inferno: "0000040b0724210c4a3d096557106e71196e8a226aa32c61bc3754d24644e45a31f1731df98e09fcac11f9cb35f2ea69fcffa4",
  coolwarm: "3b4cc04e68d86282ea779af78db0fea3c2feb9d0f9ccd9eddddcdcecd3c5f5c4acf7b093f4987aeb7d62dd5f4bca3b37b40426",
  managua_r: "81e7ff76c7ec6baada608ec75775b3505d9c4c457f4e32605829486a2c3b823a399c4d3db26343c67b4bd99554ecb15dffcf67",
};

/** For values from 0 to 1. */
export const SEQUENTIAL = ["plasma", "inferno", "viridis", "cividis"];
/** For values from -1 to 1: warm speaks for the class, cold against it. */
export const DIVERGING = ["coolwarm", "managua_r"];

const made = new Map<string, Table>();

export function tableOf(name: string): Table {
  let table = made.get(name);
  if (!table) {
    table = interpolated(ANCHORS[name]);
    made.set(name, table);
  }
  return table;
}

/** Of classes, and of outlines: Okabe and Ito's colours. */
export const CLASS_COLOURS = ["#56b4e9", "#e69f00", "#cc79a7", "#009e73", "#f0e442", "#d55e00", "#0072b2"];
export const OUTLINE_COLOURS = ["#19f0c8", "#f0e442", "#56b4e9", "#ff9f6b", "#cc79a7"];

function interpolated(anchors: string): Table {
  const steps = anchors.length / 6 - 1;
  const table = new Uint8Array(768);
  for (let place = 0; place < 256; place++) {
    const at = (place / 255) * steps;
    const low = Math.min(Math.floor(at), steps - 1);
    for (let channel = 0; channel < 3; channel++) {
      const [first, second] = [low, low + 1].map((one) => parseInt(anchors.substr(6 * one + 2 * channel, 2), 16));
      table[3 * place + channel] = Math.round(first + (second - first) * (at - low));
    }
  }
  return table;
}
