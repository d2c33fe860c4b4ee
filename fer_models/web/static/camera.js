// The camera: opening it, and saying in plain words why it cannot be opened.

const REASONS = {
  NotAllowedError:
    "The camera was not allowed. Allow it in the browser's address bar (and in the system's " +
    "privacy settings), then press start again.",
  SecurityError: "This browser forbids the camera to this page.",
  NotFoundError: "No camera was found. Connect one, then press start again.",
  OverconstrainedError: "The chosen camera is not there any more. Press start to take another one.",
  NotReadableError: "The camera cannot be read: another program may be using it.",
  AbortError: "The camera did not start. Press start to try again.",
};

export class CameraError extends Error {}

export async function openCamera(deviceId) {
  if (!window.isSecureContext) {
    throw new CameraError(
      "Browsers give the camera only to pages over https or from this very machine. Open " +
        `http://localhost:${location.port || 80}/ on the machine that runs the server, or let it ` +
        "serve https (--ssl-certfile).",
    );
  }
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new CameraError("This browser has no access to cameras.");
  }
  const video = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
  if (deviceId) video.deviceId = { exact: deviceId };
  else video.facingMode = "user";
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    const text = REASONS[error.name] ?? `The camera did not start: ${error.message}`;
    throw Object.assign(new CameraError(text), { reason: error.name });
  }
}

export async function listCameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter((device) => device.kind === "videoinput" && device.deviceId);
}

// Call `seen(now)` for each new picture of the video until the returned function is called.
export function eachFrame(video, seen) {
  const byVideo = "requestVideoFrameCallback" in video;
  const ask = (next) =>
    byVideo ? video.requestVideoFrameCallback(next) : requestAnimationFrame(next);
  let handle = ask(next);
  function next(now) {
    handle = ask(next);
    seen(now);
  }
  return () => (byVideo ? video.cancelVideoFrameCallback(handle) : cancelAnimationFrame(handle));
}
