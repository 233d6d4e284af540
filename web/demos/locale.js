/** Must be imported before uPlot, which asks for the browser's language as it loads and fails where that is none, such as "C". */

try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, "language", { value: "en", configurable: true });
}
