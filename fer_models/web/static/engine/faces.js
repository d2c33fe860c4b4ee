// What all detectors share at the end: the picture's own pixels, clipping, filters, order.

/**
 * Faces of a picture from what was found in a smaller copy of it, the most certain first.
 *
 * @param found [{low: [x1, y1], high: [x2, y2], score, points: [[x, y] x 5]}] in pixels of `small`
 * @param picture {width, height}
 * @param small {width, height} of the copy
 * @param {{minScore: number, maxFaces: ?number}} options
 * @returns [{box: [x, y, width, height], score, points}]
 */
export function finish(found, picture, small, { minScore, maxFaces }) {
  const scale = [picture.width / small.width, picture.height / small.height];
  const ends = [picture.width, picture.height];
  const faces = [];
  for (const { low, high, score, points } of found) {
    const start = [0, 1].map((axis) => clip(low[axis] * scale[axis], ends[axis]));
    const end = [0, 1].map((axis) => clip(high[axis] * scale[axis], ends[axis]));
    const sides = [end[0] - start[0], end[1] - start[1]];
    if (score < minScore || Math.min(...sides) < Number.EPSILON) continue;
    const five = points.map((point) =>
      point.map((value, axis) => Math.fround((value + 0.5) * scale[axis] - 0.5)),
    );
    faces.push({ box: [...start, ...sides].map(Math.fround), score, points: five });
  }
  faces.sort((one, other) => other.score - one.score);
  return maxFaces ? faces.slice(0, maxFaces) : faces;
}

function clip(value, end) {
  return Math.min(Math.max(value, 0), end);
}
