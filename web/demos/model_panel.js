/** Choosing a model (this site's, the hub's, or files) and loading it with its progress shown. */

import {
  DEFAULT_REPOSITORY,
  StorageError,
  canPickFolder,
  droppedFiles,
  isAbort,
  pickFolder,
  siteModels,
} from "../loom.js";
import { HUB_MODELS } from "./hub_models.js";
import { ModelFacts } from "./model_facts.js";
import { StoragePanel } from "./storage_panel.js";
import { element, make, showError, size } from "./ui.js";

/** @typedef {import("../loom.js").Session} Session */
/** @typedef {import("../loom.js").LanguageModel} LanguageModel */

const VERBS = {
  resolve: "Looking up",
  examine: "Looking at",
  waiting: "Waiting for another tab:",
  resume: "Checking what came before:",
  download: "Downloading",
  verify: "Checking",
  cached: "Kept from last time:",
  load: "Reading weights",
};

/** @type {Record<string, string>} */
const ACTIVATIONS = { q16: "activations of 16 bits", f32: "activations of 32 bits" };

export class ModelPanel {
  /** @type {import("../loom.js").SiteModel[]} */
  #models = [];
  /** @type {File[]} */
  #files = [];
  /** @type {AbortController | null} */
  #stopping = null;

  /**
   * @param {Promise<Session>} session
   * @param {(model: LanguageModel) => Promise<void>} onModel
   */
  constructor(session, onModel) {
    this.session = session;
    this.onModel = onModel;
    this.panel = element("drop", HTMLElement);
    this.name = element("model-name", HTMLElement);
    this.list = element("site-models", HTMLElement);
    this.hub = element("hub", HTMLInputElement);
    this.picker = element("files", HTMLInputElement);
    this.fileNames = element("file-names", HTMLElement);
    this.load = element("load", HTMLButtonElement);
    this.cancel = element("cancel", HTMLButtonElement);
    this.status = element("status", HTMLElement);
    this.bar = element("progress", HTMLProgressElement);
    this.error = element("load-error", HTMLElement);
    this.notice = element("load-notice", HTMLElement);
    this.room = element("room", HTMLElement);
    this.precise = element("precise", HTMLInputElement);
    this.kept = new StoragePanel(session);
    this.form = element("chooser", HTMLFormElement);
    this.inspect = element("inspect", HTMLButtonElement);
    this.facts = new ModelFacts();
  }

  /** Wire the panel and list the site's models. */
  async start() {
    this.hub.value = DEFAULT_REPOSITORY;
    this.#offerHubModels();
    this.form.addEventListener("change", (event) => {
      this.#showDetails();
      if (event.target !== this.precise) this.facts.show(null); // they were another model's
    });
    this.inspect.onclick = () => void this.#inspect();
    this.form.onsubmit = (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      void this.#load();
    };
    element("make-room", HTMLButtonElement).onclick = () => void this.#load({ keep: "must", evict: true });
    element("load-unkept", HTMLButtonElement).onclick = () => void this.#load({ keep: "never" });
    this.kept.start().catch(() => {}); // without Python there is nothing to show
    this.cancel.onclick = () => this.#stopping?.abort();
    this.picker.onchange = () => this.#look([...(this.picker.files ?? [])]);
    this.#offerFolders();
    this.#acceptDrops();
    try {
      this.#models = (await siteModels()).filter(({ task }) => task !== "feature-extraction"); // the search page's
    } catch {
      this.#models = [];
    }
    this.list.replaceChildren(...this.#models.map(choice));
    if (!this.#models.length) {
      this.list.append(
        make(
          "p",
          "This site has no model of its own. Take one from the hub, or choose files from your computer.",
          "note",
        ),
      );
    }
    if (!this.#source) this.#select(this.#models.length ? "site:0" : "hub"); // the user has already chosen
  }

  /** @param {string} value */
  #select(value) {
    const radio =
      [...this.form.elements].find((e) => e instanceof HTMLInputElement && e.name === "source" && e.value === value) ??
      this.form.querySelector('input[name="source"]');
    if (radio instanceof HTMLInputElement) radio.checked = true;
    this.#showDetails();
  }

  get #source() {
    return String(new FormData(this.form).get("source") ?? "");
  }

  #showDetails() {
    element("hub-detail", HTMLElement).hidden = this.#source !== "hub";
    element("files-detail", HTMLElement).hidden = this.#source !== "files";
  }

  /** @param {File[]} files */
  #choose(files) {
    this.#files = files;
    this.fileNames.textContent = files.map((file) => `${file.name} (${size(file.size)})`).join(", ");
  }

  /** Choose files and say what they are. @param {File[]} files */
  #look(files) {
    this.#choose(files);
    if (files.length) void this.#inspect();
  }

  #offerHubModels() {
    const list = element("hub-models", HTMLSelectElement);
    const words = ({ title = "", bytes = 0, license = "", chat = true }) =>
      `${title} · ${size(bytes)} · ${license}${chat ? "" : " · Complete only"}`;
    list.append(...HUB_MODELS.map((model) => new Option(words(model), model.address)), new Option("another one", ""));
    list.onchange = () => {
      if (list.value) this.hub.value = list.value;
      else this.hub.select();
    };
    this.hub.addEventListener("input", () => {
      list.value = HUB_MODELS.some(({ address }) => address === this.hub.value) ? this.hub.value : "";
    });
  }

  #offerFolders() {
    const input = element("folder", HTMLInputElement);
    const button = element("pick-folder", HTMLButtonElement);
    input.onchange = () => this.#look([...(input.files ?? [])]);
    button.onclick = async () => {
      try {
        const files = await pickFolder();
        if (files.length) this.#look(files);
      } catch (error) {
        showError(this.error, error);
      }
    };
    button.hidden = !canPickFolder();
    input.hidden = element("folder-label", HTMLElement).hidden = canPickFolder();
  }

  #acceptDrops() {
    const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") === true;
    addEventListener("dragover", (event) => {
      if (hasFiles(event)) event.preventDefault(); // a file dropped beside the panel must not replace the page
    });
    addEventListener("drop", (event) => event.preventDefault());
    this.panel.addEventListener("dragenter", () => this.panel.classList.add("dragging"));
    this.panel.addEventListener("dragleave", (event) => {
      if (!(event.relatedTarget instanceof Node && this.panel.contains(event.relatedTarget)))
        this.panel.classList.remove("dragging");
    });
    this.panel.addEventListener("drop", async (event) => {
      this.panel.classList.remove("dragging");
      const files = event.dataTransfer ? await droppedFiles(event.dataTransfer) : [];
      if (!files.length || this.#stopping) return;
      this.#choose(files);
      this.#select("files");
      const report = await this.#inspect();
      if (!report || report.fits || report.problem) void this.#load(); // a problem is then an alert
    });
  }

  /** @returns {{title: string, source: import("../loom.js").ModelChoice}} */
  #chosen() {
    const source = this.#source;
    if (source === "hub") return { title: this.hub.value.trim(), source: this.hub.value };
    if (source === "files") return { title: this.#files.map((file) => file.name).join(", "), source: this.#files };
    const model = this.#models[Number(source.slice("site:".length))];
    return { title: model?.title ?? "", source: { files: model?.files ?? [], name: model?.title } };
  }

  /**
   * One piece of work at a time, which Cancel stops; its error is shown.
   * @template T
   * @param {string} stopped the status when it was stopped
   * @param {(session: Session, signal: AbortSignal) => Promise<T>} work
   * @returns {Promise<T | undefined>}
   */
  async #work(stopped, work) {
    if (this.#stopping) return undefined;
    let before = this.status.textContent ?? "";
    this.#stopping = new AbortController();
    const { signal } = this.#stopping;
    showError(this.error);
    this.room.hidden = this.notice.hidden = true;
    this.load.disabled = this.inspect.disabled = true;
    this.cancel.hidden = false;
    try {
      const session = await this.session;
      before = this.status.textContent ?? "";
      this.bar.hidden = false;
      this.bar.removeAttribute("value");
      return await work(session, signal);
    } catch (error) {
      this.status.textContent = isAbort(error) ? stopped : before;
      if (!isAbort(error)) showError(this.error, error);
      this.room.hidden = !(error instanceof StorageError);
      return undefined;
    } finally {
      this.#stopping = null;
      this.load.disabled = this.inspect.disabled = false;
      this.cancel.hidden = true;
      this.bar.hidden = true;
    }
  }

  /** Say what the chosen model is and needs. */
  #inspect() {
    this.facts.show(null);
    return this.#work("Looking was cancelled.", async (session, signal) => {
      const { title, source } = this.#chosen();
      const before = this.status.textContent;
      this.status.textContent = `Looking at ${title}`;
      const report = await session.inspectModel(source, { signal, onProgress: (progress) => this.#show(progress) });
      this.facts.show(report);
      this.status.textContent = before;
      return report;
    });
  }

  /** @param {import("../loom.js").KeepOptions} [keep] what to do when there is no room */
  async #load(keep) {
    await this.#work("Loading was cancelled.", async (session, signal) => {
      const { title, source } = this.#chosen();
      const started = performance.now();
      // No question where nothing can be kept anyway.
      const { kind } = await session.storage.usage();
      const place = keep ?? { keep: kind === "memory" ? "try" : "must" };
      const activations = this.precise.checked ? "f32" : "q16";
      const model = await session.loadModel(source, {
        ...place,
        activations,
        signal,
        onProgress: (progress) => this.#show(progress),
      });
      if (model.facts.kind === "encoder") {
        await model.dispose();
        throw new RangeError(`${title} embeds texts and cannot answer. The search page uses models of its kind.`);
      }
      await this.onModel(model);
      this.name.textContent = `Loaded: ${title}`;
      this.name.hidden = false;
      const facts = model.facts;
      this.status.textContent =
        `Ready after ${((performance.now() - started) / 1000).toFixed(1)} s: ${facts.num_hidden_layers} layers of ${facts.hidden_size}, ` +
        `${facts.vocab_size} tokens, context ${facts.max_position_embeddings}${facts.chat ? "" : ", no chat template: use Complete"}. ` +
        `Runs on ${facts.device} (${facts.reason})${facts.device === "numpy" ? "" : `, ${ACTIVATIONS[String(facts.activations)]}`}.`;
      this.load.textContent = "Load another";
      this.load.classList.remove("primary");
    });
    await this.kept.show().catch(() => {});
  }

  /** @param {import("../loom.js").Progress} progress */
  #show({ status, file = "", loaded, total, message = "" }) {
    if (status === "notice" || status === "retry" || status === "restart") {
      this.notice.textContent = status === "notice" ? message : `${file}: ${message}`;
      this.notice.hidden = false;
    }
    if (!Object.hasOwn(VERBS, status)) return;
    const verb = VERBS[/** @type {keyof typeof VERBS} */ (status)];
    const measured = loaded !== undefined && total !== undefined;
    const amount = measured ? `: ${size(loaded)} of ${size(total)}` : loaded === undefined ? "" : `: ${size(loaded)}`;
    this.status.textContent = status === "load" ? `${verb}${amount}` : `${verb} ${file}${amount}`;
    if (measured) {
      this.bar.max = total;
      this.bar.value = loaded;
    } else {
      this.bar.removeAttribute("value");
    }
  }
}

/**
 * @param {import("../loom.js").SiteModel} model
 * @param {number} index
 */
function choice(model, index) {
  const label = make("label", "", "choice");
  const radio = document.createElement("input");
  radio.type = "radio";
  radio.name = "source";
  radio.value = `site:${index}`;
  const bytes = model.files.reduce((sum, file) => sum + (file.size ?? 0), 0);
  const words = make("span");
  words.append(
    make("strong", model.title),
    make("small", [size(bytes), model.license, "from this site"].filter(Boolean).join(" · ")),
  );
  label.append(radio, words);
  return label;
}
