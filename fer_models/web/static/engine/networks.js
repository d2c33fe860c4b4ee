// The four networks on ONNX Runtime's WebAssembly.

const DETECTOR = ["pnet", "rnet", "onet"];

/** Names of the files that `createNetworks` wants. */
export function networkFiles(manifest) {
  return [...DETECTOR.map((name) => `${name}.onnx`), manifest.expression.file, manifest.runtime.wasm];
}

/**
 * Make the networks ready.
 *
 * @param ort the module of onnxruntime-web
 * @param manifest the manifest
 * @param files its files as ArrayBuffers by name
 * @param threads how many; more than 1 only where the page is cross-origin isolated
 * @returns {Promise<{detect, classify, release}>}
 *   `detect(name, data, shape)`: outputs of one of the detector's networks by name;
 *   `classify(data, count)`: probabilities (count, classes) of `count` faces.
 */
export async function createNetworks(ort, manifest, files, threads) {
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = files[manifest.runtime.wasm];
  const options = { executionProviders: ["wasm"], graphOptimizationLevel: "all" };
  const open = (name) => ort.InferenceSession.create(new Uint8Array(files[name]), options);
  const sessions = {};
  for (const name of DETECTOR) sessions[name] = await open(`${name}.onnx`);
  const { file, size, channels } = manifest.expression;
  sessions.expression = await open(file);
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
    async release() {
      for (const session of Object.values(sessions)) await session.release();
    },
  };
}
