// MTCNN: three networks that propose, refine and confirm faces.
//
// Follows the wheel `mtcnn` 1.0 (MIT licence, Iván de Paz Centeno) step by step, with its own
// weights, as fer_data.faces.detector("mtcnn") calls it; Zhang et al., "Joint Face Detection and
// Alignment using Multi-task Cascaded Convolutional Networks", 2016.
//
// A row is [x1, y1, x2, y2, score], after the last network with ten numbers more: the x, then the y
// of the eye on the left, the eye on the right, the nose, the left and the right mouth corner.

import { finish } from "./faces.js";
import { SummedPicture, roundHalfEven, shrink } from "./resample.js";

const OFFSET = 127.5;
const DIVISOR = 128;
const CELL = 12;
const STRIDE = 2;
// Below this side nothing is left after the first network's convolutions.
const LEAST_SIDE = 11;
// Patches that go through a network at once: more would take memory and no less time.
const BATCH = 128;

export const DEFAULTS = Object.freeze({
  workingSize: 640,
  minFace: 20,
  factor: 0.709,
  proposalScore: 0.6,
  refinedScore: 0.7,
  minScore: 0.8,
  maxFaces: null,
});

/** The detector. */
export class Mtcnn {
  /**
   * @param {(name: string, data: Float32Array, shape: number[]) => Promise<Object>} run
   *   Runs "pnet", "rnet" or "onet" on (batch, 3, height, width) and gives its outputs by name:
   *   regression, scores, landmarks; each a Float32Array with its `dims`.
   * @param {object} options any of DEFAULTS
   */
  constructor(run, options = {}) {
    this.run = run;
    this.options = { ...DEFAULTS, ...options };
  }

  /** Faces of a picture, the most certain first: {box: [x, y, w, h], score, points: [[x, y] x 5]}. */
  async detect(picture) {
    const small = shrink(picture, this.options.workingSize);
    let rows = await this.propose(small);
    rows = await this.refine(small, rows);
    rows = await this.confirm(small, rows);
    return this.finish(rows, picture, small);
  }

  /**
   * Look for known faces only near their last boxes, which takes a few milliseconds: the second
   * and the third network alone. Faces that have gone are left out.
   */
  async follow(picture, boxes) {
    const small = shrink(picture, this.options.workingSize);
    const scale = [small.width / picture.width, small.height / picture.height];
    let rows = boxes.map(([x, y, width, height]) =>
      square([x * scale[0], y * scale[1], (x + width) * scale[0], (y + height) * scale[1], 1]),
    );
    rows = await this.refine(small, rows);
    rows = await this.confirm(small, rows);
    return this.finish(rows, picture, small);
  }

  async propose(picture) {
    const { minFace, factor, proposalScore } = this.options;
    const sizes = pyramid(picture.width, picture.height, minFace, factor);
    if (sizes.some(({ width, height }) => Math.min(width, height) < LEAST_SIDE)) return [];
    const sums = new SummedPicture(picture);
    const found = [];
    for (const { width, height, scale } of sizes) {
      const data = sums.resize(width, height, OFFSET, DIVISOR);
      const outputs = await this.run("pnet", data, [1, 3, height, width]);
      found.push(...suppress(proposals(outputs, scale, proposalScore), 0.5));
    }
    return suppress(byScore(found), 0.7).map(square);
  }

  async refine(picture, rows) {
    const { refinedScore } = this.options;
    const outputs = await this.inBatches("rnet", picture, rows, 24);
    const better = rows.map((row, k) =>
      adjust(row, outputs.regression, 4 * k, outputs.scores[2 * k + 1]),
    );
    return suppress(byScore(better.filter((row) => row[4] > refinedScore)), 0.7).map(square);
  }

  async confirm(picture, rows) {
    const { minScore } = this.options;
    const outputs = await this.inBatches("onet", picture, rows, 48);
    const better = rows.map((row, k) => [
      ...adjust(row, outputs.regression, 4 * k, outputs.scores[2 * k + 1]),
      ...points(row, outputs.landmarks, 10 * k),
    ]);
    return suppress(byScore(better.filter((row) => row[4] > minScore)), 0.7, true);
  }

  async inBatches(name, picture, rows, size) {
    const all = { regression: [], scores: [], landmarks: [] };
    for (let start = 0; start < rows.length; start += BATCH) {
      const some = rows.slice(start, start + BATCH);
      const data = patches(picture, some, size);
      const outputs = await this.run(name, data, [some.length, 3, size, size]);
      for (const key of Object.keys(outputs)) all[key].push(...outputs[key].data);
    }
    return all;
  }

  finish(rows, picture, small) {
    const found = rows.map((row) => ({
      low: row.slice(0, 2),
      high: row.slice(2, 4),
      score: row[4],
      points: [0, 1, 2, 3, 4].map((k) => [row[5 + k], row[10 + k]]),
    }));
    return finish(found, picture, small, this.options);
  }
}

/** The sizes at which the first network looks at a picture, the largest first. */
export function pyramid(width, height, minFace, factor) {
  const least = Math.min(width, height);
  const count = roundHalfEven(-(Math.log(least / CELL) / Math.log(factor) + 1));
  const sizes = [];
  for (let level = 0; level < count; level += 1) {
    const scale = (CELL / minFace) * factor ** level;
    sizes.push({ width: Math.trunc(width * scale), height: Math.trunc(height * scale), scale });
  }
  return sizes;
}

function proposals({ regression, scores }, scale, threshold) {
  const [, , height, width] = scores.dims;
  const area = height * width;
  const span = CELL - 1;
  const rows = [];
  for (let place = 0; place < area; place += 1) {
    const score = scores.data[area + place];
    if (!(score > threshold)) continue;
    const x = (place % width) * STRIDE;
    const y = Math.floor(place / width) * STRIDE;
    const shift = (k) => regression.data[k * area + place] * span;
    rows.push([
      (x + 1 + shift(0)) / scale,
      (y + 1 + shift(1)) / scale,
      (x + CELL + shift(2)) / scale,
      (y + CELL + shift(3)) / scale,
      score,
    ]);
  }
  return byScore(rows);
}

/** Rows with the highest score first; among equal ones the last first, as numpy's reversed sort. */
function byScore(rows) {
  return rows
    .map((row, place) => ({ row, place }))
    .sort((one, other) => other.row[4] - one.row[4] || other.place - one.place)
    .map(({ row }) => row);
}

/**
 * Leave out each row that overlaps a better one by more than `threshold`, even where that one is
 * left out itself: the wheel's rule. Overlap is shared area by that of both, or of the smaller.
 */
export function suppress(rows, threshold, bySmaller = false) {
  const areas = rows.map((row) => (row[2] - row[0]) * (row[3] - row[1]));
  return rows.filter((row, place) => {
    for (let better = 0; better < place; better += 1) {
      const other = rows[better];
      const width = Math.min(row[2], other[2]) - Math.max(row[0], other[0]);
      const height = Math.min(row[3], other[3]) - Math.max(row[1], other[1]);
      if (width <= 0 || height <= 0) continue;
      const shared = width * height;
      const whole = bySmaller
        ? Math.min(areas[place], areas[better])
        : areas[place] + areas[better] - shared;
      if (shared / whole > threshold) return false;
    }
    return true;
  });
}

function square([x1, y1, x2, y2, score]) {
  const width = x2 - x1;
  const height = y2 - y1;
  const side = Math.max(width, height);
  const left = x1 + width * 0.5 - side * 0.5;
  const top = y1 + height * 0.5 - side * 0.5;
  return [left, top, left + side, top + side, score];
}

function adjust(row, regression, start, score) {
  const sides = [row[2] - row[0] + 1, row[3] - row[1] + 1];
  // Single precision where the wheel has it.
  const shift = (k) => Math.fround(regression[start + k] * Math.fround(sides[k % 2]));
  return [0, 1, 2, 3].map((k) => row[k] + shift(k)).concat(score);
}

function points(row, landmarks, start) {
  const sides = [row[2] - row[0] + 1, row[3] - row[1] + 1];
  return Array.from({ length: 10 }, (_, k) => {
    const axis = k < 5 ? 0 : 1;
    return Math.fround(sides[axis] * landmarks[start + k] + row[axis] - 1);
  });
}

/** Patches of the picture as tf.image.crop_and_resize cuts them, 0 outside of it. */
export function patches(picture, rows, size) {
  const { width, height, data } = picture;
  const out = new Float32Array(rows.length * 3 * size * size);
  rows.forEach((row, place) => {
    const columns = samples(row[0], row[2], width, size);
    const lines = samples(row[1], row[3], height, size);
    for (let y = 0; y < size; y += 1) {
      const line = lines[y];
      if (line === null) continue;
      for (let x = 0; x < size; x += 1) {
        const column = columns[x];
        if (column === null) continue;
        for (let channel = 0; channel < 3; channel += 1) {
          const at = (i, j) => data[4 * (i * width + j) + channel];
          const upper = mix(at(line.first, column.first), at(line.first, column.last), column.part);
          const lower = mix(at(line.last, column.first), at(line.last, column.last), column.part);
          const value = (mix(upper, lower, line.part) - OFFSET) / DIVISOR;
          out[((place * 3 + channel) * size + y) * size + x] = value;
        }
      }
    }
  });
  return out;
}

function samples(low, high, length, size) {
  // Single precision as in TensorFlow: it decides which samples lie outside of the picture.
  const f = Math.fround;
  const from = f(low / length);
  const step = f(f(f(f(high / length) - from) * (length - 1)) / (size - 1));
  return Array.from({ length: size }, (_, k) => {
    const at = f(f(from * (length - 1)) + f(k * step));
    if (!(at >= 0 && at <= length - 1)) return null;
    const first = Math.floor(at);
    return { first, last: Math.ceil(at), part: at - first };
  });
}

function mix(one, other, part) {
  return one + (other - one) * part;
}
