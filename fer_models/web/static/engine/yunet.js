// YuNet: one network that finds all faces of a picture at once.
//
// Follows OpenCV's FaceDetectorYN, as fer_data.faces.detector("yunet") calls it; Wu et al., "YuNet:
// A Tiny Millisecond-level Face Detector", 2023.

import { finish } from "./faces.js";
import { shrink } from "./resample.js";
import { overlap } from "./tracking.js";

const STRIDES = [8, 16, 32];
const MOST_OVERLAP = 0.3;
const MOST_FOUND = 5000;

export const DEFAULTS = Object.freeze({ workingSize: 640, minScore: 0.7, maxFaces: null });

/** The detector. */
export class YuNet {
  /**
   * @param {(name: string, data: Float32Array, shape: number[]) => Promise<Object>} run
   *   Runs "yunet" on (1, 3, height, width), sides that 32 divides, and gives its outputs by name:
   *   cls_8, obj_8, bbox_8, kps_8 and the same of the strides 16 and 32.
   * @param {object} options any of DEFAULTS
   */
  constructor(run, options = {}) {
    this.run = run;
    this.options = { ...DEFAULTS, ...options };
  }

  /** Faces of a picture, as from `finish`, the most certain first. */
  async detect(picture) {
    const small = shrink(picture, this.options.workingSize);
    const { data, width, height } = padded(small);
    const outputs = await this.run("yunet", data, [1, 3, height, width]);
    const found = STRIDES.flatMap((stride) =>
      decoded(outputs, stride, width / stride, this.options.minScore),
    );
    return finish(suppress(found), picture, small, this.options);
  }

  /** Look for known faces: it takes what looking for all faces takes. */
  follow(picture) {
    return this.detect(picture);
  }
}

/** Blue, green and red planes, black to the right and below, so that 32 divides the sides. */
export function padded(picture) {
  const [width, height] = [picture.width, picture.height].map((side) => Math.ceil(side / 32) * 32);
  const data = new Float32Array(3 * width * height);
  for (let channel = 0; channel < 3; channel += 1) {
    const plane = (2 - channel) * width * height;
    for (let y = 0; y < picture.height; y += 1) {
      const start = plane + y * width;
      let pixel = 4 * y * picture.width + channel;
      for (let x = 0; x < picture.width; x += 1, pixel += 4) {
        data[start + x] = picture.data[pixel];
      }
    }
  }
  return { data, width, height };
}

function decoded(outputs, stride, columns, minScore) {
  const [cls, obj, boxes, points] = ["cls", "obj", "bbox", "kps"].map(
    (name) => outputs[`${name}_${stride}`].data,
  );
  const clamp = (value) => Math.min(Math.max(value, 0), 1);
  const found = [];
  for (let place = 0; place < cls.length; place += 1) {
    const score = Math.fround(Math.sqrt(clamp(cls[place]) * clamp(obj[place])));
    if (score < minScore) continue;
    const column = place % columns;
    const row = Math.floor(place / columns);
    const size = [2, 3].map((k) => Math.exp(boxes[4 * place + k]) * stride);
    const low = [column, row].map(
      (cell, axis) => (cell + boxes[4 * place + axis]) * stride - size[axis] / 2,
    );
    found.push({
      low,
      high: [low[0] + size[0], low[1] + size[1]],
      score,
      points: [0, 1, 2, 3, 4].map((k) => [
        (points[10 * place + 2 * k] + column) * stride,
        (points[10 * place + 2 * k + 1] + row) * stride,
      ]),
    });
  }
  return found;
}

/** Leave out what overlaps a better one, in whole pixels. */
function suppress(found) {
  const best = found
    .sort((one, other) => other.score - one.score)
    .slice(0, MOST_FOUND)
    .map((face) => {
      const sides = [0, 1].map((axis) => Math.trunc(face.high[axis] - face.low[axis]));
      return { face, box: [...face.low.map(Math.trunc), ...sides] };
    });
  const kept = [];
  for (const each of best) {
    if (kept.every((other) => !(overlap(each.box, other.box) > MOST_OVERLAP))) kept.push(each);
  }
  return kept.map(({ face }) => face);
}
