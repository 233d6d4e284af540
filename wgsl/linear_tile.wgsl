// Many rows times a matrix of weights in any storage: out (T, stride) = x weights' + bias + residual.
// A workgroup makes 64 x 64 results from tiles of 24 elements in workgroup memory, widened once; an invocation 4 x 4.
// The matrix may be bound in parts: this one has `rows` rows from `first` on.

struct P { tokens: u32, eights: u32, rows: u32, first: u32, stride: u32, has_bias: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> scales: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
//: include storage_bound

override ADD: bool = false;
const STEP: u32 = 3u;  // groups of eight in a tile, so that both tiles stay below 16 KiB
const DEPTH: u32 = 8u * STEP;
//: include tile

@compute @workgroup_size(256)
fn tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row0 = group.x * TILE;
    let t0 = group.y * TILE;
    var sum = array<vec4<f32>, 4>();
    for (var g0 = 0u; g0 < p.eights; g0 += STEP) {
        // A task: four rows of half a group, transposed into four vectors.
        for (var i = lane; i < 64u * STEP; i += 256u) {
            let g = i % (2u * STEP) / 2u;
            let high = i % 2u;
            let r = i / (2u * STEP) % 16u;
            var m = mat4x4<f32>();
            if (i < 32u * STEP) {
                for (var c = 0u; c < 4u; c++) {
                    let t = t0 + 4u * r + c;
                    if (t < p.tokens && g0 + g < p.eights) { m[c] = x[2u * (t * p.eights + g0 + g) + high]; }
                }
                m = transpose(m);
                for (var k = 0u; k < 4u; k++) { left[(8u * g + 4u * high + k) * PITCH + r] = m[k]; }
            } else {
                for (var c = 0u; c < 4u; c++) {
                    let row = row0 + 4u * r + c;
                    if (row < p.rows && g0 + g < p.eights) {
                        let e = eight(row * p.eights + g0 + g);
                        m[c] = select(e.low, e.high, high == 1u);
                    }
                }
                m = transpose(m);
                for (var k = 0u; k < 4u; k++) { right[(8u * g + 4u * high + k) * PITCH + r] = m[k]; }
            }
        }
        workgroupBarrier();
        multiply(&sum, lane);
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        let t = t0 + lane / 16u * 4u + r;
        for (var c = 0u; c < 4u; c++) {
            let row = row0 + lane % 16u * 4u + c;
            if (t < p.tokens && row < p.rows) {
                var value = sum[r][c];
                if (p.has_bias != 0u) { value += bias[p.first + row]; }
                let at = t * p.stride + p.first + row;
                if (ADD) { value += residual[at]; }
                out[at] = value;
            }
        }
    }
}
