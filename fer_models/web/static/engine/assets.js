// Models and runtime from the server's own folder, each checked by its SHA-256.

const EXPORT = "fer webcam --export-engine";
// What a cache holds is asked about: files keep their names when the models are made anew.
const FRESH = { cache: "no-cache" };

function remedy({ weights, command, advice }, verb) {
  if (advice) return advice;
  return `To ${verb}: ${command ?? (weights ? `${EXPORT} --weights ${weights}` : EXPORT)}`;
}

/**
 * Read the file that describes the models.
 *
 * @param url folder, ending in a slash
 * @param {{weights, model, command, advice}} server name and digest of the weights that the server
 *   uses: others are refused, without a digest any will do; the command that makes the models; or,
 *   in its place, a sentence that says what to do where they cannot be used
 * @param get `fetch`, or what stands in for it
 * @param name name of the file
 */
export async function readManifest(url, server = {}, get = fetch, name = "manifest.json") {
  const answer = await get(`${url}${name}`, FRESH);
  if (answer.status === 404) {
    const how = remedy(server, "make them");
    throw new Error(`The models for the browser are not on this server. ${how}`);
  }
  if (!answer.ok) throw new Error(`${url}${name}: the server answered ${answer.status}`);
  const how = remedy(server, "renew them");
  // Some servers answer a page, and no 404, where there is no file.
  const manifest = await answer.json().catch(() => {
    throw new Error(`${url}${name} does not describe the models for the browser. ${how}`);
  });
  if (manifest.format !== 1) {
    throw new Error(`The models for the browser are of another version. ${how}`);
  }
  if (server.model && manifest.source.model !== server.model) {
    throw new Error(`${differ(manifest.source.weights, server.weights)} ${how}`);
  }
  return manifest;
}

function differ(own, servers) {
  if (own !== servers) {
    return `The models for the browser were made from ${own}, but the server uses ${servers}.`;
  }
  return (
    `The models for the browser were made from another state of ${own} than the server uses. ` +
    "If it has changed since the server started, start the server again."
  );
}

/**
 * Read files of the manifest; `onProgress(loaded, total)` in bytes as they come.
 *
 * @param {{weights, command, advice}} server as for `readManifest`
 * @returns {Promise<Object>} ArrayBuffers by name
 */
export async function readFiles(
  url,
  manifest,
  names,
  server = {},
  onProgress = () => {},
  get = fetch,
) {
  const total = names.reduce((sum, name) => sum + manifest.files[name].bytes, 0);
  let loaded = 0;
  const read = async (name) => {
    const answer = await get(`${url}${name}`, FRESH);
    if (!answer.ok) throw new Error(`${url}${name}: the server answered ${answer.status}`);
    const { bytes, sha256 } = manifest.files[name];
    const content = new Uint8Array(bytes);
    let place = 0;
    const reader = answer.body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      if (place + part.value.length <= bytes) content.set(part.value, place);
      place += part.value.length;
      loaded += part.value.length;
      onProgress(loaded, total);
    }
    if (place !== bytes || (await digest(content)) !== sha256) {
      const how = remedy(server, "renew it");
      throw new Error(`${name} is not the file that the manifest names. ${how}`);
    }
    return [name, content.buffer];
  };
  return Object.fromEntries(await Promise.all(names.map(read)));
}

async function digest(content) {
  const hash = await crypto.subtle.digest("SHA-256", content);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
