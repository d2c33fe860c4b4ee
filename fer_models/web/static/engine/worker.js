// The engine's work, off the page's thread. Messages: {id, call, ...} in, {id, result | error} out,
// and {status} while it loads.

import { readFiles, readManifest } from "./assets.js";
import { runtimeOf, startBackend } from "./backend.js";
import { createNetworks, networkFiles } from "./networks.js";
import { Pipeline } from "./pipeline.js";

let pipeline = null;

const calls = {
  async start({ assetsUrl, manifestName, server, backend, options }) {
    if (!globalThis.crypto?.subtle) {
      throw new Error("The browser checks its models only on https or on this machine's own page.");
    }
    const { threads, ...rest } = options;
    const { detector = "mtcnn" } = options;
    const manifest = await readManifest(assetsUrl, server, fetch, manifestName);
    const say = (status) => postMessage({ status });
    const load = async (place) => {
      const program = runtimeOf(manifest, place).module;
      // The program is read with the models, so that it is checked before it runs.
      const names = [...networkFiles(manifest, { backend: place, detector }), program];
      const files = await readFiles(assetsUrl, manifest, names, server, progress());
      const module = new URL(program, assetsUrl).href;
      // Bundlers must leave the address as it is: the file lies beside the models.
      return { files, ort: await import(/* webpackIgnore: true */ /* @vite-ignore */ module) };
    };
    const start = async (place, { files, ort }) => {
      say("Starting the models");
      const networks = await createNetworks(ort, manifest, files, {
        threads: threads || defaultThreads(),
        backend: place,
        detector,
      });
      try {
        await warmUp(networks, manifest, detector);
      } catch (error) {
        // Nobody waits for it: a graphics card that failed may never answer.
        networks.release().catch(() => {});
        throw error;
      }
      return networks;
    };
    const started = await startBackend(backend, manifest, { load, start }, say);
    pipeline = new Pipeline(started.networks, manifest, rest);
    const { expression, source } = manifest;
    return { classNames: expression.classNames, source, backend: started.backend };
  },

  process({ width, height, data, frame, timestamp }) {
    return pipeline.process({ width, height, data }, { frame, timestamp });
  },

  reset() {
    pipeline.reset();
  },
};

// One after the other: a reset must not come in the middle of a frame.
let last = Promise.resolve();

onmessage = ({ data: { id, call, ...values } }) => {
  last = last.then(async () => {
    try {
      postMessage({ id, result: await calls[call](values) });
    } catch (error) {
      postMessage({ id, error: error.message });
    }
  });
};

function progress() {
  let shown = -1;
  return (loaded, total) => {
    const megabytes = Math.floor(loaded / 1e6);
    if (megabytes === shown) return;
    shown = megabytes;
    postMessage({ status: `Loading the models, ${megabytes} of ${Math.ceil(total / 1e6)} MB` });
  };
}

function defaultThreads() {
  // Threads share memory, which a browser allows to isolated pages only. One core stays free.
  if (!globalThis.crossOriginIsolated) return 1;
  return Math.max(1, Math.min(4, navigator.hardwareConcurrency - 1));
}

// The first run of a network takes longer: it must not be a frame's.
async function warmUp(networks, manifest, detector) {
  const { size, channels } = manifest.expression;
  const blank = (...shape) => new Float32Array(shape.reduce((one, other) => one * other));
  const sides = detector === "yunet" ? { yunet: 64 } : { pnet: 64, rnet: 24, onet: 48 };
  for (const [name, side] of Object.entries(sides)) {
    await networks.detect(name, blank(3, side, side), [1, 3, side, side]);
  }
  await networks.classify(blank(size, size, channels), 1);
}
