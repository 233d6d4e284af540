/** The models that this browser keeps, each with a button to remove it. */

import { explain } from "../loom.js";
import { element, make, size } from "./ui.js";

/** @typedef {import("../loom.js").Session} Session */
/** @typedef {import("../loom.js").KeptModel} KeptModel */

const PLACES = { opfs: "on disk", cache: "in the browser's cache", memory: "in memory, until this page is closed" };

export class StoragePanel {
  /** @param {Promise<Session>} session */
  constructor(session) {
    this.session = session;
    this.panel = element("kept", HTMLElement);
    this.title = element("kept-title", HTMLElement);
    this.list = element("kept-list", HTMLElement);
    this.note = element("kept-note", HTMLElement);
    this.clear = element("kept-clear", HTMLButtonElement);
  }

  async start() {
    this.title.tabIndex = -1; // the focus goes here when a button disappears
    this.clear.onclick = () => this.#change(async (session) => `${size(await session.storage.clear())} freed.`);
    await this.show();
  }

  /** Show what is kept now. @param {string} [outcome] what has just been done */
  async show(outcome = "") {
    const session = await this.session;
    const [models, usage] = await Promise.all([session.storage.list(), session.storage.usage()]);
    this.list.replaceChildren(...models.map((model) => this.#item(model)));
    this.clear.hidden = models.length < 2;
    this.panel.hidden = !models.length && !outcome;
    const room = usage.quota === undefined ? "" : ` of about ${size(usage.quota)} that the browser allows`;
    const safe = usage.persisted ? "" : " The browser may clear it when the disk is full.";
    const facts = models.length ? `${size(usage.kept)} ${PLACES[usage.kind]}${room}.${safe}` : "Nothing is kept.";
    this.note.textContent = outcome ? `${outcome} ${facts}` : facts;
  }

  /** @param {KeptModel} model */
  #item({ name, source, size: bytes, complete, lastUsed }) {
    const item = make("li");
    const words = make("span");
    const state = complete ? "" : " · not whole yet: loading it goes on";
    words.append(
      make("strong", name),
      make("small", `${size(bytes)} · used ${new Date(lastUsed).toLocaleDateString()}${state}`),
    );
    const button = make("button", "Remove", "quiet");
    button.type = "button";
    button.setAttribute("aria-label", `Remove ${name}`);
    button.onclick = () =>
      this.#change(
        async (session) => `${name} was removed, ${size(await session.storage.remove(name, source))} freed.`,
      );
    item.append(words, button);
    return item;
  }

  /** @param {(session: Session) => Promise<string>} work */
  async #change(work) {
    let outcome;
    try {
      outcome = await work(await this.session);
    } catch (error) {
      outcome = explain(error);
    }
    await this.show(outcome);
    this.title.focus();
  }
}
