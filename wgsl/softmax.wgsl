// Softmax over the last axis, alone and under a mask, and its gradient. x, g, out (rows, width); a workgroup takes a row at a time.
//: include workgroup

struct P { rows: u32, width: u32, temperature: f32 }
@group(0) @binding(0) var<uniform> p: P;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(128)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
           @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        var peak = LOWEST;
        for (var i = lane; i < p.width; i += GROUP) { peak = max(peak, x[row + i]); }
        peak = largest(peak, lane);
        var sum = 0.0;
        for (var i = lane; i < p.width; i += GROUP) { sum += exp(x[row + i] - peak); }
        sum = total(sum, lane);
        for (var i = lane; i < p.width; i += GROUP) { out[row + i] = exp(x[row + i] - peak) / sum; }
    }
}

// Over the entries where the mask (width) is set; the others are 0.
@compute @workgroup_size(128)
fn masked(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        var peak = LOWEST;
        for (var i = lane; i < p.width; i += GROUP) {
            if (mask[i] != 0u) { peak = max(peak, x[row + i]); }
        }
        peak = largest(peak, lane);
        var sum = 0.0;
        for (var i = lane; i < p.width; i += GROUP) {
            if (mask[i] != 0u) { sum += exp(x[row + i] - peak); }
        }
        sum = total(sum, lane);
        for (var i = lane; i < p.width; i += GROUP) {
            var y = 0.0;
            if (mask[i] != 0u) { y = exp(x[row + i] - peak) / sum; }
            out[row + i] = y;
        }
    }
}

// (x - max) / temperature, cut where it overflows
@compute @workgroup_size(128)
fn temper(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
          @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        var peak = LOWEST;
        for (var i = lane; i < p.width; i += GROUP) { peak = max(peak, x[row + i]); }
        peak = largest(peak, lane);
        for (var i = lane; i < p.width; i += GROUP) { out[row + i] = max((x[row + i] - peak) / p.temperature, -3e38); }
    }
}

// x is the output of `forward`
@compute @workgroup_size(128)
fn backward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
            @builtin(local_invocation_index) lane: u32) {
    for (var at = group.x; at < p.rows; at += groups.x) {
        let row = at * p.width;
        var dot = 0.0;
        for (var i = lane; i < p.width; i += GROUP) { dot += x[row + i] * g[row + i]; }
        dot = total(dot, lane);
        for (var i = lane; i < p.width; i += GROUP) { out[row + i] = x[row + i] * (g[row + i] - dot); }
    }
}
