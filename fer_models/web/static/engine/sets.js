// The classes that an answer leaves open, by the rule of fer_models/zoo/set_rule.py.

/**
 * Names of the open classes, the likeliest first; null without a rule.
 *
 * @param {string[]} names of the classes
 * @param {number[]} probabilities of the classes
 * @param {{method: "threshold" | "adaptive", limit: number} | null | undefined} rule
 */
export function openClasses(names, probabilities, rule) {
  if (!rule) return null;
  const order = [...names.keys()].sort((one, other) => probabilities[other] - probabilities[one]);
  let sum = 0;
  const inside = order.filter((k, place) => {
    sum += probabilities[k];
    const score = rule.method === "adaptive" ? Math.min(sum, 1) : 1 - probabilities[k];
    return place === 0 || score <= rule.limit;
  });
  return inside.map((k) => names[k]);
}
