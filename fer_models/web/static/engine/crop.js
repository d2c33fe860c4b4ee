// From a box in a picture to the pixels that the network reads.
//
// The rule is that of fer_data/faces/cut.py, whose docstring says it in full.

import { areaTable, linearTable, resample } from "./resample.js";

const DEGREES = 180 / Math.PI;

/** By how many degrees the line through the eyes is turned, clockwise as one sees it. */
export function roll(points) {
  if (!points) return 0;
  const [left, right] = points;
  return Math.atan2(right[1] - left[1], right[0] - left[0]) * DEGREES;
}

/** [left, top, side] of the square around a box, whole numbers. */
export function square(box, framing) {
  const { cx, cy, side } = centre(box, framing);
  return [round(cx - side / 2), round(cy - side / 2), side];
}

/**
 * Cut a face out of a picture as the network takes it.
 *
 * @param picture {width, height, data}, data RGBA
 * @param box [x, y, width, height] in pixels of the picture
 * @param turned degrees by which the face is turned clockwise
 * @param rule {size, channels, framing: {scale, right, down}, mostRoll, grey: [r, g, b]}
 * @returns Float32Array (size, size, channels) in [0, 255]
 */
export function crop(picture, box, turned, rule) {
  const { size, channels, framing, mostRoll, grey } = rule;
  const upright = Math.abs(turned) <= mostRoll;
  const sample = upright ? cut(picture, box, framing) : rotate(picture, box, turned, framing);
  const { side, planes } = sample(channels === 1 ? [grey] : [[1, 0, 0], [0, 1, 0], [0, 0, 1]]);
  const table = side > size ? areaTable(side, size) : linearTable(side, size);
  const out = new Float32Array(size * size * channels);
  planes.forEach((plane, channel) => {
    const small = side === size ? plane : resample(plane, side, table, table);
    for (let k = 0; k < small.length; k += 1) out[k * channels + channel] = small[k];
  });
  return out;
}

function centre([x, y, width, height], { scale, right, down }) {
  const longer = Math.max(width, height);
  return {
    cx: x + width / 2 + right * longer,
    cy: y + height / 2 + down * longer,
    side: Math.max(1, round(scale * longer)),
  };
}

function round(value) {
  return Math.floor(value + 0.5);
}

function clamp(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

// Both samplers take one weighting of (R, G, B) for each plane that they give.

function cut({ width, height, data }, box, framing) {
  const [left, top, side] = square(box, framing);
  return (weightings) => {
    const planes = weightings.map(() => new Float32Array(side * side));
    for (let y = 0; y < side; y += 1) {
      const start = clamp(top + y, 0, height - 1) * width;
      for (let x = 0; x < side; x += 1) {
        const pixel = 4 * (start + clamp(left + x, 0, width - 1));
        weightings.forEach(([r, g, b], channel) => {
          planes[channel][y * side + x] =
            r * data[pixel] + g * data[pixel + 1] + b * data[pixel + 2];
        });
      }
    }
    return { side, planes };
  };
}

function rotate({ width, height, data }, box, turned, framing) {
  const { cx, cy, side } = centre(box, framing);
  const cosine = Math.cos(turned / DEGREES);
  const sine = Math.sin(turned / DEGREES);
  return (weightings) => {
    const planes = weightings.map(() => new Float32Array(side * side));
    for (let i = 0; i < side; i += 1) {
      const v = i - (side - 1) / 2;
      for (let j = 0; j < side; j += 1) {
        const u = j - (side - 1) / 2;
        const x = clamp(cx - 0.5 + cosine * u - sine * v, 0, width - 1);
        const y = clamp(cy - 0.5 + sine * u + cosine * v, 0, height - 1);
        const left = Math.floor(x);
        const top = Math.floor(y);
        const right = Math.min(left + 1, width - 1);
        const bottom = Math.min(top + 1, height - 1);
        const corners = [
          [4 * (top * width + left), (1 - (x - left)) * (1 - (y - top))],
          [4 * (top * width + right), (x - left) * (1 - (y - top))],
          [4 * (bottom * width + left), (1 - (x - left)) * (y - top)],
          [4 * (bottom * width + right), (x - left) * (y - top)],
        ];
        weightings.forEach(([r, g, b], channel) => {
          let sum = 0;
          for (const [pixel, part] of corners) {
            sum += part * (r * data[pixel] + g * data[pixel + 1] + b * data[pixel + 2]);
          }
          planes[channel][i * side + j] = sum;
        });
      }
    }
    return { side, planes };
  };
}
