/** The search page: notes in, passages found by meaning, and a map of them. */

import { droppedFiles, explain, isAbort, saveFile } from "../loom.js";
import { Embedder } from "./embedder.js";
import { EXAMPLE_NAME, EXAMPLE_NOTES } from "./example_notes.js";
import { noteOf, readNotes } from "./note_files.js";
import { NoteIndex } from "./note_index.js";
import { NoteKeeper } from "./note_keeper.js";
import { NoteMap } from "./note_map.js";
import { passagesOf } from "./passages.js";
import { deviceText, element, make, showError, size, startSession } from "./ui.js";

/** @typedef {import("./note_index.js").Note} Note */
/** @typedef {import("./note_index.js").Passage} Passage */
/** @typedef {import("./note_index.js").Hit} Hit */
/** @typedef {import("../loom.js").WorkOptions} WorkOptions */

const RESULTS = 10;
/** Of the results, so many stand out on the map. */
const MARKED = 3;
const WORDS = 160;

const view = {
  status: element("status", HTMLElement),
  bar: element("progress", HTMLProgressElement),
  error: element("error", HTMLElement),
  notice: element("notice", HTMLElement),
  stop: element("stop", HTMLButtonElement),
  search: element("search", HTMLFormElement),
  query: element("query", HTMLInputElement),
  ask: element("ask", HTMLButtonElement),
  outcome: element("outcome", HTMLElement),
  results: element("results", HTMLElement),
  add: element("add", HTMLFormElement),
  name: element("name", HTMLInputElement),
  text: element("text", HTMLTextAreaElement),
  addText: element("add-text", HTMLButtonElement),
  example: element("example", HTMLButtonElement),
  files: element("files", HTMLInputElement),
  drop: element("drop", HTMLElement),
  counts: element("counts", HTMLElement),
  notes: element("notes", HTMLElement),
  notesTitle: element("notes-title", HTMLElement),
  export: element("export", HTMLButtonElement),
  clear: element("clear", HTMLButtonElement),
  passage: element("passage", HTMLElement),
  passageTitle: element("passage-title", HTMLElement),
  passageText: element("passage-text", HTMLElement),
};

/** @type {AbortController | null} */
let stopping = null;
/** @type {{note: Note, passage: Passage}[]} */
let shown = [];

const starting = startSession({ text: view.status, bar: view.bar, ready: deviceText });
const map = new NoteMap(element("map", HTMLElement), element("map-words", HTMLElement), (index) => {
  const entry = shown[index];
  if (entry) showPassage(entry);
});
const opening = open();
opening.catch((error) => showError(view.error, error));

/** Everything that work needs: the model, what keeps the notes, and the notes. */
async function open() {
  const embedder = await Embedder.choose(starting);
  const session = await starting;
  const keeper = new NoteKeeper(session, embedder.name);
  let index = new NoteIndex(embedder.name);
  try {
    index = await keeper.load();
  } catch (error) {
    showError(view.error, error);
  }
  /** @type {any} */
  const toolbox = await session.createToolbox();
  const all = { session, embedder, keeper, index, toolbox };
  await show(all);
  return all;
}

/** @typedef {Awaited<ReturnType<typeof open>>} Open */

/**
 * One piece of work at a time, which Cancel stops; its error is shown.
 * @param {(open: Open, options: WorkOptions & {signal: AbortSignal}) => Promise<void>} work
 */
async function run(work) {
  if (stopping) return;
  stopping = new AbortController();
  const { signal } = stopping;
  showError(view.error);
  view.notice.hidden = true;
  setBusy(true);
  try {
    const all = await opening;
    await work(all, { signal, onProgress: showProgress });
  } catch (error) {
    if (!isAbort(error)) showError(view.error, error);
  } finally {
    const stopped = signal.aborted;
    stopping = null;
    setBusy(false);
    const ready = await starting.then(deviceText, () => "");
    view.status.textContent = stopped ? "Cancelled; nothing was changed." : ready;
  }
}

/** @param {boolean} busy */
function setBusy(busy) {
  for (const button of [view.ask, view.addText, view.example, view.files]) button.disabled = busy;
  view.stop.hidden = !busy;
  view.bar.hidden = !busy;
  if (busy) view.bar.removeAttribute("value");
}

/** @type {Record<string, string>} */
const VERBS = {
  resume: "Checking what came before",
  download: "Fetching the model",
  verify: "Checking the model",
  load: "Reading the model",
  embed: "Reading passages",
};

/** @param {import("../loom.js").Progress} progress */
function showProgress({ status, file = "", loaded, total, message = "" }) {
  if (["notice", "retry", "restart", "waiting"].includes(status)) {
    view.notice.textContent = status === "notice" ? message : `${file}: ${message}`;
    view.notice.hidden = false;
  }
  if (!Object.hasOwn(VERBS, status) || loaded === undefined || total === undefined) return;
  const amount = status === "embed" ? `${loaded} of ${total}` : `${size(loaded)} of ${size(total)}`;
  view.status.textContent = `${VERBS[status]}: ${amount}`;
  view.bar.max = total;
  view.bar.value = loaded;
}

/**
 * Notes that are not there yet, with vectors for all passages that have none: all or, when it is stopped, nothing.
 * @param {Open} all
 * @param {Note[]} notes
 * @param {WorkOptions} options
 */
async function addNotes(all, notes, options) {
  const { embedder, index } = all;
  const fresh = notes.filter((note) => !index.has(note));
  const passages = [...index.notes, ...fresh].flatMap((note) => note.passages);
  const missing = passages.filter(({ vector }) => !vector.length);
  const texts = missing.map(({ text }) => text);
  const vectors = texts.length ? await embedder.embed(texts, options) : [];
  missing.forEach((passage, i) => (passage.vector = vectors[i]));
  index.notes.push(...fresh);
  if (texts.length || fresh.length) await changed(all);
  return { added: fresh.flatMap((note) => note.passages).length, twice: notes.length - fresh.length };
}

/** Say what was added. @param {{added: number, twice: number}} counts */
function sayAdded({ added, twice }) {
  const count = (/** @type {number} */ n, /** @type {string} */ word) => `${n} ${word}${n === 1 ? "" : "s"}`;
  view.outcome.textContent = `${count(added, "passage")} added.${twice ? ` ${count(twice, "note")} already there.` : ""}`;
}

/** Keep and show what has changed. @param {Open} all */
async function changed(all) {
  try {
    await all.keeper.save(all.index);
  } catch (error) {
    view.notice.textContent = `The notes are here until the page is closed: ${explain(error)}`;
    view.notice.hidden = false;
  }
  await show(all);
}

/** The notes, their number, and the map. @param {Open} all */
async function show(all) {
  const { index } = all;
  const passages = index.passages();
  view.notes.replaceChildren(...index.notes.map((note) => noteItem(all, note)));
  view.counts.textContent = passages.length
    ? `${passages.length} passages in ${index.notes.length} ${index.notes.length === 1 ? "note" : "notes"}, kept in this browser.`
    : "None yet.";
  view.export.disabled = view.clear.disabled = !passages.length;
  view.results.replaceChildren();
  view.passage.hidden = true;
  if (!passages.length) view.outcome.textContent = "There are no notes yet. Add some, or try the example.";
  const placed = passages.filter(({ passage }) => passage.vector.length);
  const points = await coordinates(all, placed);
  shown = placed;
  map.set(points.map(([x, y], i) => ({ x, y, words: `${placed[i].note.name}: ${shortened(placed[i].passage.text)}` })));
}

/**
 * Along the first two principal components of the vectors.
 * @param {Open} all
 * @param {{passage: Passage}[]} placed
 * @returns {Promise<[number, number][]>}
 */
async function coordinates({ toolbox }, placed) {
  if (!placed.length) return [];
  const { points } = await toolbox.principalComponents(
    placed.map(({ passage }) => passage.vector),
    2,
  );
  return points;
}

/** @param {string} text */
const shortened = (text) => (text.length > WORDS ? `${text.slice(0, WORDS).replace(/\s+\S*$/, "")} …` : text);

/** @param {Open} all @param {Note} note */
function noteItem(all, note) {
  const item = make("li");
  const words = make("span");
  const count = note.passages.length;
  words.append(make("strong", note.name), make("small", `${count} ${count === 1 ? "passage" : "passages"}`));
  const button = make("button", "Remove", "quiet");
  button.type = "button";
  button.setAttribute("aria-label", `Remove ${note.name}`);
  button.onclick = () =>
    run(async () => {
      all.index.remove(note.id);
      await changed(all);
      view.notesTitle.focus(); // the button is gone
    });
  item.append(words, button);
  return item;
}

/** @param {{note: Note, passage: Passage}} entry */
function showPassage({ note, passage }) {
  view.passageTitle.textContent = note.name;
  view.passageText.textContent = passage.text;
  view.passage.hidden = false;
  view.passageTitle.focus();
}

/** @param {Hit} hit */
function resultItem(hit) {
  const item = make("li");
  const button = make("button");
  button.type = "button";
  const score = make("span", hit.score.toFixed(2), "score");
  score.title = "Cosine similarity";
  button.append(score, make("span", hit.passage.text, "found"), make("small", hit.note.name));
  button.onclick = () => {
    map.select(shown.findIndex(({ passage }) => passage === hit.passage));
    showPassage(hit);
  };
  item.append(button);
  return item;
}

view.search.onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  const words = view.query.value.trim();
  void run(async (all, options) => {
    if (!words) {
      view.query.focus();
      throw new RangeError("Write what you are looking for.");
    }
    if (!all.index.notes.length) throw new RangeError("There are no notes to search. Add some first.");
    await addNotes(all, [], options); // vectors, where another model has made the index
    const [vector] = await all.embedder.embed([words], options);
    const hits = all.index.search(vector, RESULTS);
    view.results.replaceChildren(...hits.map(resultItem));
    view.outcome.textContent = `The ${hits.length} passages nearest to «${words}», with their cosine similarity.`;
    map.highlight(hits.slice(0, MARKED).map((hit) => shown.findIndex(({ passage }) => passage === hit.passage)));
  });
};

view.add.onsubmit = (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  void run(async (all, options) => {
    const name = view.name.value.trim() || shortened(view.text.value.trim()).split("\n")[0].slice(0, 40);
    if (!view.text.value.trim()) {
      view.text.focus();
      throw new RangeError("Paste or write a text first.");
    }
    sayAdded(await addNotes(all, [noteOf(name, passagesOf(view.text.value))], options));
    view.text.value = view.name.value = "";
  });
};

view.example.onclick = () =>
  run(async (all, options) =>
    sayAdded(await addNotes(all, [noteOf(EXAMPLE_NAME, passagesOf(EXAMPLE_NOTES))], options)),
  );

/** Add what can be read of some files, and say what cannot. @param {File[]} files */
function addFiles(files) {
  if (!files.length) return;
  void run(async (all, options) => {
    /** @type {Note[]} */
    const notes = [];
    /** @type {unknown[]} */
    const errors = [];
    for (const file of files)
      await readNotes(file, all.embedder.name).then(
        (read) => notes.push(...read),
        (e) => errors.push(e),
      );
    if (notes.length) sayAdded(await addNotes(all, notes, options));
    if (errors.length) throw new Error(errors.map(explain).join(" "));
  });
}

view.files.onchange = () => {
  addFiles([...(view.files.files ?? [])]);
  view.files.value = ""; // the same file may be chosen again
};

const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") === true;
addEventListener("dragover", (event) => {
  if (hasFiles(event)) event.preventDefault(); // a file dropped beside the panel must not replace the page
});
addEventListener("drop", (event) => event.preventDefault());
view.drop.addEventListener("dragenter", () => view.drop.classList.add("dragging"));
view.drop.addEventListener("dragleave", (event) => {
  if (!(event.relatedTarget instanceof Node && view.drop.contains(event.relatedTarget)))
    view.drop.classList.remove("dragging");
});
view.drop.addEventListener("drop", async (event) => {
  view.drop.classList.remove("dragging");
  if (event.dataTransfer) addFiles(await droppedFiles(event.dataTransfer));
});

view.export.onclick = () => run(async ({ index }) => saveFile("notes.json", index.toText(), "application/json"));
view.clear.onclick = () =>
  run(async (all) => {
    if (!confirm("Remove all notes and their index from this browser?")) return;
    all.index.notes = [];
    await changed(all);
    view.notesTitle.focus();
  });
view.stop.onclick = () => stopping?.abort();
addEventListener("keydown", (event) => {
  if (event.key === "Escape") stopping?.abort();
});
