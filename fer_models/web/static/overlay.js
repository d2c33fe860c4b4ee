// Boxes and labels over the live picture.

import { caption } from "./answers.js";
import { color } from "./colors.js";

// Make the canvas as sharp as the screen and return its context, in CSS pixels, and its size.
export function sharpContext(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

export function drawOverlay(canvas, result, { mirrored, selected, still }) {
  const { context, width, height } = sharpContext(canvas);
  if (!result) return;
  const scale = Math.min(width / result.width, height / result.height);
  const left = (width - scale * result.width) / 2;
  const top = (height - scale * result.height) / 2;
  if (still) {
    context.save();
    context.translate(left + (mirrored ? scale * result.width : 0), top);
    context.scale(mirrored ? -1 : 1, 1);
    context.drawImage(still, 0, 0, scale * result.width, scale * result.height);
    context.restore();
  }
  context.font = "600 15px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const face of result.faces) {
    const [x, y, w, h] = face.box;
    const start = mirrored ? result.width - x - w : x;
    const box = [left + scale * start, top + scale * y, scale * w, scale * h];
    const ink = color(face.answer);
    context.lineWidth = 7;
    context.strokeStyle = "rgb(0 0 0 / 35%)";
    stroke(context, box);
    context.lineWidth = face.track === selected || result.faces.length === 1 ? 4 : 2;
    context.strokeStyle = ink;
    stroke(context, box);
    tag(context, box, caption(face), ink, width);
  }
}

function stroke(context, [x, y, w, h]) {
  context.beginPath();
  context.roundRect(x, y, w, h, 8);
  context.stroke();
}

function tag(context, [x, y, w, h], text, ink, width) {
  const [padding, height] = [10, 28];
  const long = context.measureText(text).width + 2 * padding + 6;
  const from = Math.max(2, Math.min(x - 2, width - long - 2));
  const at = y - height - 6 >= 2 ? y - height - 6 : y + 6;
  context.fillStyle = "rgb(10 13 18 / 86%)";
  context.beginPath();
  context.roundRect(from, at, long, height, 7);
  context.fill();
  context.fillStyle = ink;
  context.beginPath();
  context.roundRect(from, at, 6, height, [7, 0, 0, 7]);
  context.fill();
  context.fillStyle = "#ffffff";
  context.fillText(text, from + padding + 4, at + height / 2 + 1);
}
