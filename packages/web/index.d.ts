/** A picture, or what has one now. Cross-origin images need CORS: the pixels are read. */
export type Source =
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageBitmap
  | ImageData
  | VideoFrame;

/** Name of a bundled expression model. */
export type Model = "fer2013" | "ferplus";

/** Name of a face detector. */
export type Detector = "mtcnn" | "yunet";

/** Where the networks run. */
export type Backend = "webgpu" | "wasm";

export interface LoadOptions {
  /**
   * Expression model, of the same 7 classes: trained on the votes of FER+ (the default), or on the
   * labels of FER2013.
   */
  model?: Model;
  /**
   * Face detector: MTCNN (the default), as in fer-keras, or YuNet, which takes a fraction of its
   * time.
   */
  detector?: Detector;
  /** Address of the package's folder `models`. Default: where it lies beside this module. */
  baseUrl?: string | URL;
  /**
   * `"auto"` (the default): WebGPU where the browser has a graphics card for it, else wasm. Where
   * WebGPU fails, `onStatus` is told, and wasm goes on.
   */
  backend?: Backend | "auto";
  /** Gets a line of text for the user while the models load. */
  onStatus?: (text: string) => void;
  /**
   * Time constant in seconds of the mean over a face's pictures, for live video; 0.3 is calm.
   * Default: 0, each picture by itself.
   */
  smoothing?: number;
  /**
   * Seconds between searches of the whole picture; in between, faces are looked for near their
   * last places only, which is faster with MTCNN. 0.2 suits live video. Default: 0, every picture
   * is searched.
   */
  detectEvery?: number;
  /** Pixels of the longer side at which faces are searched. Default: 640. */
  workingSize?: number;
  /** Least score of a face, in [0, 1]. Default: 0.8 for MTCNN, 0.7 for YuNet. */
  minScore?: number;
  /** Most faces of a picture, the most certain ones. Default: `null`, all. */
  maxFaces?: number | null;
  /**
   * Threads of wasm. More than one needs a page that is cross-origin isolated. Default: 0, as many
   * as there are cores, less one, 4 at most; 1 on other pages.
   */
  threads?: number;
}

export interface Face {
  /** Left, top, width and height, in pixels of the picture. */
  box: [x: number, y: number, width: number, height: number];
  /** How certain the detector is that this is a face, in [0, 1]. */
  score: number;
  /** Class of the highest probability. */
  label: string;
  /** That probability. */
  confidence: number;
  /** The label, or `"unsure"` where `set` holds more than one class. */
  answer: string;
  /**
   * Classes that the answer leaves open, the likeliest first: on faces like those of FER2013 the
   * true class is among them nine times in ten. `null` where the models bring no rule.
   */
  set: string[] | null;
  /** Probability of each class by its name; they sum to 1. */
  probabilities: Record<string, number>;
  /** Number of the face; the same one from picture to picture while its boxes overlap. */
  track: number;
}

export interface Engine {
  /** Name of the expression model. */
  readonly model: Model;
  /** Name of the face detector. */
  readonly detector: Detector;
  /** Where the networks run. */
  readonly backend: Backend;
  /** Names of the classes in the order of the model's outputs. */
  readonly classNames: string[];
  /** Times of the last picture; `null` before the first. */
  readonly milliseconds: { detect: number; classify: number; total: number } | null;
  /**
   * Find the faces of a picture and the expression of each, the first-seen face first.
   *
   * Calls wait for each other. Rejects where there is no picture to read, and after `close`.
   */
  recognise(source: Source): Promise<Face[]>;
  /** Forget the faces seen so far, as before another video. */
  reset(): void;
  /** Free the worker and the networks; load again to go on. */
  close(): void;
}

/** The bundled expression models. */
export const MODELS: readonly Model[];

/** The face detectors. */
export const DETECTORS: readonly Detector[];

/**
 * Load face detector and expression model, once for many pictures.
 *
 * Needs https or localhost. Rejects where an argument is unknown, a file is missing or not the one
 * that was published (SHA-256), or `backend: "webgpu"` is asked for and there is none, or it fails.
 *
 * @example
 * const engine = await load({ model: "ferplus" });
 * const faces = await engine.recognise(document.querySelector("img"));
 */
export function load(options?: LoadOptions): Promise<Engine>;
