// Few rows times a matrix of weights in any storage: out (T, stride) = f(x) weights' + bias + residual.
// Sixteen invocations share a row of weights and read it side by side, eight elements each; a workgroup has four rows.
// NORM: x is normalised on the way, x / rms(x) * gamma, with the sum of squares from the same pass.
// ADD: with residual. The matrix may be bound in parts: this one has `rows` rows from `first` on.

struct P { eights: u32, rows: u32, first: u32, stride: u32, has_bias: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> scales: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
//: include storage_bound

override NORM: bool = false;
override ADD: bool = false;
const LANES: u32 = 16u;
var<workgroup> partial: array<vec2<f32>, 64>;

@compute @workgroup_size(64)
fn dot_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = (group.y * 32768u + group.x) * (64u / LANES) + lane / LANES;
    let t = group.z;
    var sum = vec4<f32>();
    var squares = vec4<f32>();
    if (row < p.rows) {
        for (var g = lane % LANES; g < p.eights; g += LANES) {
            var low = x[2u * (t * p.eights + g)];
            var high = x[2u * (t * p.eights + g) + 1u];
            if (NORM) {
                squares += low * low + high * high;
                low *= gamma[2u * g];
                high *= gamma[2u * g + 1u];
            }
            let w = eight(row * p.eights + g);
            sum += low * w.low + high * w.high;
        }
    }
    partial[lane] = vec2<f32>(dot(sum, vec4<f32>(1.0)), dot(squares, vec4<f32>(1.0)));
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane % LANES < half) { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    if (lane % LANES == 0u && row < p.rows) {
        var value = partial[lane].x;
        if (NORM) { value /= sqrt(partial[lane].y / f32(p.eights * 8u) + p.eps); }
        if (p.has_bias != 0u) { value += bias[p.first + row]; }
        let at = t * p.stride + p.first + row;
        if (ADD) { value += residual[at]; }
        out[at] = value;
    }
}
