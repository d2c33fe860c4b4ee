// The networks on ONNX Runtime: a detector's and the expression model.

import { runtimeOf } from "./backend.js";

const DETECTORS = Object.freeze({ mtcnn: ["pnet", "rnet", "onet"], yunet: ["yunet"] });

/** Names of the files that `createNetworks` wants for the same backend and detector. */
export function networkFiles(manifest, { backend = "wasm", detector = "mtcnn" } = {}) {
  const networks = DETECTORS[detector].map((name) => `${name}.onnx`);
  return [...networks, manifest.expression.file, runtimeOf(manifest, backend).wasm];
}

/**
 * Make the networks ready.
 *
 * @param ort the module of onnxruntime-web, the one that the manifest names for the backend
 * @param manifest the manifest
 * @param files its files as ArrayBuffers by name
 * @param {object} options
 *   threads: how many; more than 1 only where the page is cross-origin isolated;
 *   backend: "wasm" or "webgpu", where they run;
 *   detector: "mtcnn" or "yunet".
 * @returns {Promise<{detect, classify, release}>}
 *   `detect(name, data, shape)`: outputs of one of the detector's networks by name;
 *   `classify(data, count)`: probabilities (count, classes) of `count` faces.
 */
export async function createNetworks(
  ort,
  manifest,
  files,
  { threads = 1, backend = "wasm", detector = "mtcnn" } = {},
) {
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = files[runtimeOf(manifest, backend).wasm];
  const options = { executionProviders: [backend], graphOptimizationLevel: "all" };
  const open = (name) => ort.InferenceSession.create(new Uint8Array(files[name]), options);
  const sessions = {};
  const release = async () => {
    for (const session of Object.values(sessions)) await session.release();
  };
  const { file, size, channels } = manifest.expression;
  try {
    for (const name of DETECTORS[detector]) sessions[name] = await open(`${name}.onnx`);
    sessions.expression = await open(file);
  } catch (error) {
    release().catch(() => {});
    throw error;
  }
  const run = (name, data, shape) => {
    const session = sessions[name];
    return session.run({ [session.inputNames[0]]: new ort.Tensor("float32", data, shape) });
  };
  return {
    detect: run,
    async classify(data, count) {
      const outputs = await run("expression", data, [count, size, size, channels]);
      return outputs[sessions.expression.outputNames[0]].data;
    },
    release,
  };
}
