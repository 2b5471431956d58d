/** The three planes, as a radiologist sees them; the axes of a volume run to the right, anterior and superior. */

import type { Plane } from "./answers";

export const PLANES: Plane[] = ["axial", "coronal", "sagittal"];

/** By plane, the axes from slice to slice, from row to row and from column to column; rows and columns run against them. */
export const AXES: Record<Plane, [number, number, number]> = {
  axial: [2, 1, 0],
  coronal: [1, 2, 0],
  sagittal: [0, 2, 1],
};

/** By plane, the patient's sides at the left, right, top and bottom of a slice. */
export const SIDES: Record<Plane, [string, string, string, string]> = {
  axial: ["R", "L", "A", "P"],
  coronal: ["R", "L", "S", "I"],
  sagittal: ["A", "P", "S", "I"],
};

/** By plane, the sides at which its first and last slice lie. */
export const ENDS: Record<Plane, string> = { axial: "I to S", coronal: "P to A", sagittal: "L to R" };
