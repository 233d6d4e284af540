// Rows times the matrices of their experts: out (choices, rows) = x[choice / share] W', W the `rows` rows of expert ids[choice]
// in a matrix in any storage. Work is shared as in linear_row.wgsl. The matrix may be bound in parts: this one has its rows
// from `first` to `end`.

struct P { eights: u32, rows: u32, experts: u32, share: u32, first: u32, end: u32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> ids: array<i32>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> scales: array<u32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
//: include storage_bound

const LANES: u32 = 16u;
var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn dot_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = (group.y * 32768u + group.x) * (64u / LANES) + lane / LANES;
    let choice = group.z;
    let expert = u32(ids[choice]);
    let at = expert * p.rows + row;
    let here = row < p.rows && expert < p.experts && at >= p.first && at < p.end;
    var sum = vec4<f32>();
    if (here) {
        let start = 2u * (choice / p.share) * p.eights;
        for (var g = lane % LANES; g < p.eights; g += LANES) {
            let w = eight((at - p.first) * p.eights + g);
            sum += x[start + 2u * g] * w.low + x[start + 2u * g + 1u] * w.high;
        }
    }
    partial[lane] = dot(sum, vec4<f32>(1.0));
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane % LANES < half) { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    if (lane % LANES == 0u && here) { out[choice * p.rows + row] = partial[lane]; }
}
