// The probabilities of one face over the last half minute, stacked: together they fill the height.

import { color } from "./colors.js";
import { sharpContext } from "./overlay.js";

export const SPAN = 30;
const GAP = 2; // seconds without the face that are shown as a gap
const AXIS = 22;

export class History {
  constructor() {
    this.tracks = new Map();
  }

  add(result) {
    for (const face of result.faces) {
      if (!this.tracks.has(face.track)) this.tracks.set(face.track, []);
      this.tracks.get(face.track).push([result.timestamp, face.probabilities]);
    }
    for (const [track, samples] of this.tracks) {
      while (samples.length && samples[0][0] < result.timestamp - SPAN - GAP) samples.shift();
      if (!samples.length) this.tracks.delete(track);
    }
  }

  of(track) {
    return this.tracks.get(track) ?? [];
  }

  clear() {
    this.tracks.clear();
  }
}

export function drawTimeline(canvas, samples, now, classNames) {
  const { context, width, height } = sharpContext(canvas);
  const style = getComputedStyle(document.documentElement);
  const tall = height - AXIS;
  const at = (time) => width * (1 - (now - time) / SPAN);
  context.fillStyle = style.getPropertyValue("--track");
  context.beginPath();
  context.roundRect(0, 0, width, tall, 8);
  context.fill();

  context.save();
  context.clip();
  for (const run of runs(samples)) stack(context, run, at, tall, classNames);
  context.restore();

  context.fillStyle = style.getPropertyValue("--muted");
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "bottom";
  for (let seconds = SPAN; seconds >= 0; seconds -= width < 600 ? 10 : 5) {
    const x = at(now - seconds);
    context.textAlign = seconds === SPAN ? "left" : seconds ? "center" : "right";
    context.fillText(seconds ? `−${seconds} s` : "now", x, height);
  }
}

function* runs(samples) {
  let run = [];
  for (const sample of samples) {
    if (run.length && sample[0] - run.at(-1)[0] > GAP) {
      if (run.length > 1) yield run;
      run = [];
    }
    run.push(sample);
  }
  if (run.length > 1) yield run;
}

function stack(context, run, at, tall, classNames) {
  const below = run.map(() => 0);
  context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--card");
  context.lineWidth = 1;
  for (const name of classNames) {
    const above = run.map(([, probabilities], i) => below[i] + (probabilities[name] ?? 0));
    context.fillStyle = color(name);
    context.beginPath();
    run.forEach(([time], i) => context.lineTo(at(time), tall * (1 - above[i])));
    for (let i = run.length - 1; i >= 0; i--) {
      context.lineTo(at(run[i][0]), tall * (1 - below[i]));
    }
    context.fill();
    context.stroke();
    above.forEach((value, i) => (below[i] = value));
  }
}
