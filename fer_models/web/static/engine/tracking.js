// Which face is which from picture to picture: by the overlap of their boxes.
//
// The constants are those of fer_data/faces/box_tracking.py. That follows faces between detections
// by optical flow; here the detector's second and third network look where they were last.

const LEAST_OVERLAP = 0.3;
const SAME_FACE = 0.6;
const FORGET_AFTER = 0.5;

/** Gives faces their numbers; one for each stream. */
export class Tracker {
  /**
   * @param detector has `detect(picture)` and `follow(picture, boxes)`
   * @param {number} detectEvery seconds of the stream between detections; 0: in every picture
   */
  constructor(detector, detectEvery) {
    this.detector = detector;
    this.detectEvery = detectEvery;
    this.next = 0;
    this.reset();
  }

  /** Forget all faces. Their numbers are not used again. */
  reset() {
    this.tracks = [];
    this.time = null;
    this.lastDetection = null;
    this.size = null;
  }

  /** Faces of the next picture, by number: [{track, face}]; times must not fall. */
  async step(picture, time) {
    if (this.time !== null && time < this.time) {
      throw new Error(`A frame's timestamp is before that of the last one: ${time} < ${this.time}`);
    }
    const size = `${picture.width}x${picture.height}`;
    if (this.size !== null && size !== this.size) this.reset();
    this.time = time;
    this.size = size;
    const due = this.lastDetection === null || time - this.lastDetection >= this.detectEvery - 1e-6;
    if (due || !(await this.follow(picture))) {
      this.match(await this.detector.detect(picture), time);
      this.lastDetection = time;
    }
    return this.tracks.filter((each) => each.visible).map(({ track, face }) => ({ track, face }));
  }

  /** Move the faces in sight; false where one was lost. */
  async follow(picture) {
    const visible = this.tracks.filter((each) => each.visible);
    if (visible.length === 0) return true;
    const faces = await this.detector.follow(picture, visible.map((each) => each.face.box));
    const pairs = assign(visible, faces);
    if (pairs.size < visible.length) return false;
    for (const [each, face] of pairs) each.face = face;
    return true;
  }

  match(faces, time) {
    const pairs = assign(this.tracks, faces);
    const taken = new Map([...pairs].map(([each, face]) => [face, each]));
    const matched = faces.map((face) => {
      const known = taken.get(face) ?? { track: this.next++ };
      return Object.assign(known, { face, seen: time, visible: true });
    });
    const kept = this.tracks.filter(
      (each) =>
        !matched.includes(each) &&
        time - each.seen <= FORGET_AFTER &&
        !matched.some((other) => overlap(each.face.box, other.face.box) > SAME_FACE),
    );
    for (const each of kept) each.visible = false;
    this.tracks = [...matched, ...kept].sort((one, other) => one.track - other.track);
  }
}

/** Exponential means of each track's probabilities over its own time. */
export class Smoother {
  /** @param {number} seconds time constant; 0 leaves each picture to itself */
  constructor(seconds) {
    this.seconds = seconds;
    this.known = new Map();
  }

  smooth(track, values, time) {
    const before = this.known.get(track);
    let mean = Array.from(values);
    if (this.seconds && before) {
      const share = -Math.expm1(-(time - before.time) / this.seconds);
      mean = before.mean.map((value, k) => value + share * (mean[k] - value));
    }
    this.known.set(track, { mean, time });
    return mean;
  }

  /** Forget tracks that were not seen for long. */
  forget(time) {
    for (const [track, known] of this.known) {
      if (time - known.time > 2 * FORGET_AFTER) this.known.delete(track);
    }
  }
}

/** Pair tracks with faces, the greatest overlap first; a Map from track to face. */
function assign(tracks, faces) {
  const candidates = tracks
    .flatMap((each) => faces.map((face) => ({ each, face, share: overlap(each.face.box, face.box) })))
    .filter(({ share }) => share >= LEAST_OVERLAP)
    .sort((one, other) => other.share - one.share);
  const pairs = new Map();
  const taken = new Set();
  for (const { each, face } of candidates) {
    if (pairs.has(each) || taken.has(face)) continue;
    pairs.set(each, face);
    taken.add(face);
  }
  return pairs;
}

/** Shared area by that of both boxes together. */
export function overlap([x1, y1, w1, h1], [x2, y2, w2, h2]) {
  const width = Math.min(x1 + w1, x2 + w2) - Math.max(x1, x2);
  const height = Math.min(y1 + h1, y2 + h2) - Math.max(y1, y2);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (w1 * h1 + w2 * h2 - shared);
}
