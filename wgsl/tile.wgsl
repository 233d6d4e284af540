// Products in tiles: a workgroup of 256 makes TILE x TILE results from tiles of DEPTH elements (the includer's constant) in
// workgroup memory; an invocation makes 4 x 4 of them.

const TILE: u32 = 64u;
const PITCH: u32 = 17u;  // in vectors of 4: one more than TILE / 4, so that columns fall into different banks
var<workgroup> left: array<vec4<f32>, DEPTH * PITCH>;   // [element][four neighbouring rows]
var<workgroup> right: array<vec4<f32>, DEPTH * PITCH>;  // [element][four neighbouring columns]

// sum[r][c] += what the tiles add to row 4 (lane / 16) + r and column 4 (lane mod 16) + c.
fn multiply(sum: ptr<function, array<vec4<f32>, 4>>, lane: u32) {
    for (var k = 0u; k < DEPTH; k++) {
        let a = left[k * PITCH + lane / 16u];
        let b = right[k * PITCH + lane % 16u];
        (*sum)[0] += a.x * b;
        (*sum)[1] += a.y * b;
        (*sum)[2] += a.z * b;
        (*sum)[3] += a.w * b;
    }
}
