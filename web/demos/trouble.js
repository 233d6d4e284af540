// No module, so that it runs where the page's modules cannot: says on the page that they failed, and why.

(() => {
  /** @param {string} reason */
  function say(reason) {
    const place = document.getElementById("error") ?? document.querySelector("main");
    if (!place) return;
    const status = document.getElementById("status");
    if (status) status.textContent = "This page did not start.";
    const line = place.id === "error" ? place : place.insertBefore(document.createElement("p"), place.firstChild);
    line.className = "message";
    line.textContent = `This page did not start: ${reason}. Reload it; if that does not help, use a current browser.`;
    line.hidden = false;
  }
  let loaded = false;
  addEventListener(
    "error",
    (event) => {
      if (loaded) return;
      const script = event.target instanceof HTMLScriptElement ? event.target.src : "";
      if (script) say(`${script} could not be loaded`);
      else if (event.message) say(event.message);
    },
    true,
  );
  document.addEventListener("DOMContentLoaded", () => (loaded = true)); // modules have run by then
})();
