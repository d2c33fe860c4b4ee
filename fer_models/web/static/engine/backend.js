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
 * @returns {Promise<"webgpu" | "wasm">}
 */
export async function chooseBackend(wanted, manifest, gpu = globalThis.navigator?.gpu) {
  if (!BACKENDS.includes(wanted)) {
    const names = BACKENDS.join(", ");
    throw new Error(`\`backend\` must be one of ${names}. Received: backend=${wanted}`);
  }
  if (wanted === "wasm" || (wanted === "auto" && !manifest.webgpu)) return "wasm";
  if (!manifest.webgpu) {
    throw new Error("These models bring no runtime for WebGPU. Ask for the backend wasm.");
  }
  const adapter = (await gpu?.requestAdapter()) ?? null;
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
