// The engine in the browser: no picture leaves it. For the page, the same as server-engine.js.
// The npm package of packages/web is built on it too.

/**
 * @param {object} where
 *   baseUrl: folder of this module's files, ending in a slash; none: where this module came from;
 *   assetsUrl: folder of models and runtime, from `fer webcam --export-engine`;
 *   manifestName: file in it that describes them;
 *   server: {weights, model, command, advice}: name and digest of the server's weights, and how the
 *     models are made, see assets.js;
 *   backend: "auto", "webgpu" or "wasm", see backend.js;
 *   onStatus: gets a line of text for the user while models load;
 *   options: {smoothing, detectEvery, detector, workingSize, maxFaces, threads}, see pipeline.js;
 *     threads 0 or none: as many as the browser has cores, less one, 4 at most.
 */
export function createEngine({
  baseUrl = null,
  assetsUrl = "/engine-assets/",
  manifestName = "manifest.json",
  server = {},
  backend = "auto",
  onStatus = () => {},
  options = {},
} = {}) {
  let worker = null;
  let waiting = new Map();
  let count = 0;

  const fail = (error) => {
    for (const { reject } of waiting.values()) reject(error);
    waiting = new Map();
  };

  const ask = (call, values = {}, transfer = []) =>
    new Promise((resolve, reject) => {
      if (worker === null) {
        reject(new Error("The engine has not been started."));
        return;
      }
      count += 1;
      waiting.set(count, { resolve, reject });
      worker.postMessage({ id: count, call, ...values }, transfer);
    });

  const listen = () => {
    worker.onmessage = ({ data: { id, result, error, status } }) => {
      if (status !== undefined) {
        onStatus(status);
        return;
      }
      const call = waiting.get(id);
      if (call === undefined) return;
      waiting.delete(id);
      if (error === undefined) call.resolve(result);
      else call.reject(new Error(error));
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const text = event.message || "its program cannot be loaded";
      fail(Object.assign(new Error(`The engine has stopped: ${text}`), { fatal: true }));
      engine.stop();
    };
  };

  const engine = {
    name: "browser",
    maxInFlight: 1,
    classNames: [],
    /** What the models were made from, once it is started: {weights, model, ...}. */
    source: null,
    /** Where the networks run, once it is started: "webgpu" or "wasm". */
    backend: null,

    /** Load everything; rejects with a message for the user. */
    async start() {
      if (worker !== null) return;
      worker = startWorker(baseUrl);
      const own = worker;
      listen();
      try {
        const url = new URL(assetsUrl, location.href).href;
        const started = await ask("start", {
          assetsUrl: url,
          manifestName,
          server,
          backend,
          options,
        });
        if (started === null) throw new Error("The engine was stopped while it started.");
        engine.classNames = started.classNames;
        engine.source = started.source;
        engine.backend = started.backend;
      } catch (error) {
        if (worker === own) engine.stop();
        throw error;
      }
    },

    /** The faces of a canvas or of ImageData; `null` where the engine was stopped meanwhile. */
    process(image, { frame, timestamp }) {
      const { width, height, data } = pixels(image);
      // A copy, because what is handed to the worker is gone here.
      const own = image instanceof ImageData ? data.slice() : data;
      return ask("process", { width, height, data: own, frame, timestamp }, [own.buffer]);
    },

    /** Forget faces and their past, as before another stream. */
    reset() {
      if (worker !== null) ask("reset");
    },

    /** Free everything; `start()` may be called again. */
    stop() {
      worker?.terminate();
      worker = null;
      for (const { resolve } of waiting.values()) resolve(null);
      waiting = new Map();
    },
  };
  return engine;
}

function startWorker(baseUrl) {
  if (baseUrl === null) {
    // Bundlers find the worker by these very words.
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  }
  return new Worker(new URL("worker.js", new URL(baseUrl, location.href)), { type: "module" });
}

function pixels(image) {
  if (image instanceof ImageData) return image;
  return image.getContext("2d").getImageData(0, 0, image.width, image.height);
}
