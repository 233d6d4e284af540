/** What a model is and needs, in words: the result of `session.inspectModel` on the page. */

import { element, make, size } from "./ui.js";

/** @typedef {import("../loom.js").ModelReport} ModelReport */

const whole = new Intl.NumberFormat();
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 3 });

export class ModelFacts {
  constructor() {
    this.panel = element("facts", HTMLElement);
    this.verdict = element("facts-verdict", HTMLElement);
    this.list = element("facts-list", HTMLElement);
  }

  /** @param {ModelReport | null} report */
  show(report) {
    this.panel.hidden = !report;
    if (!report) return;
    this.verdict.textContent = verdict(report);
    this.verdict.className = report.problem || !report.fits ? "message" : "good";
    this.list.replaceChildren(...rows(report).flatMap(([term, text]) => [make("dt", term), make("dd", text)]));
  }
}

/** @param {ModelReport} report */
function verdict({ problem, fits, lack, memory }) {
  const need = memory ? `${size(memory.total)} of memory` : "";
  if (problem) return `It cannot be loaded. ${problem}`;
  if (!fits) return `It does not fit here: it needs ${need}, and ${lack}.`;
  return `It fits here: it needs ${need}.`;
}

/**
 * @param {ModelReport} report
 * @returns {[string, string][]}
 */
function rows(report) {
  const { memory, num_hidden_layers: layers, hidden_size: width, max_position_embeddings: context } = report;
  /** @type {[string, string | false | null | 0][]} */
  const all = [
    ["Family", [report.family, report.format].filter(Boolean).join(", ")],
    ["Parameters", report.parameters && compact.format(report.parameters)],
    ["Weights", report.bytes > 0 && `${size(report.bytes)}, stored as ${storages(report.storages)}`],
    ["Shape", layers !== null && width !== null && `${layers} layers of ${whole.format(width)}`],
    ["Experts", report.experts && `${report.experts} in each mixture`],
    ["Context", context !== null && `${whole.format(context)} tokens`],
    ["Memory", memory && `${needs(memory)}, on ${report.device}`],
    ["Use", use(report)],
    ["Note", report.notices.join(" ")],
  ];
  return all.flatMap(([term, text]) => (text ? [/** @type {[string, string]} */ ([term, text])] : []));
}

/** @param {import("../loom.js").ModelMemory} memory */
function needs({ weights, cache, tokens }) {
  const kept = cache ? `, ${size(cache)} for a conversation of ${whole.format(tokens)} tokens` : "";
  return `${size(weights)} for weights${kept}`;
}

/** @param {ModelReport} report */
function use({ kind, chat }) {
  if (kind === "encoder") return "embeds texts, as the search page does; it cannot answer";
  return kind && (chat ? "has a chat template" : "no chat template: Complete only");
}

/** @param {Record<string, number>} storages */
const storages = (storages) => Object.keys(storages).join(", ");
