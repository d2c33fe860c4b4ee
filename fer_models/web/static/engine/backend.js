// Where the networks run: on the graphics card through WebGPU, or on the processor.

export const BACKENDS = Object.freeze(["auto", "webgpu", "wasm"]);

/** The files of ONNX Runtime for a backend: {module, wasm}. */
export function runtimeOf(manifest, backend) {
  return backend === "webgpu" ? manifest.webgpu : manifest.runtime;
}

/**
 * Choose where the networks run.
 *
 * @param {"auto" | "webgpu" | "wasm"} wanted "auto": on a graphics card where there is one
 * @param manifest the manifest; one without `webgpu` brings the runtime for the processor alone
 * @param gpu `navigator.gpu`, or what stands in for it
 * @param say gets a line of text for the user where "auto" goes on without WebGPU that failed
 * @returns {Promise<"webgpu" | "wasm">}
 */
export async function chooseBackend(
  wanted,
  manifest,
  gpu = globalThis.navigator?.gpu,
  say = () => {},
) {
  if (!BACKENDS.includes(wanted)) {
    const names = BACKENDS.join(", ");
    throw new Error(`\`backend\` must be one of ${names}. Received: backend=${wanted}`);
  }
  if (wanted === "wasm" || (wanted === "auto" && !manifest.webgpu)) return "wasm";
  if (!manifest.webgpu) {
    throw new Error("These models bring no runtime for WebGPU. Ask for the backend wasm.");
  }
  let adapter;
  try {
    adapter = (await gpu?.requestAdapter()) ?? null;
  } catch (error) {
    goOn(wanted, error, say);
    return "wasm";
  }
  if (wanted === "webgpu") {
    if (adapter === null) {
      throw new Error("This browser has no WebGPU here. Ask for the backend wasm or auto.");
    }
    return "webgpu";
  }
  // A software adapter draws on the processor, on which WebAssembly computes faster.
  const software = adapter?.info?.isFallbackAdapter ?? adapter?.isFallbackAdapter ?? false;
  return adapter !== null && !software ? "webgpu" : "wasm";
}

/**
 * Start the networks where they are wanted; with "auto", on the processor where WebGPU fails.
 *
 * @param wanted, manifest, gpu, say as for `chooseBackend`
 * @param {object} steps
 *   load: gets a backend, returns its files. A file that is missing is no failure of WebGPU;
 *   start: gets a backend and these files, returns the networks.
 * @returns {Promise<{backend: "webgpu" | "wasm", networks}>}
 */
export async function startBackend(wanted, manifest, { load, start }, say, gpu) {
  const backend = await chooseBackend(wanted, manifest, gpu, say);
  const files = await load(backend);
  try {
    return { backend, networks: await start(backend, files) };
  } catch (error) {
    if (backend !== "webgpu") throw error;
    goOn(wanted, error, say);
  }
  return { backend: "wasm", networks: await start("wasm", await load("wasm")) };
}

// After WebGPU failed: an error where nothing else is wanted, else a word to the user.
function goOn(wanted, error, say) {
  const reason = error?.message ?? String(error);
  if (wanted === "webgpu") {
    throw new Error(`WebGPU failed in this browser (${reason}). Ask for the backend wasm or auto.`);
  }
  say(`WebGPU failed in this browser (${reason}): the models run on the processor`);
}
