/** The language-model page: the conversation. Choosing and loading a model is in `model_panel.js`. */

import { isAbort } from "../loom.js";
import { expertsStrip } from "./experts.js";
import { ModelPanel } from "./model_panel.js";
import { ProfilePanel } from "./profile_panel.js";
import { deviceText, duration, element, make, showError, startSession } from "./ui.js";

/** @typedef {import("../loom.js").LanguageModel} LanguageModel */
/** @typedef {import("../loom.js").Message} Message */
/** @typedef {import("../loom.js").Stats} Stats */

const HINT = "Enter sends, Shift+Enter makes a new line, Esc stops.";

const view = {
  status: element("status", HTMLElement),
  bar: element("progress", HTMLProgressElement),
  log: element("log", HTMLElement),
  empty: element("empty", HTMLElement),
  error: element("error", HTMLElement),
  composer: element("composer", HTMLFormElement),
  label: element("prompt-label", HTMLLabelElement),
  prompt: element("prompt", HTMLTextAreaElement),
  send: element("send", HTMLButtonElement),
  stop: element("stop", HTMLButtonElement),
  clear: element("clear", HTMLButtonElement),
  stats: element("stats", HTMLElement),
  temperature: element("temperature", HTMLInputElement),
  topP: element("top-p", HTMLInputElement),
  penalty: element("penalty", HTMLInputElement),
  maxTokens: element("max-tokens", HTMLInputElement),
  seed: element("seed", HTMLInputElement),
};

/** @type {LanguageModel | null} */
let model = null;
/** @type {Message[]} */
let messages = [];
/**
 * The text that Complete goes on with: what was typed, what stands there since, and where.
 * @type {{given: string, text: string, turn: HTMLElement} | null}
 */
let story = null;
/** @type {AbortController | null} */
let stopping = null;

const starting = startSession({ text: view.status, bar: view.bar, ready: deviceText });
starting.catch(() => {});
const profiler = new ProfilePanel(() => model);
const panel = new ModelPanel(starting, async (loaded) => {
  stopping?.abort();
  const before = model;
  model = loaded;
  profiler.enable();
  view.empty.textContent = "Ready. Ask something.";
  document.querySelector(".desk")?.classList.add("ready");
  startAnew(`New conversation with ${String(loaded.facts.name ?? "the new model")}`);
  await before?.dispose();
});
void panel.start();

/** Forget the conversation. What stands there stays readable, above a line. @param {string} title */
function startAnew(title) {
  messages = [];
  story = null;
  showError(view.error);
  view.stats.textContent = HINT;
  const turns = view.log.querySelectorAll(".turn");
  if (!turns.length) return;
  for (const turn of turns) turn.classList.add("past");
  view.log.append(make("p", title, "divider"));
  view.log.scrollTop = view.log.scrollHeight;
}

// A narrow page shows the conversation first.
if (matchMedia("(max-width: 56rem)").matches) element("settings", HTMLDetailsElement).open = false;

for (const knob of [view.temperature, view.topP, view.penalty]) {
  const output = element(`${knob.id}-value`, HTMLElement);
  const show = () => (output.textContent = Number(knob.value).toFixed(2));
  knob.addEventListener("input", show);
  show();
}

/** @returns {"chat" | "complete"} */
function mode() {
  const chosen = document.querySelector('input[name="mode"]:checked');
  return chosen instanceof HTMLInputElement && chosen.value === "complete" ? "complete" : "chat";
}

for (const radio of document.querySelectorAll('input[name="mode"]')) {
  radio.addEventListener("change", () => {
    const chat = mode() === "chat";
    view.prompt.placeholder = chat ? "What is the capital of France?" : "Once upon a time";
    view.label.textContent = chat ? "Your message" : "The text to continue";
    view.send.textContent = chat ? "Send" : "Continue";
  });
}

view.composer.onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  void answer();
};
view.prompt.onkeydown = (/** @type {KeyboardEvent} */ event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  view.composer.requestSubmit();
};
view.stop.onclick = () => stopping?.abort();
addEventListener("keydown", (event) => {
  if (event.key === "Escape") stopping?.abort();
});
view.clear.onclick = () => {
  stopping?.abort();
  messages = [];
  story = null;
  view.log.replaceChildren(view.empty);
  view.stats.textContent = HINT;
  showError(view.error);
  view.prompt.focus();
};

/** Read the settings; a wrong one is focused and named. */
function options() {
  const whole = (/** @type {HTMLInputElement} */ input, /** @type {string} */ name) => {
    const value = Number(input.value);
    if (input.value.trim() === "" || !input.checkValidity() || !Number.isInteger(value)) {
      input.focus();
      throw new RangeError(`${name} is a whole number from ${input.min} to ${input.max}.`);
    }
    return value;
  };
  const temperature = Number(view.temperature.value);
  const sampling = { temperature, topP: Number(view.topP.value), repetitionPenalty: Number(view.penalty.value) };
  return {
    ...(temperature > 0 ? sampling : { temperature }),
    maxTokens: whole(view.maxTokens, "The longest answer"),
    seed: whole(view.seed, "The seed"),
  };
}

async function answer() {
  const chat = mode() === "chat";
  const typed = view.prompt.value;
  // The same text once more, or none: go on with what stands there.
  const going = !chat && story && (typed.trim() === "" || typed === story.given) ? story : null;
  const text = going ? going.text : typed;
  if (stopping || text.trim() === "") return;
  showError(view.error);
  if (!model) {
    showError(view.error, new Error("There is no model yet. Choose one under Model and load it first."));
    return;
  }
  const used = model;
  const controller = (stopping = new AbortController());
  /** @type {HTMLElement | null} */
  let turn = null;
  try {
    const settings = { ...options(), signal: controller.signal, onProgress: showReading };
    view.empty.remove();
    const conversation = [...messages, { role: "user", content: text }];
    turn = going?.turn ?? addTurn(text, chat);
    turn.classList.add("waiting");
    turn.querySelector(".end")?.remove();
    setBusy(true);
    if (chat) view.prompt.value = "";
    const pieces = chat ? used.chat(conversation, settings) : used.complete(text, settings);
    let written = "";
    /** @type {Stats | null} */
    let stats = null;
    let end = "";
    try {
      for await (const piece of pieces) {
        stats = piece.stats;
        if (piece.done) {
          end = piece.finishReason === "length" ? "Longest answer reached." : "";
        } else {
          written += piece.text;
          addToken(turn, piece);
        }
        showStats(stats);
      }
    } catch (error) {
      if (!isAbort(error)) throw error;
      end = "Stopped.";
    }
    if (end) turn.append(make("span", end, "end"));
    if (used.facts.experts && stats) await showExperts(used, turn, stats);
    if (!chat && used === model && view.log.contains(turn))
      story = { given: going?.given ?? text, text: text + written, turn };
    if (chat && used === model && view.log.contains(turn))
      messages = [...conversation, { role: "assistant", content: written }];
  } catch (error) {
    showError(view.error, error);
    view.stats.textContent = HINT;
    if (chat) view.prompt.value ||= text;
    if (turn && !turn.querySelector(".token")) removeTurn(turn);
  } finally {
    turn?.classList.remove("waiting");
    stopping = null;
    setBusy(false);
  }
}

/**
 * @param {string} text the user's
 * @param {boolean} chat
 * @returns {HTMLElement} where the answer goes
 */
function addTurn(text, chat) {
  const turn = make("div", "", "turn model-text waiting");
  if (chat) view.log.append(make("div", text, "turn user"));
  else turn.append(make("span", text, "given"));
  view.log.append(turn);
  view.log.scrollTop = view.log.scrollHeight;
  return turn;
}

/** @param {HTMLElement} turn */
function removeTurn(turn) {
  if (turn.previousElementSibling?.classList.contains("user")) turn.previousElementSibling.remove();
  turn.remove();
  if (!view.log.firstElementChild) view.log.append(view.empty);
}

/**
 * Model text is only ever text. The log follows unless the reader scrolled up.
 * @param {HTMLElement} turn
 * @param {{id?: number, text: string}} piece
 */
function addToken(turn, { id, text }) {
  const atEnd = view.log.scrollHeight - view.log.scrollTop - view.log.clientHeight < 60;
  const token = make("span", text, "token");
  token.dataset.id = String(id);
  turn.append(token);
  if (atEnd) view.log.scrollTop = view.log.scrollHeight;
}

/**
 * Which experts of a mixture chose each token of the answer: those at the position before it.
 * @param {LanguageModel} used
 * @param {HTMLElement} turn
 * @param {Stats} stats
 */
async function showExperts(used, turn, { promptTokens, tokens }) {
  const experts = await used.chosenExperts(Math.max(0, promptTokens - 1));
  const words = [...turn.querySelectorAll(".token")].slice(-tokens).map((token) => token.textContent ?? "");
  const count = Math.min(words.length, experts.length);
  if (count) turn.append(expertsStrip(words.slice(0, count), experts.slice(0, count)));
}

/** @param {import("../loom.js").Progress} progress */
function showReading({ loaded = 0, total = 0 }) {
  if (loaded < total) view.stats.textContent = `Reading… ${loaded} of ${total} tokens`;
}

/** @param {Stats} stats */
function showStats({ tokens, tokensPerSecond, timeToFirstToken }) {
  if (!tokens) return;
  const rate = tokens > 1 ? `${tokensPerSecond.toFixed(1)} tokens/s · ` : "";
  view.stats.textContent = `${rate}first token after ${duration(timeToFirstToken)} · ${tokens} ${tokens === 1 ? "token" : "tokens"}`;
}

/** @param {boolean} busy */
function setBusy(busy) {
  view.send.hidden = busy;
  view.stop.hidden = !busy;
  view.log.setAttribute("aria-busy", String(busy)); // read aloud as a whole, when it is whole
  if (!busy && document.activeElement === document.body) view.prompt.focus();
}
