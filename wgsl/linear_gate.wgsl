// A gated layer's inner part for few rows: out (T, rows) = silu(n gate') * (n up'), n = x / rms(x) * gamma.
// Work is shared as in linear_row.wgsl; both matrices are in the same storage.

struct P { eights: u32, rows: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> gate: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> gate_scales: array<u32>;
@group(0) @binding(5) var<storage, read> up: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read> up_scales: array<u32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
//: include storage

const LANES: u32 = 16u;
var<workgroup> partial: array<vec3<f32>, 64>;

@compute @workgroup_size(64)
fn dot_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = (group.y * 32768u + group.x) * (64u / LANES) + lane / LANES;
    let t = group.z;
    var gated = vec4<f32>();
    var plain = vec4<f32>();
    var squares = vec4<f32>();
    if (row < p.rows) {
        for (var g = lane % LANES; g < p.eights; g += LANES) {
            var low = x[2u * (t * p.eights + g)];
            var high = x[2u * (t * p.eights + g) + 1u];
            squares += low * low + high * high;
            low *= gamma[2u * g];
            high *= gamma[2u * g + 1u];
            let i = row * p.eights + g;
            let at = vector_of(i);
            var second = vec4<u32>();
            var second_up = vec4<u32>();
            var scale = 0u;
            var scale_up = 0u;
            if (STORAGE == F32) {
                second = gate[at + 1u];
                second_up = up[at + 1u];
            }
            if (STORAGE >= Q8_0) {
                scale = gate_scales[scale_of(i)];
                scale_up = up_scales[scale_of(i)];
            }
            let a = widen(gate[at], second, scale, i);
            let b = widen(up[at], second_up, scale_up, i);
            gated += low * a.low + high * a.high;
            plain += low * b.low + high * b.high;
        }
    }
    let one = vec4<f32>(1.0);
    partial[lane] = vec3<f32>(dot(gated, one), dot(plain, one), dot(squares, one));
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane % LANES < half) { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    if (lane % LANES == 0u && row < p.rows) {
        let r = 1.0 / sqrt(partial[lane].z / f32(p.eights * 8u) + p.eps);
        let z = partial[lane].x * r;
        let e = exp(-min(abs(z), 87.0));
        out[t * p.rows + row] = z * select(e, 1.0, z >= 0.0) / (1.0 + e) * partial[lane].y * r;
    }
}
