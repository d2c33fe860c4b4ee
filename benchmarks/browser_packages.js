// The side of browser_packages.py that runs in the browser; one page for each method.

const MODULES = "/node_modules";
const TENSORFLOW = `${MODULES}/@tensorflow/tfjs-backend-wasm/dist/`;
const RENAMED = { fearful: "fear", disgusted: "disgust", surprised: "surprise" };

// Each gives {versions, recognise}: faces of a canvas, each picture by itself.
const methods = {
  "fer-keras-web, mtcnn": ({ model }) => ours(model, "mtcnn"),
  "fer-keras-web, yunet": ({ model }) => ours(model, "yunet"),
  "face-api, tiny": () => faceApi("tinyFaceDetector", (api) => new api.TinyFaceDetectorOptions()),
  "face-api, ssd": () => faceApi("ssdMobilenetv1", (api) => new api.SsdMobilenetv1Options()),
  async human() {
    const { Human } = await import(`${MODULES}/@vladmandic/human/dist/human.esm.js`);
    const off = { enabled: false };
    const human = new Human({
      backend: "wasm",
      wasmPath: TENSORFLOW,
      modelBasePath: `${MODULES}/@vladmandic/human/models/`,
      // Nothing of the last picture is used again.
      cacheSensitivity: 0,
      filter: off,
      gesture: off,
      face: {
        detector: { maxDetected: 10 },
        emotion: { enabled: true },
        mesh: off,
        iris: off,
        description: off,
      },
      body: off,
      hand: off,
      object: off,
      segmentation: off,
    });
    await human.load();
    const recognise = async (canvas) => {
      const { face, error } = await human.detect(canvas);
      if (error) throw new Error(error);
      return face.map(({ box, score, emotion }) => ({
        box: [...box],
        score,
        label: emotion[0].emotion,
        confidence: emotion[0].score,
      }));
    };
    await recognise(blank());
    const { tf } = human;
    return {
      versions: { human: human.version, tfjs: tf.version_core, backend: tf.getBackend() },
      recognise,
    };
  },
};

async function ours(model, detector) {
  const { load } = await import(`${MODULES}/fer-keras-web/index.js`);
  const engine = await load({ model, detector, backend: "wasm" });
  return { versions: { backend: engine.backend }, recognise: (canvas) => engine.recognise(canvas) };
}

async function faceApi(detector, makeOptions) {
  const api = await import(`${MODULES}/@vladmandic/face-api/dist/face-api.esm.js`);
  api.tf.setWasmPaths(TENSORFLOW);
  await api.tf.setBackend("wasm");
  await api.tf.ready();
  const models = `${MODULES}/@vladmandic/face-api/model`;
  await api.nets[detector].loadFromUri(models);
  await api.nets.faceExpressionNet.loadFromUri(models);
  const options = makeOptions(api);
  const recognise = async (canvas) => {
    const found = await api.detectAllFaces(canvas, options).withFaceExpressions();
    return found.map(({ detection, expressions }) => {
      const [best] = expressions.asSortedArray();
      const { x, y, width, height } = detection.box;
      return {
        box: [x, y, width, height],
        score: detection.score,
        label: best.expression,
        confidence: best.probability,
      };
    });
  };
  await recognise(blank());
  return {
    versions: { "face-api": api.version, tfjs: api.tf.version_core, backend: api.tf.getBackend() },
    recognise,
  };
}

function blank() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 240 });
  canvas.getContext("2d").fillRect(0, 0, 320, 240);
  return canvas;
}

async function drawn(url) {
  const answer = await fetch(url);
  const image = await createImageBitmap(await answer.blob());
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: image.width, height: image.height });
  canvas.getContext("2d", { willReadFrequently: true }).drawImage(image, 0, 0);
  return canvas;
}

let method = null;

/** Load a method; versions, and the milliseconds that it took, models included. */
globalThis.begin = async (name, options) => {
  const start = performance.now();
  method = await methods[name](options);
  const isolated = crossOriginIsolated;
  return { ...method.versions, isolated, milliseconds: performance.now() - start };
};

/** Milliseconds and faces of each picture. */
globalThis.measure = async (urls) => {
  const results = [];
  for (const url of urls) {
    const canvas = await drawn(url);
    const start = performance.now();
    const faces = await method.recognise(canvas);
    const milliseconds = performance.now() - start;
    results.push({
      milliseconds,
      faces: faces.map(({ box, score, label, confidence }) => ({
        box,
        score,
        label: RENAMED[label] ?? label,
        confidence,
      })),
    });
  }
  return results;
};
