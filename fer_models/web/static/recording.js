// What the session measured, for download: numbers only, kept in this page.

const MOST_ROWS = 500000;

export class Recording {
  constructor(engine, most = MOST_ROWS) {
    this.classNames = [];
    this.engine = engine;
    this.most = most;
    this.rows = [];
    this.dropped = 0;
  }

  /** From now on answers have these classes. Each class keeps its column. */
  measures(classNames) {
    this.classNames.push(...classNames.filter((name) => !this.classNames.includes(name)));
  }

  add(result, milliseconds) {
    const utc = new Date().toISOString();
    for (const face of result.faces) {
      this.rows.push([
        result.timestamp.toFixed(3),
        utc,
        result.frame,
        face.track,
        ...face.box.map((side) => side.toFixed(1)),
        face.score.toFixed(4),
        face.label,
        face.confidence.toFixed(5),
        face.answer,
        face.set?.join(";") ?? "",
        face.quality?.verdict ?? "",
        face.quality?.sharpness.toFixed(1) ?? "",
        face.quality?.size ?? "",
        face.probabilities,
        milliseconds.toFixed(1),
      ]);
    }
    const over = this.rows.length - this.most;
    if (over > 0) {
      this.rows.splice(0, over);
      this.dropped += over;
    }
  }

  /** How much there is, in words. */
  summary() {
    const [kept, dropped] = [this.rows.length, this.dropped].map((n) => n.toLocaleString("en"));
    const rows = `${kept} row${this.rows.length === 1 ? "" : "s"}`;
    return this.dropped ? `${rows}, ${dropped} older dropped` : rows;
  }

  csv() {
    const head = ["seconds", "utc", "frame", "face", "x", "y", "width", "height", "score", "label"];
    // Named as in the results.csv of `fer recognise`.
    const judged = ["confidence", "answer", "set", "quality", "sharpness", "face_size"];
    const names = [...head, ...judged, ...this.classNames, "latency_ms", "engine"];
    const rows = this.rows.map((row) => [
      ...row.slice(0, -2),
      ...this.classNames.map((name) => row.at(-2)[name]?.toFixed(5) ?? ""),
      row.at(-1),
      this.engine,
    ]);
    return [names, ...rows].map((row) => row.map(cell).join(",") + "\r\n").join("");
  }

  download() {
    const link = document.createElement("a");
    const time = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    link.href = URL.createObjectURL(new Blob([this.csv()], { type: "text/csv" }));
    link.download = `expressions-${time}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
}

// In quotes where a comma would end it, as in the verdict "blurred, small".
function cell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
