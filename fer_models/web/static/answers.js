// What the page says of a face's answer.

export const UNSURE = "unsure";

export const percent = (value) => `${Math.round(100 * value)} %`;

/** The label, or the classes that are left open: "unsure (happy or neutral)". */
export function answerOf(face) {
  if (face.answer !== UNSURE) return face.label;
  return `${UNSURE} (${joined(face.set ?? [face.label], "or")})`;
}

/** The answer, and how likely it is where it is one class. */
export function caption(face) {
  return face.answer === UNSURE ? answerOf(face) : `${face.label} ${percent(face.confidence)}`;
}

/** What is wrong with the picture of the face, "This face is blurred and small"; "" for nothing. */
export function reasonOf(face) {
  const verdict = face.quality?.verdict ?? "good";
  return verdict === "good" ? "" : `This face is ${joined(verdict.split(", "), "and")}`;
}

function joined(words, last) {
  if (words.length < 2) return words.join();
  return `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}
