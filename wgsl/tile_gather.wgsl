// Products in tiles of operands that the includer gathers: it has `left(row, k)`, `column(n)`, which is worked out once for
// all k, and `right(k, column)`, each 0 outside. A workgroup of 256 makes 64 x 64 results, or 16 x 256 where there are few
// rows; an invocation makes 4 x 4 of them.

override ROWS: u32;   // vectors of four rows of a tile, and of four columns: 16 and 16, or 4 and 64
override COLS: u32;
override DEPTH: u32;  // elements of the sum in a tile: 16, or 8
var<workgroup> tile: array<vec4<f32>, 560>;  // [element][four rows], then [element][four columns]; one more for the banks

fn left_at(k: u32, row: u32) -> u32 { return k * (ROWS + 1u) + row; }
fn right_at(k: u32, col: u32) -> u32 { return DEPTH * (ROWS + 1u) + k * (COLS + 1u) + col; }

// The invocation's first row and column within a tile
fn own_row(lane: u32) -> u32 { return 4u * (lane / COLS); }
fn own_col(lane: u32) -> u32 { return 4u * (lane % COLS); }

// [row][column] -> the sum over first <= k < end of left(row0 + own_row + row, k) * right(k, col0 + own_col + column)
fn product(row0: u32, col0: u32, first: u32, end: u32, lane: u32) -> array<vec4<f32>, 4> {
    var columns: array<vec3<i32>, 4>;
    for (var j = 0u; j < 4u; j++) { columns[j] = column(col0 + own_col(lane) + j); }
    var sum = array<vec4<f32>, 4>();
    for (var k0 = first; k0 < end; k0 += DEPTH) {
        for (var i = lane; i < DEPTH * ROWS; i += 256u) {
            let k = k0 + i % DEPTH;
            var some = vec4<f32>();
            for (var j = 0u; j < 4u && k < end; j++) { some[j] = left(row0 + i / DEPTH * 4u + j, k); }
            tile[left_at(i % DEPTH, i / DEPTH)] = some;
        }
        for (var i = lane / COLS; i < DEPTH; i += 256u / COLS) {
            var some = vec4<f32>();
            for (var j = 0u; j < 4u && k0 + i < end; j++) { some[j] = right(k0 + i, columns[j]); }
            tile[right_at(i, lane % COLS)] = some;
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            let a = tile[left_at(k, lane / COLS)];
            let b = tile[right_at(k, lane % COLS)];
            sum[0] += a.x * b;
            sum[1] += a.y * b;
            sum[2] += a.z * b;
            sum[3] += a.w * b;
        }
        workgroupBarrier();
    }
    return sum;
}
