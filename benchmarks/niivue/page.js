// Milliseconds until NiiVue has drawn a scan of 1 mm, one map over it after another, and another slice.
import { Niivue, NVImage } from "@niivue/niivue";

const SCAN = [192, 240, 200];
const MAPS = [[192, 60], [256, 120], [4, 60]]; // cells along a side, and slices

function nifti(size, affine, kind, voxels) {
  const file = new ArrayBuffer(352 + voxels.byteLength);
  const header = new DataView(file);
  header.setInt32(0, 348, true);
  [3, ...size, 1, 1, 1, 1].forEach((length, place) => header.setInt16(40 + 2 * place, length, true));
  header.setInt16(70, kind, true);
  header.setInt16(72, 8 * voxels.BYTES_PER_ELEMENT, true);
  [1, 0, 1, 2].forEach((_, place) => header.setFloat32(76 + 4 * place,
    place ? Math.hypot(affine[place - 1], affine[place + 3], affine[place + 7]) : 1, true));
  header.setFloat32(108, 352, true);
  header.setFloat32(112, 1, true);
  header.setUint8(123, 2);
  header.setInt16(254, 1, true);
  affine.forEach((value, place) => header.setFloat32(280 + 4 * place, value, true));
  [0x6e, 0x2b, 0x31].forEach((value, place) => header.setUint8(344 + place, value));
  new Uint8Array(file, 352).set(new Uint8Array(voxels.buffer));
  return file;
}

function head() {
  const voxels = new Uint8Array(SCAN[0] * SCAN[1] * SCAN[2]);
  for (let at = 0; at < voxels.length; at++) {
    const [x, y, z] = [at % SCAN[0], Math.floor(at / SCAN[0]) % SCAN[1], Math.floor(at / (SCAN[0] * SCAN[1]))];
    if (Math.hypot((x - 96) / 70, (y - 120) / 90, (z - 100) / 75) < 1) voxels[at] = 120 + 60 * Math.sin(x / 5) * Math.cos(y / 7);
  }
  return nifti(SCAN, [1, 0, 0, -96, 0, 1, 0, -120, 0, 0, 1, -100], 2, voxels);
}

function map(side, slices) {
  const voxels = Float32Array.from({ length: side * side * slices }, (_, at) => Math.sin(at / 50));
  return nifti([side, side, slices],
    [-170 / side, 0, 0, 85, 0, -200 / side, 0, 100, 0, 0, 120 / slices, -60], 16, voxels);
}

const viewer = new Niivue({ show3Dcrosshair: false, multiplanarShowRender: 0 });
const drawn = () => { // reading a pixel waits until all is drawn
  viewer.drawScene();
  viewer.gl.readPixels(9, 9, 1, 1, viewer.gl.RGBA, viewer.gl.UNSIGNED_BYTE, new Uint8Array(4));
};
const found = {};

async function timed(what, work) {
  const start = performance.now();
  await work();
  drawn();
  found[what] = Math.round(performance.now() - start);
}

await viewer.attachTo("gl");
drawn();
const scan = head();
await timed("scan", async () => viewer.addVolume(await NVImage.new(scan, "scan.nii")));
for (const [side, slices] of MAPS) {
  const file = map(side, slices);
  await timed(`map of ${slices} slices of ${side} x ${side}`, async () => {
    const shown = await NVImage.new(file, "map.nii");
    Object.assign(shown, { colormap: "inferno", cal_min: 0.2, cal_max: 1 });
    if (viewer.volumes.length > 1) viewer.removeVolumeByIndex(1);
    viewer.addVolume(shown);
  });
}
await timed("another slice", () => { viewer.scene.crosshairPos = [0.5, 0.5, 0.45]; });
document.title = JSON.stringify(found);
document.documentElement.dataset.done = "1";
