// From a picture to the result that the page shows: detect, cut out, classify, smooth.
//
// Knows nothing of pages or workers, so that it can be tested in Node.js.

import { crop, roll } from "./crop.js";
import { Mtcnn } from "./mtcnn.js";
import { openClasses } from "./sets.js";
import { Smoother, Tracker } from "./tracking.js";
import { YuNet } from "./yunet.js";

export const DEFAULTS = Object.freeze({ smoothing: 0.3, detectEvery: 0.2, detector: "mtcnn" });

/** One stream of pictures. */
export class Pipeline {
  /**
   * @param networks from `createNetworks`
   * @param manifest from `readManifest`
   * @param {object} options
   *   smoothing: time constant of the probabilities' mean in seconds, 0 for none;
   *   detectEvery: seconds between detections, 0 for every picture;
   *   detector: "mtcnn" or "yunet", that of the networks;
   *   workingSize, maxFaces, ...: of the detector.
   */
  constructor(networks, manifest, options = {}) {
    const { smoothing, detectEvery, detector, ...rest } = { ...DEFAULTS, ...options };
    this.networks = networks;
    this.names = manifest.expression.classNames;
    this.sets = manifest.expression.sets;
    const { size, channels } = manifest.expression;
    this.rule = { size, channels, ...manifest.crop };
    this.smoothing = smoothing;
    let finder;
    if (detector === "yunet") {
      // Its boxes lie around faces in another way.
      const { framing, ...own } = manifest.yunet;
      this.rule.framing = framing;
      finder = new YuNet(networks.detect, { ...own, ...rest });
    } else {
      finder = new Mtcnn(networks.detect, { ...manifest.detector, ...rest });
    }
    this.tracker = new Tracker(finder, detectEvery);
    this.reset();
  }

  /** Forget faces and their past. */
  reset() {
    this.tracker.reset();
    this.smoother = new Smoother(this.smoothing);
  }

  /**
   * @param picture {width, height, data}, as ImageData
   * @param {{frame: number, timestamp: number}} when timestamp in seconds, which must not fall
   */
  async process(picture, { frame, timestamp }) {
    const start = performance.now();
    const found = await this.tracker.step(picture, timestamp);
    const located = performance.now();
    const probabilities = await this.classify(picture, found.map(({ face }) => face));
    const faces = found.map(({ track, face }, place) => {
      const mean = this.smoother.smooth(track, probabilities[place], timestamp);
      const best = mean.indexOf(Math.max(...mean));
      const set = openClasses(this.names, mean, this.sets);
      return {
        box: face.box,
        score: face.score,
        label: this.names[best],
        confidence: mean[best],
        answer: set?.length > 1 ? "unsure" : this.names[best],
        set,
        probabilities: Object.fromEntries(this.names.map((name, k) => [name, mean[k]])),
        track,
      };
    });
    this.smoother.forget(timestamp);
    const end = performance.now();
    return {
      frame,
      timestamp,
      width: picture.width,
      height: picture.height,
      faces,
      milliseconds: { detect: located - start, classify: end - located, total: end - start },
    };
  }

  /** Probabilities of each face, not smoothed. */
  async classify(picture, faces) {
    if (faces.length === 0) return [];
    const { size, channels } = this.rule;
    const length = size * size * channels;
    const data = new Float32Array(faces.length * length);
    faces.forEach((face, place) => {
      data.set(crop(picture, face.box, roll(face.points), this.rule), place * length);
    });
    const values = await this.networks.classify(data, faces.length);
    const classes = this.names.length;
    return faces.map((_, place) => values.slice(place * classes, (place + 1) * classes));
  }
}
