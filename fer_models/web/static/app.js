// The page: takes the newest picture of the camera whenever the engine is free, shows its answer.

import { UNSURE, answerOf, caption, percent, reasonOf } from "./answers.js";
import { CameraError, eachFrame, listCameras, openCamera } from "./camera.js";
import { variable } from "./colors.js";
import { drawOverlay } from "./overlay.js";
import { Recording } from "./recording.js";
import { createServerEngine } from "./server-engine.js";
import { History, drawTimeline } from "./timeline.js";

const LONGEST_SIDE = 640;
const KEPT_RESULTS = 200;
const STALE = 2000; // milliseconds without an answer after which boxes are no longer shown
const RATE_SPAN = 3000;
const LATE = 200; // milliseconds of latency from which the picture waits for its boxes
const $ = (id) => document.getElementById(id);

const asked = new URLSearchParams(location.search).get("engine");
const kind = asked === "browser" ? "browser" : "server";
const history = new History();
const state = {
  running: false,
  paused: false,
  pending: 0,
  frame: 0,
  nextAt: 0,
  selected: null,
  pinned: null,
  shown: null,
  shownAt: 0,
  liveSince: 0,
  generation: 0,
  complaint: 0,
  latency: 0,
  still: null,
  arrivals: [],
  nextTrack: 0,
  trackOffset: 0,
};
const fer = { results: [], engine: null, state: "off", counters: { sent: 0, dropped: 0, errors: 0 } };
window.__fer = fer;

let settings, engine, recording, stream, endFrames, canvases;
let starts = 0; // how often the camera was started or stopped: the newest start counts

function say(text, isError = false) {
  const message = $("message");
  message.hidden = !text;
  message.textContent = text ?? "";
  message.classList.toggle("error", isError);
  message.setAttribute("role", isError ? "alert" : "status");
}

async function loadSettings() {
  const answer = await fetch("/settings").catch(() => null);
  if (!answer?.ok) throw new Error("The server cannot be reached. Reload the page to try again.");
  settings = await answer.json();
  makeBars(settings.class_names);
  showWeights(settings.weights);
  redraw();
}

async function loadEngine() {
  if (kind === "server") {
    return createServerEngine({
      maxFrameBytes: settings.max_frame_bytes,
      classNames: settings.class_names,
      onConnect: numberOn,
    });
  }
  let module;
  try {
    module = await import("/static/engine/engine.js");
  } catch {
    throw new Error("The page's own engine could not be loaded. Reload the page to try again.");
  }
  return module.createEngine({
    baseUrl: "/static/engine/",
    server: {
      weights: settings.weights,
      model: settings.model,
      command: settings.export_engine,
    },
    onStatus: (text) => say(text),
  });
}

function showWeights(name) {
  $("weights").textContent = name ? `Weights: ${name}` : "";
}

function describe() {
  const here = kind === "browser";
  $(here ? "engine-browser" : "engine-server").setAttribute("aria-current", "page");
  $("where").textContent = here
    ? "Pictures are looked at in this browser"
    : `Pictures are looked at by the server at ${location.host}`;
  $("privacy").textContent = here
    ? "No picture leaves this browser: the networks run inside this page. Pictures are never " +
      "stored. The numbers stay in this page until you close it, unless you download them."
    : `Pictures go to the program that serves this page (${location.host}), are looked at in its ` +
      "memory and dropped at once. They are never stored, never logged and never leave that " +
      "machine. The numbers stay in this page until you close it, unless you download them.";
}

function makeBars(classNames) {
  $("bars").replaceChildren(
    ...classNames.map((name) => {
      const row = document.createElement("li");
      row.dataset.name = name;
      const [title, bar, fill, per] = ["span", "div", "div", "span"].map((tag) =>
        document.createElement(tag),
      );
      title.textContent = name;
      bar.className = "bar";
      bar.setAttribute("role", "meter");
      bar.setAttribute("aria-label", name);
      bar.setAttribute("aria-valuemin", "0");
      bar.setAttribute("aria-valuemax", "100");
      bar.setAttribute("aria-valuenow", "0");
      fill.className = "fill";
      fill.style.setProperty("--bar", `var(${variable(name)})`);
      per.className = "per-cent";
      per.textContent = "–";
      bar.append(fill);
      row.append(title, bar, per);
      return row;
    }),
  );
}

function showBars(face) {
  for (const row of $("bars").children) {
    const value = face?.probabilities[row.dataset.name];
    const bar = row.querySelector(".bar");
    bar.setAttribute("aria-valuenow", String(Math.round(100 * (value ?? 0))));
    row.querySelector(".fill").style.width = `${100 * (value ?? 0)}%`;
    row.querySelector(".per-cent").textContent = value === undefined ? "–" : percent(value);
    row.classList.toggle("top-class", row.dataset.name === face?.label);
  }
}

function choose(faces) {
  const pinned = faces.find((face) => face.track === state.pinned);
  const area = (face) => face.box[2] * face.box[3];
  return pinned ?? faces.reduce((a, b) => (a && area(a) >= area(b) ? a : b), null);
}

function showChips(faces) {
  const chips = $("chips");
  chips.hidden = faces.length < 2;
  const tracks = faces.map((face) => String(face.track));
  // Buttons stay the same elements while the faces do, so that the keyboard's focus does too.
  if ([...chips.children].map((chip) => chip.dataset.track).join() !== tracks.join()) {
    chips.replaceChildren(
      ...tracks.map((track) => {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.dataset.track = track;
        chip.addEventListener("click", () => (state.pinned = Number(track)));
        return chip;
      }),
    );
  }
  faces.forEach((face, i) => {
    const chip = chips.children[i];
    chip.textContent = `Face ${face.track}: ${caption(face)}`;
    chip.setAttribute("aria-pressed", String(face.track === state.selected));
  });
}

function show(result) {
  state.shown = result;
  state.shownAt = performance.now();
  const face = result ? choose(result.faces) : null;
  if (face) state.selected = face.track;
  const label = face ? answerOf(face) : "–";
  const unsure = face?.answer === UNSURE;
  if ($("label").textContent !== label) $("label").textContent = label;
  $("label").classList.toggle("unsure", unsure);
  $("confidence").textContent = face && !unsure ? percent(face.confidence) : "";
  $("quality").textContent = face ? reasonOf(face) : "";
  const now = document.querySelector(".now");
  if (face) now.style.setProperty("--now", `var(${variable(face.answer)})`);
  else now.style.removeProperty("--now");
  const count = result?.faces.length ?? 0;
  $("faces").textContent =
    count === 0 ? "No face in the picture" : count === 1 ? "One face" : `${count} faces`;
  showChips(result?.faces ?? []);
  showBars(face);
  redraw(result?.timestamp);
}

function redraw(time = state.shown?.timestamp ?? 0) {
  drawOverlay($("overlay"), state.shown, {
    mirrored: $("mirror").checked,
    selected: state.selected,
    still: state.latency > LATE ? state.still : null,
  });
  if (settings) {
    drawTimeline($("timeline"), history.of(state.selected), time, settings.class_names);
  }
}

function showNumbers() {
  const now = performance.now();
  const recent = state.arrivals.filter(([at]) => at > Math.max(now - RATE_SPAN, state.liveSince));
  state.arrivals = recent;
  if (recent.length > 1) {
    const times = recent.map(([, milliseconds]) => milliseconds).sort((a, b) => a - b);
    const rate = (1000 * recent.length) / Math.min(RATE_SPAN, now - state.liveSince);
    $("fps").textContent = rate.toFixed(rate < 9.95 ? 1 : 0);
    $("latency").textContent = `${Math.round(times[Math.floor(times.length / 2)])} ms`;
  } else {
    $("fps").textContent = $("latency").textContent = "–";
  }
  $("recorded").textContent = recording?.summary() ?? "0 rows";
  $("download").disabled = !recording?.rows.length;
  const label = $("label").textContent;
  $("timeline").setAttribute(
    "aria-label",
    label === "–" ? "Probabilities over time: no face" : `Probabilities over time, now ${label}`,
  );
  if (fer.state === "live" && state.shown && now - state.shownAt > STALE) {
    show({ ...state.shown, timestamp: now / 1000, faces: [] });
  }
}

// Engines count faces from 0 at each start and connection; the page gives no number twice.
function numberOn() {
  state.trackOffset = state.nextTrack;
}

function renumber(result) {
  for (const face of result.faces) {
    face.track += state.trackOffset;
    state.nextTrack = Math.max(state.nextTrack, face.track + 1);
  }
}

function capture() {
  const video = $("video");
  const scale = Math.min(
    1,
    LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight),
    Math.sqrt((settings?.max_pixels ?? Infinity) / (video.videoWidth * video.videoHeight)),
  );
  const canvas = canvases.pop();
  const [width, height] = [video.videoWidth, video.videoHeight].map((s) => Math.floor(s * scale));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  canvas
    .getContext("2d", { willReadFrequently: kind === "browser" })
    .drawImage(video, 0, 0, width, height);
  return canvas;
}

async function take(now) {
  if (!state.running || state.paused || !$("video").videoWidth) return;
  if (state.pending >= engine.maxInFlight || now < state.nextAt) {
    fer.counters.dropped += 1;
    return;
  }
  const between = 1000 / (settings?.max_rate ?? 30);
  state.nextAt = Math.max(state.nextAt + between, now - between);
  state.pending += 1;
  const generation = state.generation;
  const begun = performance.now();
  const canvas = capture();
  try {
    state.frame += 1;
    fer.counters.sent += 1;
    const result = await engine.process(canvas, { frame: state.frame, timestamp: begun / 1000 });
    if (result && generation === state.generation) {
      keepStill(canvas);
      accept(result, performance.now() - begun);
    }
    if (!result) fer.counters.dropped += 1;
  } catch (error) {
    fer.counters.errors += 1;
    if (generation !== state.generation) return;
    state.nextAt = performance.now() + (error.retryAfter ?? 0);
    state.complaint = performance.now();
    say(error.message, true);
    if (error.fatal) stop();
  } finally {
    state.pending -= 1;
    canvases.push(canvas);
  }
}

// Where answers are late, boxes are drawn on the picture that they belong to, not on the live one.
function keepStill(canvas) {
  state.still ??= document.createElement("canvas");
  Object.assign(state.still, { width: canvas.width, height: canvas.height });
  state.still.getContext("2d").drawImage(canvas, 0, 0);
}

function accept(result, milliseconds) {
  const now = performance.now();
  state.latency += 0.2 * (milliseconds - state.latency);
  if (state.complaint && now - state.complaint > 1500) {
    state.complaint = 0;
    say("");
  }
  renumber(result);
  state.arrivals.push([now, milliseconds]);
  fer.results.push(result);
  if (fer.results.length > KEPT_RESULTS) fer.results.shift();
  history.add(result);
  recording.add(result, milliseconds);
  show(result);
}

function become(name) {
  fer.state = name;
  state.liveSince = performance.now();
  state.running = name === "live" || name === "paused";
  state.paused = name === "paused";
  state.generation += 1;
  const on = state.running;
  $("curtain").hidden = on;
  $("pause").disabled = $("stop").disabled = !on;
  $("pause").textContent = state.paused ? "Resume" : "Pause";
  $("start").disabled = name === "starting";
  $("start").textContent = name === "starting" ? "Starting …" : "Start the camera";
}

async function start(deviceId) {
  starts += 1;
  const mine = starts;
  const overtaken = () => mine !== starts;
  become("starting");
  say("");
  let camera, made;
  const giveBack = () => {
    camera?.getTracks().forEach((track) => track.stop());
    made?.stop();
  };
  try {
    await loadSettings();
    if (overtaken()) return;
    camera = await openCamera(deviceId);
    if (overtaken()) return giveBack();
    stream = camera;
    const video = $("video");
    video.srcObject = camera;
    camera.getVideoTracks()[0].addEventListener("ended", () => {
      if (stream !== camera) return;
      stop();
      say("The camera was disconnected. Press start to take another one.", true);
    });
    await video.play();
    if (overtaken()) return giveBack();
    $("picture").style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
    // Made anew, as the server may have been started again with other weights.
    made = await loadEngine();
    if (overtaken()) return giveBack();
    engine = fer.engine = made;
    await engine.start();
    if (overtaken()) return giveBack();
    if (engine.classNames.join() !== settings.class_names.join()) {
      throw new Error(
        `The engine knows ${engine.classNames.join(", ")}, the server ` +
          `${settings.class_names.join(", ")}: export the browser's networks again.`,
      );
    }
    if (engine.source) showWeights(engine.source.weights);
    recording ??= new Recording(engine.name);
    recording.measures(engine.classNames);
    canvases ??= Array.from({ length: engine.maxInFlight }, () => document.createElement("canvas"));
    await offerCameras();
    if (overtaken()) return giveBack();
  } catch (error) {
    giveBack();
    if (overtaken()) return;
    endStream();
    become("off");
    if (error.reason === "OverconstrainedError") offer([]);
    say(error.message, true);
    if (!(error instanceof CameraError)) console.warn(error);
    return;
  }
  say("");
  become("live");
  endFrames = eachFrame($("video"), take);
}

async function offerCameras() {
  offer(await listCameras(), stream?.getVideoTracks()[0].getSettings().deviceId);
}

function offer(cameras, current) {
  $("camera").replaceChildren(
    ...cameras.map(({ deviceId, label }, i) => {
      const chosen = deviceId === current;
      return new Option(label || `Camera ${i + 1}`, deviceId, chosen, chosen);
    }),
  );
  $("camera-choice").hidden = cameras.length < 2;
}

function endStream() {
  endFrames?.();
  endFrames = null;
  stream?.getTracks().forEach((track) => track.stop());
  stream = null;
  $("video").srcObject = null;
}

function stop() {
  starts += 1;
  endStream();
  engine?.stop();
  numberOn();
  become("off");
  state.still = null;
  state.latency = 0;
  show(null);
}

function pause() {
  if (state.paused) {
    become("live");
    $("video").play();
  } else {
    $("video").pause();
    become("paused");
    engine.reset();
  }
}

$("start").addEventListener("click", () => {
  start($("camera-choice").hidden ? undefined : $("camera").value);
});
$("stop").addEventListener("click", stop);
$("pause").addEventListener("click", pause);
$("download").addEventListener("click", () => recording.download());
$("camera").addEventListener("change", async ({ target }) => {
  stop();
  await start(target.value);
});
$("mirror").addEventListener("change", ({ target }) => {
  $("picture").classList.toggle("mirrored", target.checked);
  redraw();
});
new ResizeObserver(() => redraw()).observe($("picture"));
new ResizeObserver(() => redraw()).observe($("timeline"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());
setInterval(showNumbers, 500);
addEventListener("pagehide", () => state.running && stop());
describe();
loadSettings().catch((error) => say(error.message, true));
