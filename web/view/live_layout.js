/**
 * Where the cells of a grid are drawn: rows × columns × layers, flat, as sheets above each other, or side by side.
 *
 * A sheet holds one layer of every cell. Its corner, and the steps to the next column and row, say where its cells are.
 */

/** @typedef {{rows: number, cols: number, layers: number}} Grid `layers`: of each cell */
/** @typedef {"stacked" | "beside"} Arrangement */
/** @typedef {{x: number, y: number, right: [number, number], down: [number, number]}} Sheet CSS pixels */
/** @typedef {{width: number, height: number, sheets: Sheet[]}} Layout */

/** Share of a cell that is drawn; the rest is the gap. */
export const FILL = 0.84;
const MARGIN = 6;
const LARGEST = 64;
/** How much wider than high a slanted cell may be drawn. */
const WIDEST = 2.2;

/**
 * @param {Grid} grid
 * @param {number} width in CSS pixels
 * @param {number} most height
 * @param {Arrangement} arrangement of grids with several layers per cell
 * @returns {Layout}
 */
export function layout(grid, width, most, arrangement) {
  if (grid.layers === 1) return beside(grid, width, most, 1);
  if (arrangement === "stacked") return stacked(grid, width, most);
  const choices = Array.from({ length: grid.layers }, (_, i) => beside(grid, width, most, i + 1));
  const size = (/** @type {Layout} */ candidate) => candidate.sheets[0]?.right[0] ?? 0;
  return choices.reduce((best, next) => (size(next) > size(best) ? next : best));
}

/**
 * Sheets in columns, the first top left.
 * @param {Grid} grid
 * @param {number} width
 * @param {number} most
 * @param {number} across sheets in a row
 * @returns {Layout}
 */
function beside({ rows, cols, layers }, width, most, across) {
  const lines = Math.ceil(layers / across);
  const gap = layers > 1 ? 12 : 0;
  const wide = (width - 2 * MARGIN - gap * (across - 1)) / (across * cols);
  const high = (most - 2 * MARGIN - gap * (lines - 1)) / (lines * rows);
  const size = Math.max(1, Math.min(wide, high, LARGEST));
  const left = (width - across * cols * size - gap * (across - 1)) / 2;
  const sheets = Array.from({ length: layers }, (_, k) => ({
    x: left + (k % across) * (cols * size + gap),
    y: MARGIN + Math.floor(k / across) * (rows * size + gap),
    right: /** @type {[number, number]} */ ([size, 0]),
    down: /** @type {[number, number]} */ ([0, size]),
  }));
  return { width, height: 2 * MARGIN + lines * rows * size + gap * (lines - 1), sheets };
}

/**
 * Slanted sheets, the first at the top.
 * @param {Grid} grid
 * @param {number} width
 * @param {number} most
 * @returns {Layout}
 */
function stacked({ rows, cols, layers }, width, most) {
  const [slant, flat, pitch] = [0.6, 0.42, 0.5]; // of a row: to the left, downwards; of a sheet's height: the next sheet
  const units = { across: cols + slant * rows, down: flat * rows * (1 + pitch * (layers - 1)) };
  const size = Math.max(1, Math.min((width - 2 * MARGIN) / units.across, (most - 2 * MARGIN) / units.down, LARGEST));
  const wide = size * Math.min(Math.max((width - 2 * MARGIN) / (units.across * size), 1), WIDEST); // where height is short
  const left = (width - units.across * wide) / 2 + slant * rows * wide;
  const sheets = Array.from({ length: layers }, (_, k) => ({
    x: left,
    y: MARGIN + k * pitch * flat * rows * size,
    right: /** @type {[number, number]} */ ([wide, 0]),
    down: /** @type {[number, number]} */ ([-slant * wide, flat * size]),
  }));
  return { width, height: 2 * MARGIN + units.down * size, sheets };
}

/**
 * Row and column of a layer, and its number in the cell.
 * @param {Grid} grid
 * @param {number} index
 */
export function placeOf({ cols, layers }, index) {
  const cell = Math.floor(index / layers);
  return { row: Math.floor(cell / cols), col: cell % cols, layer: index % layers };
}

/**
 * The middle of a layer's mark.
 * @param {Grid} grid
 * @param {Layout} where
 * @param {number} index
 * @returns {[number, number]}
 */
export function centre(grid, { sheets }, index) {
  const { row, col, layer } = placeOf(grid, index);
  const { x, y, right, down } = /** @type {Sheet} */ (sheets[layer]);
  return [x + (col + 0.5) * right[0] + (row + 0.5) * down[0], y + (col + 0.5) * right[1] + (row + 0.5) * down[1]];
}

/**
 * The layer at a point, the uppermost where sheets overlap; −1 for none.
 * @param {Grid} grid
 * @param {Layout} where
 * @param {number} px
 * @param {number} py
 */
export function hit({ rows, cols, layers }, { sheets }, px, py) {
  for (let k = 0; k < sheets.length; k++) {
    const { x, y, right, down } = /** @type {Sheet} */ (sheets[k]);
    const area = right[0] * down[1] - right[1] * down[0];
    const col = Math.floor(((px - x) * down[1] - (py - y) * down[0]) / area);
    const row = Math.floor(((py - y) * right[0] - (px - x) * right[1]) / area);
    if (row >= 0 && row < rows && col >= 0 && col < cols) return (row * cols + col) * layers + k;
  }
  return -1;
}
