/** Affine maps of points: the first three rows of a matrix (4, 4), row by row. */

export type Affine = [number, number, number, number, number, number, number, number, number, number, number, number];
export type Point = [number, number, number];

export function apply(m: Affine, [x, y, z]: Point): Point {
  return [
    m[0] * x + m[1] * y + m[2] * z + m[3],
    m[4] * x + m[5] * y + m[6] * z + m[7],
    m[8] * x + m[9] * y + m[10] * z + m[11],
  ];
}

/** The map that does `first`, then `second`. */
export function after(second: Affine, first: Affine): Affine {
  const made: number[] = [];
  for (let row = 0; row < 3; row++)
    for (let column = 0; column < 4; column++) {
      let sum = column === 3 ? second[4 * row + 3] : 0;
      for (let k = 0; k < 3; k++) sum += second[4 * row + k] * first[4 * k + column];
      made.push(sum);
    }
  return made as Affine;
}

export function inverse(m: Affine): Affine {
  const [a, b, c, , d, e, f, , g, h, i] = m;
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  const r = [
    e * i - f * h, c * h - b * i, b * f - c * e,
    f * g - d * i, a * i - c * g, c * d - a * f,
    d * h - e * g, b * g - a * h, a * e - b * d,
  ].map((value) => value / determinant);
  const shift = [0, 1, 2].map((row) => -(r[3 * row] * m[3] + r[3 * row + 1] * m[7] + r[3 * row + 2] * m[11]));
  return [r[0], r[1], r[2], shift[0], r[3], r[4], r[5], shift[1], r[6], r[7], r[8], shift[2]];
}

/** Length in millimetres of a step along each axis. */
export function spacing(m: Affine): Point {
  return [0, 1, 2].map((axis) => Math.hypot(m[axis], m[4 + axis], m[8 + axis])) as Point;
}
