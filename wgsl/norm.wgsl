// RMSNorm (Zhang & Sennrich 2019) over the last axis; a workgroup takes a row. x, out (rows, width), gamma (width).
//: include workgroup

struct P { width: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(128)
fn rms(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * p.width;
    var sum = 0.0;
    for (var i = lane; i < p.width; i += GROUP) { sum += x[row + i] * x[row + i]; }
    let scale = 1.0 / sqrt(total(sum, lane) / f32(p.width) + p.eps);
    for (var i = lane; i < p.width; i += GROUP) { out[row + i] = x[row + i] * scale * gamma[i]; }
}

// LayerNorm (Ba et al. 2016), with beta (width)
@compute @workgroup_size(128)
fn layer(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * p.width;
    var sum = 0.0;
    for (var i = lane; i < p.width; i += GROUP) { sum += x[row + i]; }
    let mean = total(sum, lane) / f32(p.width);
    sum = 0.0;
    for (var i = lane; i < p.width; i += GROUP) {
        let d = x[row + i] - mean;
        sum += d * d;
    }
    let scale = 1.0 / sqrt(total(sum, lane) / f32(p.width) + p.eps);
    for (var i = lane; i < p.width; i += GROUP) { out[row + i] = (x[row + i] - mean) * scale * gamma[i] + beta[i]; }
}
