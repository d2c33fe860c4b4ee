// One colour a class, from the style sheet, so that light and dark screens have their own.

const OTHER = "--other";

export function variable(name) {
  const known = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
  return known.trim() ? `--${name}` : OTHER;
}

export function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(variable(name)).trim();
}
