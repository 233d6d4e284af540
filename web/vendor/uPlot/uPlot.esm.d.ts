/** The site puts uPlot here; its types come from its package. */
export { default } from "uplot";
