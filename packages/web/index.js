// Facial expressions in pictures and live video, recognised inside the browser.

import { BACKENDS } from "./engine/backend.js";
import { createEngine } from "./engine/engine.js";

/** The bundled expression models. */
export const MODELS = Object.freeze(["fer2013", "ferplus"]);

/** The face detectors. */
export const DETECTORS = Object.freeze(["mtcnn", "yunet"]);

// Each picture by itself, as `Recognizer.photo` of fer-keras takes it.
const ALONE = Object.freeze({ smoothing: 0, detectEvery: 0 });
// What the other options must be.
const whole = (value, least) => Number.isInteger(value) && value >= least;
const seconds = [(value) => Number.isFinite(value) && value >= 0, "0 or more seconds"];
const OPTIONS = {
  smoothing: seconds,
  detectEvery: seconds,
  workingSize: [(value) => whole(value, 32), "32 or more whole pixels"],
  minScore: [(value) => Number.isFinite(value) && value >= 0 && value <= 1, "a number from 0 to 1"],
  maxFaces: [(value) => value === null || whole(value, 1), "null, 1 or more"],
  threads: [(value) => whole(value, 0), "0 or more"],
};

/** Load detector and expression model; index.d.ts describes arguments and result. */
export async function load({
  model = "ferplus",
  detector = "mtcnn",
  baseUrl = new URL(/* webpackIgnore: true */ /* @vite-ignore */ "./models/", import.meta.url),
  backend = "auto",
  onStatus = () => {},
  ...given
} = {}) {
  oneOf("model", model, MODELS);
  oneOf("detector", detector, DETECTORS);
  oneOf("backend", backend, BACKENDS);
  const own = Object.entries(given).filter(([, value]) => value !== undefined);
  for (const [name, value] of own) check(name, value);
  const folder = new URL(String(baseUrl).replace(/\/?$/, "/"), location.href).href;
  const engine = createEngine({
    assetsUrl: folder,
    manifestName: `${model}.json`,
    server: {
      advice:
        `They were looked for in ${folder}: serve the package's folder "models" there, or give ` +
        "its address as `baseUrl`.",
    },
    backend,
    onStatus,
    options: { ...ALONE, ...Object.fromEntries(own), detector },
  });
  await engine.start();
  return new Engine(engine, model, detector);
}

const CLOSED = "The engine was closed. Load another one.";

class Engine {
  #engine;
  #canvas = blankCanvas();
  #count = 0;
  #closed = false;
  #stopped = null;

  constructor(engine, model, detector) {
    this.#engine = engine;
    this.model = model;
    this.detector = detector;
    this.backend = engine.backend;
    this.classNames = engine.classNames;
    this.milliseconds = null;
  }

  async recognise(source) {
    if (this.#closed) throw new Error(CLOSED);
    if (this.#stopped) throw this.#stopped;
    this.#count += 1;
    const when = { frame: this.#count, timestamp: performance.now() / 1000 };
    const picture = this.#picture(source);
    let answer;
    try {
      answer = await this.#engine.process(picture, when);
    } catch (error) {
      // A picture from elsewhere taints a canvas for good.
      this.#canvas = blankCanvas();
      if (!error.fatal) throw error;
      this.#stopped = new Error(`${error.message}. Load another engine.`);
      throw this.#stopped;
    }
    if (answer === null) throw new Error(CLOSED);
    this.milliseconds = answer.milliseconds;
    return answer.faces;
  }

  reset() {
    this.#engine.reset();
  }

  close() {
    this.#closed = true;
    this.#engine.stop();
  }

  #picture(source) {
    if (source instanceof ImageData) return source;
    const [width, height] = sizeOf(source);
    const canvas = this.#canvas;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const context = canvas.getContext("2d");
    // Nothing of the last picture shows through a transparent one.
    context.globalCompositeOperation = "copy";
    context.drawImage(source, 0, 0, width, height);
    return canvas;
  }
}

/** A canvas in the processor's memory, as pixels are read back from every picture. */
function blankCanvas() {
  const canvas = new OffscreenCanvas(1, 1);
  canvas.getContext("2d", { willReadFrequently: true });
  return canvas;
}

/** Width and height of what a canvas can draw, in its own pixels. */
function sizeOf(source) {
  const width = source?.videoWidth ?? source?.naturalWidth ?? source?.displayWidth ?? source?.width;
  const height =
    source?.videoHeight ?? source?.naturalHeight ?? source?.displayHeight ?? source?.height;
  if (!(width > 0 && height > 0)) {
    throw new TypeError(
      "`source` must be a loaded image, a video that has a picture, a canvas, an ImageBitmap, a " +
        `VideoFrame or ImageData. Received: source=${source}, ${width}x${height}`,
    );
  }
  return [width, height];
}

function check(name, value) {
  if (!Object.hasOwn(OPTIONS, name)) {
    const names = ["model", "detector", "baseUrl", "backend", "onStatus", ...Object.keys(OPTIONS)];
    throw new TypeError(`\`load\` takes ${names.join(", ")}. Received: ${name}`);
  }
  const [rule, words] = OPTIONS[name];
  if (!rule(value)) throw new TypeError(`\`${name}\` must be ${words}. Received: ${name}=${value}`);
}

function oneOf(argument, value, known) {
  if (known.includes(value)) return;
  const names = known.join(", ");
  throw new TypeError(`\`${argument}\` must be one of ${names}. Received: ${argument}=${value}`);
}
