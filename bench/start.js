// Put into every page by start.py before its own scripts: notes when the page has come how far, in milliseconds since the
// navigation, and does what a person would who wants an answer as soon as there can be one.
(() => {
  /** @type {Record<string, number>} */
  const times = {};
  const note = (/** @type {string} */ name) => (times[name] ??= performance.now());
  const text = (/** @type {string} */ selector) => document.querySelector(selector)?.textContent ?? "";

  /** @type {Record<string, () => void>} */
  const steps = {
    index() {
      if (document.querySelector("#offers dt")) note("ready");
    },
    grid_scatter_demo() {
      if (/ is ready: /.test(text("#status"))) note("ready");
    },
    inference() {
      const load = document.querySelector("#load");
      if (document.querySelector("#site-models input:checked") && load instanceof HTMLButtonElement && !times.asked) {
        note("asked");
        load.click();
      }
      if (/ is ready: /.test(text("#status"))) note("python");
      const prompt = document.querySelector("#prompt");
      const composer = document.querySelector("#composer");
      if (text("#model-name").startsWith("Loaded") && !times.loaded && prompt instanceof HTMLTextAreaElement) {
        note("loaded");
        prompt.value = "What is the capital of France?";
        if (composer instanceof HTMLFormElement) composer.requestSubmit();
      }
      if (document.querySelector(".token")) note("ready");
    },
  };
  const step = steps[location.pathname.replace(/^.*\/|\.html$/g, "")] ?? (() => {});
  const observer = new MutationObserver(() => {
    step();
    if (times.ready === undefined) return;
    observer.disconnect();
    document.documentElement.dataset.start = JSON.stringify(times);
  });
  observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
})();
