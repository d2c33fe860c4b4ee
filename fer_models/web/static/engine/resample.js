// Changing the size of pictures as OpenCV and TensorFlow do it, in plain loops.
//
// A picture is {width, height, data}: data is RGBA, one byte each, as in ImageData.

// OpenCV leaves out a source pixel of which less than this is covered.
const LEAST = 1e-3;

/**
 * The source pixels that each target pixel covers, and how much of it each of them makes up.
 *
 * Returns one {first, weights} a target pixel. The rule of cv2.INTER_AREA, `source >= target`.
 */
export function areaTable(source, target) {
  const scale = source / target;
  const table = [];
  for (let place = 0; place < target; place += 1) {
    const from = place * scale;
    const to = from + scale;
    const width = Math.min(scale, source - from);
    let last = Math.min(Math.floor(to), source - 1);
    const whole = Math.min(Math.ceil(from), last);
    let first = whole;
    const weights = [];
    if (whole - from > LEAST) {
      first = whole - 1;
      weights.push((whole - from) / width);
    }
    for (let pixel = whole; pixel < last; pixel += 1) weights.push(1 / width);
    if (to - last > LEAST) weights.push(Math.min(to - last, 1, width) / width);
    table.push({ first, weights });
  }
  return table;
}

/** The two source pixels between which each target pixel lies: cv2.INTER_LINEAR, any sizes. */
export function linearTable(source, target) {
  const scale = source / target;
  const table = [];
  for (let place = 0; place < target; place += 1) {
    const at = Math.min(Math.max((place + 0.5) * scale - 0.5, 0), source - 1);
    const first = Math.min(Math.floor(at), Math.max(source - 2, 0));
    const weights = source === 1 ? [1] : [1 - (at - first), at - first];
    table.push({ first, weights });
  }
  return table;
}

/** Apply one table to the columns and one to the rows of a plane of floats. */
export function resample(plane, width, columns, rows) {
  const out = new Float32Array(columns.length * rows.length);
  const narrow = new Map();
  const narrowed = (row) => {
    let line = narrow.get(row);
    if (line === undefined) {
      line = new Float32Array(columns.length);
      const start = row * width;
      for (let x = 0; x < columns.length; x += 1) {
        const { first, weights } = columns[x];
        let sum = 0;
        for (let k = 0; k < weights.length; k += 1) sum += weights[k] * plane[start + first + k];
        line[x] = sum;
      }
      narrow.set(row, line);
    }
    return line;
  };
  for (let y = 0; y < rows.length; y += 1) {
    const { first, weights } = rows[y];
    const start = y * columns.length;
    for (let k = 0; k < weights.length; k += 1) {
      const line = narrowed(first + k);
      for (let x = 0; x < columns.length; x += 1) out[start + x] += weights[k] * line[x];
    }
    for (const row of narrow.keys()) if (row < first) narrow.delete(row);
  }
  return out;
}

/** Shrink a picture so that its longer side is at most `longest`: cv2.INTER_AREA, in bytes. */
export function shrink(picture, longest) {
  const side = Math.max(picture.width, picture.height);
  if (!longest || side <= longest) return picture;
  const scale = longest / side;
  const width = Math.max(1, roundHalfEven(picture.width * scale));
  const height = Math.max(1, roundHalfEven(picture.height * scale));
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  const columns = areaTable(picture.width, width);
  const rows = areaTable(picture.height, height);
  const halved = picture.width === 2 * width && picture.height === 2 * height;
  const plane = new Float32Array(picture.width * picture.height);
  for (let channel = 0; channel < 3; channel += 1) {
    for (let k = 0; k < plane.length; k += 1) plane[k] = picture.data[4 * k + channel];
    const small = resample(plane, picture.width, columns, rows);
    // A clamped array rounds halves to even, as OpenCV does, but to one half of both sides: up.
    for (let k = 0; k < small.length; k += 1) {
      data[4 * k + channel] = halved ? Math.floor(small[k] + 0.5) : small[k];
    }
  }
  return { width, height, data };
}

/** Python's `round`. */
export function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * A picture's sums from its first pixel on, from which its mean over any rectangle is read.
 *
 * Pixels are whole numbers, so the sums are exact. Shrinking to many sizes costs the size of the
 * results, not of the picture each time.
 */
export class SummedPicture {
  constructor({ width, height, data }) {
    this.width = width;
    this.height = height;
    const stride = width + 1;
    this.planes = [0, 1, 2].map((channel) => {
      const sums = new Float64Array(stride * (height + 1));
      for (let y = 0; y < height; y += 1) {
        let row = 0;
        let above = y * stride + 1;
        let pixel = 4 * y * width + channel;
        for (let x = 0; x < width; x += 1, above += 1, pixel += 4) {
          row += data[pixel];
          sums[above + stride] = sums[above] + row;
        }
      }
      return sums;
    });
  }

  /**
   * Mean over the rectangle that each target pixel covers, as tf.image.resize's AREA, then
   * `(mean - offset) / divisor`. Returns Float32Array, channel by channel.
   */
  resize(width, height, offset, divisor) {
    const stride = this.width + 1;
    const stepX = this.width / width;
    const stepY = this.height / height;
    const columns = new Int32Array(width + 1);
    const parts = new Float64Array(width + 1);
    for (let x = 0; x <= width; x += 1) {
      const at = Math.min(x * stepX, this.width);
      columns[x] = Math.min(Math.floor(at), this.width - 1);
      parts[x] = at - columns[x];
    }
    const out = new Float32Array(3 * width * height);
    const scale = 1 / (stepX * stepY * divisor);
    const shift = offset / divisor;
    let last = new Float64Array(width + 1);
    let next = new Float64Array(width + 1);
    this.planes.forEach((sums, channel) => {
      last.fill(0);
      let place = channel * width * height;
      for (let y = 1; y <= height; y += 1) {
        const at = Math.min(y * stepY, this.height);
        const row = Math.min(Math.floor(at), this.height - 1);
        const part = at - row;
        const start = row * stride;
        for (let x = 0; x <= width; x += 1) {
          const corner = start + columns[x];
          const upper = sums[corner] + (sums[corner + 1] - sums[corner]) * parts[x];
          const below = corner + stride;
          const lower = sums[below] + (sums[below + 1] - sums[below]) * parts[x];
          next[x] = upper + (lower - upper) * part;
        }
        for (let x = 0; x < width; x += 1, place += 1) {
          out[place] = (next[x + 1] - next[x] - last[x + 1] + last[x]) * scale - shift;
        }
        [last, next] = [next, last];
      }
    });
    return out;
  }
}
