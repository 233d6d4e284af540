// Many rows times a matrix of weights in any storage: out (T, stride) = x weights' + bias + residual.
// A workgroup makes 64 x 64 results from tiles of 32 elements in workgroup memory, widened once; an invocation 4 x 4.

struct P { tokens: u32, groups: u32, rows: u32, first: u32, stride: u32, has_bias: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> scales: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
//: include weights

override ADD: bool = false;
const TILE: u32 = 64u;
const STEP: u32 = 3u;  // groups of eight in a tile: 24 elements, so that both tiles stay below 16 KiB
const PITCH: u32 = 17u;
var<workgroup> left: array<vec4<f32>, 408>;   // STEP * 8 * PITCH: element, then four neighbouring rows
var<workgroup> right: array<vec4<f32>, 408>;

@compute @workgroup_size(256)
fn tiled(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row0 = group.x * TILE;
    let t0 = group.y * TILE;
    let ty = lane / 16u;
    let tx = lane % 16u;
    var sum = array<vec4<f32>, 4>();
    for (var g0 = 0u; g0 < p.groups; g0 += STEP) {
        // 64 rows of STEP groups in each operand; neighbours read neighbouring groups.
        for (var i = lane; i < 2u * TILE * STEP; i += 256u) {
            let j = i % (TILE * STEP);
            let g = j % STEP;
            let r = j / STEP;
            var e = Eight();
            if (i < TILE * STEP) {
                if (t0 + r < p.tokens && g0 + g < p.groups) {
                    let at = 2u * ((t0 + r) * p.groups + g0 + g);
                    e = Eight(x[at], x[at + 1u]);
                }
                for (var k = 0u; k < 4u; k++) {
                    left[(8u * g + k) * PITCH + r / 4u][r % 4u] = e.low[k];
                    left[(8u * g + 4u + k) * PITCH + r / 4u][r % 4u] = e.high[k];
                }
            } else {
                if (row0 + r < p.rows && g0 + g < p.groups) { e = eight((row0 + r) * p.groups + g0 + g); }
                for (var k = 0u; k < 4u; k++) {
                    right[(8u * g + k) * PITCH + r / 4u][r % 4u] = e.low[k];
                    right[(8u * g + 4u + k) * PITCH + r / 4u][r % 4u] = e.high[k];
                }
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < 8u * STEP; k++) {
            let a = left[k * PITCH + ty];
            let b = right[k * PITCH + tx];
            sum[0] += a.x * b;
            sum[1] += a.y * b;
            sum[2] += a.z * b;
            sum[3] += a.w * b;
        }
        workgroupBarrier();
    }
    for (var r = 0u; r < 4u; r++) {
        let t = t0 + ty * 4u + r;
        for (var c = 0u; c < 4u; c++) {
            let row = row0 + tx * 4u + c;
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
