/**
 * Which experts spoke: the tokens of an answer, each under the number of the expert that chose it, in a mixture of experts.
 *
 * Every layer has experts of its own, of which a router gives each token some; shown is the likeliest one, of one layer or
 * the one that most layers with that number agree on.
 */

import { make } from "./ui.js";

const HUES = 8;

/**
 * @param {string[]} tokens
 * @param {number[][][]} experts tokens × layers × ids, the likeliest first
 * @returns {HTMLElement}
 */
export function expertsStrip(tokens, experts) {
  const strip = make("details", "", "experts");
  const layers = experts[0]?.length ?? 0;
  const label = make("label", "Layer ");
  const choice = document.createElement("select");
  choice.append(
    new Option("all, the most frequent", ""),
    ...Array.from({ length: layers }, (_, i) => new Option(`${i + 1}`)),
  );
  label.append(choice);
  const words = make("p", "", "spoken");
  const show = () => words.replaceChildren(...tokens.map((text, i) => token(text, experts[i], choice.value)));
  choice.onchange = show;
  show();
  strip.append(make("summary", "Which experts spoke"), label, words);
  return strip;
}

/**
 * @param {string} text
 * @param {number[][]} layers
 * @param {string} layer from 1, or all
 */
function token(text, layers, layer) {
  const expert = layer ? layers[Number(layer) - 1][0] : mostFrequent(layers.map(([first]) => first));
  const ruby = make("ruby", text.trim() ? text : "␣", `expert-${expert % HUES}`);
  ruby.title = layers.map((ids, i) => `layer ${i + 1}: ${ids.join(", ")}`).join("; ");
  ruby.append(make("rt", String(expert)));
  return ruby;
}

/** @param {number[]} ids the earliest of the most frequent ones */
function mostFrequent(ids) {
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [NaN, 0])[0];
}
