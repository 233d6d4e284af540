// RMSNorm (Zhang & Sennrich 2019) over the last axis. x, out (rows, width), gamma (width); a workgroup takes a row at a time.
//: include norm_root

struct P { rows: u32, width: u32, eps: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gamma: array<f32>;
@group(0) @binding(3) var<storage, read> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(128)
fn rms(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
       @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        var sums = vec2<f32>();
        for (var i = lane; i < p.width; i += GROUP) { sums += square(x[row + i]); }
        let scale = inverse_root(sums, p.width, p.eps, lane);
        for (var i = lane; i < p.width; i += GROUP) { out[row + i] = x[row + i] * scale.x * scale.y * gamma[i]; }
    }
}

// LayerNorm (Ba et al. 2016), with beta (width)
@compute @workgroup_size(128)
fn layer(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
         @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        var sum = 0.0;
        for (var i = lane; i < p.width; i += GROUP) { sum += x[row + i] / f32(p.width); }
        let mean = total(sum, lane);
        var sums = vec2<f32>();
        for (var i = lane; i < p.width; i += GROUP) { sums += square(x[row + i] - mean); }
        let scale = inverse_root(sums, p.width, p.eps, lane);
        for (var i = lane; i < p.width; i += GROUP) {
            out[row + i] = (x[row + i] - mean) * scale.x * scale.y * gamma[i] + beta[i];
        }
    }
}
