// RMSNorm (Zhang & Sennrich 2019) over the last axis; a workgroup takes a row. x, out (rows, width), gamma (width).
//: include workgroup

struct P { width: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

const UNIT: f32 = 1.2089258196146292e24;  // 2^80
const LARGE: f32 = 2.81474976710656e14;  // 2^48
var<workgroup> pairs: array<vec2<f32>, GROUP>;

// v^2 where it belongs: in units of 1, and in units of UNIT^2 where it might overflow
fn square(v: f32) -> vec2<f32> {
    if (abs(v) > LARGE) { let q = v / UNIT; return vec2<f32>(0.0, q * q); }
    return vec2<f32>(v * v, 0.0);
}

// 1 / sqrt(mean + eps) as two factors, from every lane's sum of squares
fn inverse_root(sums: vec2<f32>, lane: u32) -> vec2<f32> {
    pairs[lane] = sums;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) { pairs[lane] += pairs[lane + half]; }
        workgroupBarrier();
    }
    let mean = pairs[0] / f32(p.width);
    if (mean.y == 0.0) { return vec2<f32>(1.0, 1.0 / sqrt(mean.x + p.eps)); }
    let root = sqrt(mean.y);
    let ratio = sqrt(mean.x) / UNIT / root;
    return vec2<f32>(1.0 / UNIT, 1.0 / (root * sqrt(1.0 + ratio * ratio)));
}

@compute @workgroup_size(128)
fn rms(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * p.width;
    var sums = vec2<f32>();
    for (var i = lane; i < p.width; i += GROUP) { sums += square(x[row + i]); }
    let scale = inverse_root(sums, lane);
    for (var i = lane; i < p.width; i += GROUP) { out[row + i] = x[row + i] * scale.x * scale.y * gamma[i]; }
}

// LayerNorm (Ba et al. 2016), with beta (width)
@compute @workgroup_size(128)
fn layer(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * p.width;
    var sum = 0.0;
    for (var i = lane; i < p.width; i += GROUP) { sum += x[row + i] / f32(p.width); }
    let mean = total(sum, lane);
    var sums = vec2<f32>();
    for (var i = lane; i < p.width; i += GROUP) { sums += square(x[row + i] - mean); }
    let scale = inverse_root(sums, lane);
    for (var i = lane; i < p.width; i += GROUP) {
        out[row + i] = (x[row + i] - mean) * scale.x * scale.y * gamma[i] + beta[i];
    }
}
