// Batch norm (Ioffe & Szegedy 2015): x (rows, channels, size). Sums take one workgroup per channel.
//: include workgroup

struct P { rows: u32, channels: u32, size: u32, eps: f32, share: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(3) var<storage, read> variance: array<f32>;
@group(0) @binding(4) var<storage, read> gamma: array<f32>;
@group(0) @binding(5) var<storage, read> beta: array<f32>;
@group(0) @binding(6) var<storage, read> gy: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
@group(0) @binding(8) var<storage, read_write> second: array<f32>;

// The i-th value of a channel
fn place(channel: u32, i: u32) -> u32 { return (i / p.size * p.channels + channel) * p.size + i % p.size; }

fn normal(at: u32, channel: u32) -> f32 { return (x[at] - mean[channel]) / sqrt(variance[channel] + p.eps); }

// Mean into out, population variance into second
@compute @workgroup_size(128)
fn statistics(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = p.rows * p.size;
    var sum = 0.0;
    for (var i = lane; i < n; i += GROUP) { sum += x[place(group.x, i)] / f32(n); }
    let middle = total(sum, lane);
    sum = 0.0;
    for (var i = lane; i < n; i += GROUP) {
        let d = x[place(group.x, i)] - middle;
        sum += d * (d / f32(n));
    }
    let square = total(sum, lane);
    if (lane == 0u) {
        out[group.x] = middle;
        second[group.x] = square;
    }
}

// Sum of gy * normalised x into out, sum of gy into second: the gradients of gamma and beta
@compute @workgroup_size(128)
fn sums(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = p.rows * p.size;
    var along = 0.0;
    var sum = 0.0;
    for (var i = lane; i < n; i += GROUP) {
        let at = place(group.x, i);
        along += gy[at] * normal(at, group.x);
        sum += gy[at];
    }
    let first = total(along, lane);
    let all = total(sum, lane);
    if (lane == 0u) {
        out[group.x] = first;
        second[group.x] = all;
    }
}

@compute @workgroup_size(128)
fn apply(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.rows * p.channels * p.size; i += groups.x * GROUP) {
        let c = i / p.size % p.channels;
        out[i] = normal(i, c) * gamma[c] + beta[c];
    }
}

// gx, with second and beta the sums above, and share = 1 / (rows * size), or 0 where mean and variance are not x's own
@compute @workgroup_size(128)
fn gradient(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = id.x; i < p.rows * p.channels * p.size; i += groups.x * GROUP) {
        let c = i / p.size % p.channels;
        let inner = gy[i] - p.share * (beta[c] + normal(i, c) * second[c]);
        out[i] = gamma[c] / sqrt(variance[c] + p.eps) * inner;
    }
}
