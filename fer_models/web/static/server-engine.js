// The engine that asks the server: frames go out as JPEG over a WebSocket, results come back.

const HEADER_BYTES = 12;
const QUALITIES = [0.85, 0.6, 0.35];
const PATIENCE = 30000;
const REFRESH = 250;

class EngineError extends Error {
  constructor(message, { retryAfter = 0, fatal = false } = {}) {
    super(message);
    this.retryAfter = retryAfter;
    this.fatal = fatal;
  }
}

/**
 * @param {object} what
 *   maxFrameBytes: of a JPEG;
 *   classNames: of the server's network;
 *   onConnect: called after each new connection, where the server counts faces from 0 again.
 */
export function createServerEngine({ maxFrameBytes, classNames, onConnect }) {
  const known = [...classNames].sort().join();
  const address = new URL("/ws", location.href);
  address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const pending = new Map();
  let socket = null;
  let opening = null;
  let newest = 0;
  // How often the page hung up: what was on its way before that must not be sent after it.
  let hangUps = 0;

  function settle(frame, how, value) {
    const waiting = pending.get(frame);
    if (!waiting) return;
    pending.delete(frame);
    waiting.timers.forEach((timer) => clearTimeout(timer));
    waiting[how](value);
  }

  function open() {
    opening ??= new Promise((resolve, reject) => {
      const fresh = new WebSocket(address);
      const before = hangUps;
      fresh.binaryType = "arraybuffer";
      fresh.onopen = () => {
        if (hangUps !== before) {
          fresh.onclose = null;
          fresh.close(1000);
          resolve();
          return;
        }
        socket = fresh;
        opening = null;
        onConnect();
        resolve();
      };
      fresh.onmessage = ({ data }) => receive(JSON.parse(data));
      fresh.onclose = ({ code, reason }) => {
        if (hangUps !== before) {
          resolve();
          return;
        }
        if (socket === fresh) socket = null;
        opening = null;
        const error = new EngineError(
          reason ? `The server ended the connection: ${reason}.` : "The server cannot be reached.",
          { retryAfter: code === 1013 ? 5000 : 2000 },
        );
        reject(error);
        for (const frame of [...pending.keys()]) settle(frame, "reject", error);
      };
    });
    return opening;
  }

  function receive(answer) {
    // The server looks at the newest frame only: those before this one get no answer any more.
    for (const frame of [...pending.keys()]) {
      if (frame < answer.frame) settle(frame, "resolve", null);
    }
    if (answer.error) settle(answer.frame, "reject", new EngineError(answer.error));
    else if (answer.faces.some((face) => namesOf(face) !== known)) {
      const text = "The server has other weights now. Press start to go on with these.";
      settle(answer.frame, "reject", new EngineError(text, { fatal: true }));
    } else settle(answer.frame, "resolve", answer);
  }

  // A page stays open while the server is started again, and connects to the new one.
  function namesOf(face) {
    return Object.keys(face.probabilities).sort().join();
  }

  async function encode(canvas) {
    for (const quality of QUALITIES) {
      const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", quality));
      if (blob && blob.size <= maxFrameBytes) return blob.arrayBuffer();
    }
    throw new EngineError(`The picture does not fit into ${maxFrameBytes} bytes.`);
  }

  function disconnect() {
    const old = socket;
    hangUps += 1;
    socket = opening = null;
    if (old) {
      old.onclose = old.onmessage = null;
      old.close(1000);
    }
    for (const frame of [...pending.keys()]) settle(frame, "resolve", null);
  }

  return {
    name: "server",
    maxInFlight: 2,
    classNames,
    start: open,
    // A connection is a stream: a new one starts without tracks.
    reset: disconnect,
    stop: disconnect,
    async process(canvas, { frame, timestamp }) {
      const before = hangUps;
      const jpeg = await encode(canvas);
      if (hangUps !== before) return null;
      if (!socket) await open();
      if (hangUps !== before) return null;
      // Pictures are encoded side by side: one that is overtaken there is not sent.
      if (!socket || frame < newest) return null;
      newest = frame;
      const message = new Uint8Array(HEADER_BYTES + jpeg.byteLength);
      const header = new DataView(message.buffer);
      header.setUint32(0, frame, true);
      header.setFloat64(4, timestamp, true);
      message.set(new Uint8Array(jpeg), HEADER_BYTES);
      return new Promise((resolve, reject) => {
        const drop = () => settle(frame, "resolve", null);
        // While the server is busy with an older frame, this one waits: make room for a newer one,
        // which takes its place there.
        const refresh = () => Math.min(...pending.keys()) < frame && drop();
        const timers = [setTimeout(refresh, REFRESH), setTimeout(drop, PATIENCE)];
        pending.set(frame, { resolve, reject, timers });
        socket.send(message);
      });
    },
  };
}
